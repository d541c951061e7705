"""The frame of a job: arguments, settings, Spark, one summary line, one readable message on failure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.progress import job as job_of
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings, load_settings
from tollgate.platform.trouble import in_words
from tollgate.platform.watching import add_watching, figures_of, lines_of, watching

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tollgate.platform.log_lines import LogLines

Run = Callable[["SparkSession", Settings, argparse.Namespace], "dict[str, Any]"]
Check = Callable[[argparse.Namespace], object]
Ready = Callable[[Settings, argparse.Namespace], object]


def add_common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the arguments that every job has: the settings file, single settings, lake and master, what is seen of it."""
    add_watching(add_settings(parser))
    return parser


def add_settings(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the arguments that choose the settings."""
    group = parser.add_argument_group("settings (before the environment, before the file)")
    group.add_argument("--conf-file", metavar="FILE", help="settings file (default: conf/local.toml)")
    group.add_argument("--set", dest="set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    group.add_argument("--lake", metavar="ROOT", help="same as --set lake.root=ROOT")
    group.add_argument("--master", metavar="URL", help="same as --set spark.master=URL")
    return parser


def whole_number(text: str) -> int:
    """An argument that is a whole number from 0 on; others are refused before Spark starts."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text!r}")
    return int(text)


def settings_from(args: argparse.Namespace) -> Settings:
    """Settings of the arguments that `add_common` added."""
    overrides: dict[str, str] = {}
    for item in args.set:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError("--set needs KEY=VALUE", found=item, expected="for example --set lake.root=/data/lake")
        overrides[key.strip()] = value
    if args.lake:
        overrides["lake.root"] = args.lake
    if args.master:
        overrides["spark.master"] = args.master
    if getattr(args, "metrics_port", None):
        overrides["metrics.port"] = args.metrics_port
    return load_settings(args.conf_file, overrides)


def _parsed(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments; like a wrong one, bytes that are no UTF-8 end with exit code 2: no table or message holds them."""
    for text in sys.argv[1:] if argv is None else argv:
        if any("\ud800" <= character <= "\udfff" for character in text):
            parser.error(f"expected arguments in UTF-8, found {text!r}")
    return parser.parse_args(argv)


def main(
    parser: argparse.ArgumentParser, run: Run, argv: list[str] | None = None, check: Check | None = None,
    ready: Ready | None = None,
) -> int:  # fmt: skip
    """Run one job and return its exit code; the summary goes to stdout as one JSON line, a failure to stderr.

    Both before Spark starts, and `run` does not lean on them. check: refuses, by UsageError, arguments that only
    together are wrong. ready: refuses, by TollgateError, what cannot be done: a database is down, a file is wrong.
    """
    args = _parsed(parser, argv)
    lines = lines_of(args)

    def job() -> None:
        if check is not None:
            check(args)
        from tollgate.platform.spark import spark_session

        settings = settings_from(args)
        with watching(settings, args, lines), job_of(_name(parser)) as seen:
            if ready is not None:
                ready(settings, args)
            with step("start Spark"):
                spark = spark_session(settings, parser.prog.removesuffix(".py"))
            try:
                summary = run(spark, settings, args)
                seen.note(**figures_of(summary))
            finally:
                spark.stop()
        print(json.dumps(summary, default=str, sort_keys=True), flush=True)

    return guarded(job, lines)


def main_without_spark(
    parser: argparse.ArgumentParser,
    run: Callable[[Settings, argparse.Namespace], object],
    argv: list[str] | None = None,
) -> int:
    """Run a command that needs settings and no Spark, and return its exit code; it prints for itself.

    run: gives figures for who looks on, or, where done has two answers as with diff, the exit code.
    """
    args = _parsed(parser, argv)
    lines = lines_of(args)
    answered: list[object] = []

    def command() -> None:
        settings = settings_from(args)
        with watching(settings, args, lines), job_of(_name(parser)) as seen:
            answered.append(run(settings, args))
            seen.note(**figures_of(answered[0]))

    code = guarded(command, lines)
    return answered[0] if code == 0 and answered and isinstance(answered[0], int) else code


def _name(parser: argparse.ArgumentParser) -> str:
    """The job by one name, however it was started."""
    return parser.prog.removesuffix(".py").split()[-1].replace("-", "_")


def guarded(action: Callable[[], None], lines: LogLines | None = None) -> int:
    """Run `action`; a TollgateError becomes its message on stderr and its exit code, everything else passes.

    lines: who writes the JSON lines of the command; the message is its last one then, and text without.
    """
    try:
        action()
    except TollgateError as error:
        return _refused(error, lines)
    except KeyboardInterrupt:
        if lines is None:
            print("stopped", file=sys.stderr, flush=True)
        else:
            lines.hears("command stopped", "warning", {})
        return 130
    except Exception as error:
        known = in_words(error)
        if known is None:
            raise
        return _refused(known, lines)
    return 0


def _refused(error: TollgateError, lines: LogLines | None) -> int:
    # A closed terminal or a full disk must not hide the exit code.
    with suppress(OSError):
        if lines is None:
            print(f"error: {error}", file=sys.stderr, flush=True)
        else:
            lines.fails(error)
    return error.exit_code
