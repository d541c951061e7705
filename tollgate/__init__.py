"""Tollgate: telecom mediation, rating and billing on Apache Spark."""

__version__ = "0.1.0"
