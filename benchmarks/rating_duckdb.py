"""The contest against DuckDB: the same rating as one SQL statement by hand (rating_duckdb.sql), on two threads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.rating_input import read_version
from tollgate.reference.bucket_digits import HEADS
from tollgate.reference.prefix_intervals import HEAD

# Integer arithmetic as money.py declares it; a macro is put into the statement, so it costs nothing.
MACROS = """
CREATE MACRO used(unit, seconds, bytes) AS
  CASE unit WHEN 'second' THEN seconds WHEN 'byte' THEN bytes WHEN 'message' THEN 1 END;
CREATE MACRO steps(used, increment) AS ((used + increment - 1) // increment) * increment;
CREATE MACRO step_micros(digits) AS
  CASE digits WHEN 0 THEN 1000000 WHEN 1 THEN 100000 WHEN 2 THEN 10000 WHEN 3 THEN 1000 WHEN 4 THEN 100 WHEN 5 THEN 10
    ELSE 1 END;
CREATE MACRO rounded(n, d, digits, mode) AS
  ((2 * n + CASE mode WHEN 'half_up' THEN d * step_micros(digits) WHEN 'up' THEN 2 * d * step_micros(digits) - 2
                      ELSE 0 END) // (2 * d * step_micros(digits))) * step_micros(digits);
CREATE MACRO amount(micros) AS CAST(micros * 0.000001::DECIMAL(7,6) AS DECIMAL(18,6));
"""


def rate(folder: Path, out: str) -> None:
    """Rated rows of the input as Parquet files under `out`."""
    import duckdb

    version = read_version(folder)
    told = {name: version[name] for name in ("time_zone", "currency", "factor_den", "discount_den")}
    digits = version["destination_digits"] or [HEAD] * HEADS
    text = (Path(__file__).parent / "rating_duckdb.sql").read_text(encoding="utf-8")
    statement = text[text.index("COPY (") :].format(folder=folder, out=out, digits=digits, **told)
    with duckdb.connect() as base:
        base.execute("SET threads = 2; SET memory_limit = '2GB'; SET TimeZone = 'UTC'")
        base.execute("SET preserve_insertion_order = false")
        base.execute(MACROS)
        base.execute(statement)
