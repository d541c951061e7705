"""From a raw record to a usage event with exactly one disposition and its reasons."""
