"""Ask the lake in SQL: every table and view by name (`tollgate tables`), numbers as tokens."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pyspark.sql import SparkSession

from tollgate.platform.answer_output import Output, add_output, deliver, output_from
from tollgate.platform.answers import asked, check_question, mistakes_told, needed_by
from tollgate.platform.errors import UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="answer_query", description=__doc__)
    found.add_argument("query", nargs="?", metavar="QUERY", help='for example "SELECT * FROM revenue_by_service"')
    found.add_argument("--tables", action="store_true", help="list the tables and views, as `tollgate tables` does")
    add_output(found)
    return add_common(add_seeing(found))


def add_seeing(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the arguments that say what is seen."""
    group = parser.add_argument_group("what is seen")
    group.add_argument(
        "--in-clear", action="store_true", help="numbers themselves, not tokens; whoever may read the lake's files can"
    )
    group.add_argument(
        "--posted-run",
        action="append",
        metavar="ID",
        help="a bill run that counts, in place of asking PostgreSQL; repeatable",
    )
    return parser


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Answer the query, or list what can be asked for."""
    if args.tables:
        from jobs.list_tables import listing

        print(listing())
        return
    if args.query is None:
        raise UsageError("no query", way_out="`tollgate tables` lists what there is to ask for")
    check_question(args.query)
    ask(settings, args.query, output_from(args, settings.lake.root), args)


def ask(
    settings: Settings, query: str, output: Output, seeing: argparse.Namespace, arguments: dict[str, Any] | None = None
) -> None:
    """Start Spark and answer."""
    from tollgate.platform.spark import spark_session

    spark = spark_session(settings, "ask")
    try:
        answer(spark, settings, query, output, seeing, arguments)
    finally:
        spark.stop()


def answer(
    spark: SparkSession, settings: Settings, query: str, output: Output, seeing: argparse.Namespace,
    arguments: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Answer the query where `output` says, with the arguments of `add_seeing` and values for its `:name` markers."""
    from jobs import analyst_views

    with mistakes_told():
        analyst_views.register(spark, settings, needed_by(query), in_clear=seeing.in_clear, posted=seeing.posted_run)
        found = asked(spark, query, arguments)
        analyst_views.refuse_passing_tokens(found, settings)
        deliver(found, output)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
