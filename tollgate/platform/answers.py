"""One SQL question to the lake, answered as a table on the terminal."""

from __future__ import annotations

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings
from tollgate.platform.spark import spark_session


def print_answer(settings: Settings, views: dict[str, str], query: str, limit: int) -> None:
    """Run `query` over the tables of the lake and `views`, and print at most `limit` rows."""
    from pyspark.errors import PySparkException
    from rich import box
    from rich.console import Console
    from rich.table import Table

    spark = spark_session(settings, "sql")
    try:
        Lake(spark, settings.lake.root).register_views(views, query)
        answer = spark.sql(query)
        rows = answer.limit(limit + 1).collect()
    except PySparkException as error:
        raise TollgateError(
            "the query does not run",
            found=str(error).split("\n\n")[0],
            way_out='`tollgate sql "SHOW VIEWS"` lists names',
        ) from None
    finally:
        spark.stop()
    shown = Table(box=box.SIMPLE_HEAD)
    for field in answer.schema.fields:
        is_number = field.dataType.typeName() in ("integer", "long", "short", "byte", "decimal")
        shown.add_column(field.name, justify="right" if is_number else "left", overflow="fold")
    for row in rows[:limit]:
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)
    if len(rows) > limit:
        print(f"first {limit} rows; --limit shows more")
