"""The names of time zones that are taken: those of the IANA database, less what the Java at work has not heard of."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Names of the database that stand for no place: what they mean is the machine's own.
_NO_PLACES = ("Factory", "localtime", "posixrules")


@functools.cache
def zone_names() -> frozenset[str]:
    """The zones of the tzdata package of the lock, whichever files this machine has besides."""
    names = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return frozenset(names).difference(_NO_PLACES)


def zones_known_to(spark: SparkSession) -> list[str]:
    """Those of `zone_names` that Spark can reckon with: a Java has the database of its own release, and fails a whole
    batch over the name of a zone that came later."""
    java: Any = spark._jvm
    # Names of three letters are Spark's to know, of those that are no region to Java.
    known = set(java.java.lang.String.join(",", java.java.time.ZoneId.getAvailableZoneIds()).split(","))
    known.update(java.java.time.ZoneId.SHORT_IDS.keySet())
    return sorted(zone_names() & known)
