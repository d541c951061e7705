"""The `tollgate` command: services, jobs and questions to the lake. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tollgate import __version__
from tollgate.platform.errors import TollgateError, UsageError, nearest

# Command to the module that does it, with its own arguments: the same as `spark-submit jobs/NAME.py`.
PASSED_ON = {
    "seed": ("generators.seed_crm", "Write customers, lines and contracts into PostgreSQL."),
    "generate": ("generators.generate_usage", "Produce dirty usage into Kafka, with its truth beside it."),
    "backfill": ("jobs.backfill", "Generated usage of past months into Kafka, by Spark."),
    "publish-usage": ("jobs.publish_usage", "Files of usage records, JSON lines, into Kafka."),
    "import-carriers": ("jobs.import_carriers", "Put a carrier's rate table, a JSON file, into the price book."),
    "publish-pricebook": ("jobs.publish_pricebook", "Check the price book's CSV files and publish a version."),
    "snapshot-reference": ("jobs.snapshot_reference", "Copy customers and contracts into a reference snapshot."),
    "mediate-usage": ("jobs.mediate_usage", "Kafka to raw_cdr and usage_event."),
    "replay": ("jobs.replay", "Publish quarantined records again: mended ones, and held ones whose time has come."),
    "rate-file": ("jobs.rate_file", "Rate a CSV file of usage with any price book: no broker, no database."),
    "check-quality": ("jobs.check_quality", "The quality gates before rating, billing and posting."),
    "quality-docs": ("jobs.quality_docs", "The last results of the gates as pages that open offline."),
    "rate-usage": ("jobs.rate_usage", "The night: price what was mediated."),
    "correct-usage": ("jobs.correct_usage", "Price rated events again with newer pins: reversals and corrections."),
    "bill": ("jobs.bill", "Bill runs, step by step: preview, run, show, approve, post, void, resume, list, verify."),
    "bill-accounts": ("jobs.bill_accounts", "The month: allowances, lines, tax, invoices, ledger."),
    "reconcile": ("jobs.reconcile", "Every conservation equation, with both sides."),
    "export-usage": ("jobs.export_usage", "Accepted usage to PostgreSQL or JSON files, each batch once."),
    "night": ("jobs.night", "Snapshot, quality gate, rating and reconciliation of a date; one at a time."),
    "month": ("jobs.month", "The drafts of a cycle after its last night; with --post, its invoices."),
    "runs": ("tollgate.platform.runs", "What night and month did: status, steps, how long each took."),
    "maintain": ("jobs.maintain", "Retention, fewer and larger files, and none that nobody needs."),
    "hold": ("jobs.legal_hold", "Legal holds: what `maintain` must leave whole."),
    "charges": ("jobs.one_off_charges", "One-off charges and credits: load a CSV file, list what is billed of them."),
    "quote": ("jobs.quote_event", "What one event would cost by the price book, and why; needs no Spark."),
    "explain": ("jobs.explain_charge", "Why an event costs what it costs."),
    "sql": ("jobs.answer_query", "Ask the lake: every table and view by name, numbers as tokens."),
    "tables": ("jobs.list_tables", "List the tables and views, or the columns of one, with what they mean."),
    "report": ("jobs.run_report", "Run a report of sql/reports, or list them."),
    "demo": ("tollgate.demo", "The whole route on two fixed months, with its own broker and database."),
}
# The same, under a group.
GROUPED = {
    "pricebook": {
        "publish": ("jobs.publish_pricebook", "Check the CSV files and publish them as the next version."),
        "diff": ("jobs.compare_pricebooks", "Which cells differ between two versions, or a version and a folder."),
        "list": ("jobs.list_pricebooks", "The published versions: digest, author, reason, when."),
    },
    "assure": {
        "second-rating": ("jobs.second_rating", "Price every situation of a cycle again by the oracle, and compare."),
    },
}  # fmt: skip
ALIASES = {"explain-charge": "explain", "seed-crm": "seed", "generate-usage": "generate"}

ConfFile = Annotated[str | None, typer.Option("--conf-file", metavar="FILE", help="Settings file.")]
SetValues = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; repeatable.")]


class _NearestName(TyperGroup):
    """Commands by name, with dashes or underscores; an unknown one is answered with the nearest."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        name = cmd_name.replace("_", "-")
        return super().get_command(ctx, ALIASES.get(name, name))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0].replace("_", "-"), [*self.list_commands(ctx), *ALIASES])
            _fail(
                UsageError(
                    f"unknown command {args[0]}",
                    way_out=f"did you mean `tollgate {near}`?" if near else "`tollgate --help` lists the commands",
                )
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_NearestName, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Tollgate: telecom mediation, rating and billing on Apache Spark.",
)  # fmt: skip
pricebook = typer.Typer(no_args_is_help=True, help="The price book's CSV files and its published versions.")
assure = typer.Typer(no_args_is_help=True, help="Whether what was rated is right.")
# Without it a group of one command would be that command.
assure.callback()(lambda: None)
GROUPS = {"pricebook": pricebook, "assure": assure}
for _group, _found in GROUPS.items():
    app.add_typer(_found, name=_group)


@app.callback(invoke_without_command=True)
def _start(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"tollgate {__version__}")
        raise typer.Exit


@app.command()
def up(conf_file: ConfFile = None, set_values: SetValues = None) -> None:
    """Start the local Kafka broker and PostgreSQL; what runs already stays."""

    def start() -> None:
        from tollgate.platform import local_services

        _print_status(local_services.up(_settings(conf_file, set_values)))

    _finish(start)


@app.command()
def down(conf_file: ConfFile = None, set_values: SetValues = None) -> None:
    """Stop the local Kafka broker and PostgreSQL; their data stay."""

    def stop() -> None:
        from tollgate.platform import local_services

        _print_status(local_services.down(_settings(conf_file, set_values)))

    _finish(stop)


@app.command()
def status(conf_file: ConfFile = None, set_values: SetValues = None) -> None:
    """Show what runs, and where; exit code 1 unless all of it does."""

    def show() -> None:
        from tollgate.platform import local_services

        found = local_services.status(_settings(conf_file, set_values))
        _print_status(found)
        if any(entry["running"] is False for entry in found.values()):
            raise typer.Exit(1)

    _finish(show)


@app.command()
def clean(conf_file: ConfFile = None, set_values: SetValues = None) -> None:
    """Stop the local services and remove their data and the local lake; the jars stay."""

    def remove() -> None:
        from tollgate.platform import local_services

        local_services.clean(_settings(conf_file, set_values))
        print("removed the topics, the databases and the lake of this laptop")

    _finish(remove)


@app.command()
def migrate(conf_file: ConfFile = None, set_values: SetValues = None) -> None:
    """Bring the database to the newest migration."""

    def apply() -> None:
        from tollgate.platform import postgres

        applied = postgres.migrate(_settings(conf_file, set_values))
        print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")

    _finish(apply)


@app.command()
def package(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path("build/tollgate.zip"),
) -> None:
    """Pack code, contracts and migrations for a cluster: spark-submit --py-files FILE."""

    def pack() -> None:
        from tollgate.platform.shipping import write_zip

        files, digest = write_zip(out)
        print(f"{out}: {files} files, SHA-256 {digest}")

    _finish(pack)


@pricebook.command("check")
def check_pricebook(
    folder: Annotated[Path | None, typer.Option("--dir", help="Folder of the files (default: pricebook.dir).")] = None,
    conf_file: ConfFile = None,
    set_values: SetValues = None,
) -> None:
    """Check the price book's CSV files and say every finding; nothing is published."""
    flags = ["--conf-file", conf_file] if conf_file else []
    flags += ["--dir", str(folder)] if folder else []
    for item in set_values or []:
        flags += ["--set", item]
    raise typer.Exit(_pass_on("publish-pricebook", ["--check-only", *flags]))


def _add_passed_on(name: str, text: str, group: str = "") -> None:
    # Help and arguments are the module's own, so the command takes everything as it comes.
    @GROUPS.get(group, app).command(
        name, help=text, add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )  # fmt: skip
    def command(ctx: typer.Context) -> None:
        raise typer.Exit(_pass_on(name, ctx.args, group))


for _name, (_module, _text) in PASSED_ON.items():
    _add_passed_on(_name, _text)
for _group, _commands in GROUPED.items():
    for _name, (_module, _text) in _commands.items():
        _add_passed_on(_name, _text, _group)


def _pass_on(name: str, argv: list[str], group: str = "") -> int:
    from tollgate.platform import job

    module = importlib.import_module((GROUPED[group] if group else PASSED_ON)[name][0])
    if name == "demo":
        return int(module.main(argv))
    parser: argparse.ArgumentParser = module.parser()
    parser.prog = " ".join(["tollgate", *filter(None, [group]), name])
    if hasattr(module, "run_cli"):
        return job.main_without_spark(parser, module.run_cli, argv)
    return job.main(
        parser, module.run, argv, getattr(module, "check_args", None), getattr(module, "check_before_spark", None)
    )


def _settings(conf_file: str | None, set_values: list[str] | None) -> Any:
    from tollgate.platform.job import add_settings, settings_from

    flags = [part for item in set_values or [] for part in ("--set", item)]
    flags += ["--conf-file", conf_file] if conf_file else []
    return settings_from(add_settings(argparse.ArgumentParser()).parse_args(flags))


def _print_status(found: dict[str, Any]) -> None:
    for part, entry in found.items():
        state = {True: f"running, pid {entry.get('pid')}", False: "stopped", None: "given by the settings"}
        print(f"{part:<10}{entry['address'] or '-':<24}{state[entry['running']]}")


def _finish(action: Any) -> None:
    from tollgate.platform.job import guarded
    from tollgate.platform.watching import shown

    with shown(sys.argv[1] if len(sys.argv) > 1 else "tollgate"):
        code = guarded(action)
    raise typer.Exit(code)


def _fail(error: TollgateError) -> None:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(error.exit_code)


def main() -> None:
    """Entry of the console script."""
    app(prog_name="tollgate")


if __name__ == "__main__":
    main()
