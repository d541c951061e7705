"""List the tables and views that `tollgate sql` answers from; with a name, its columns and what they mean."""

from __future__ import annotations

import argparse
import sys

from tollgate.assurance.tokens import columns_seen
from tollgate.assurance.views import DESCRIBED, POSTED_RUN
from tollgate.platform.descriptions import Column, Description, columns_of, described
from tollgate.platform.errors import UsageError, nearest
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.lake import contract_names
from tollgate.platform.settings import Settings

IN_POSTGRES = {"posted_run": POSTED_RUN}


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="list_tables", description=__doc__)
    found.add_argument("name", nargs="?", metavar="NAME", help="a table or view")
    return add_common(found)


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Print the list, or the columns of one table or view; Spark is not started."""
    print(listing() if args.name is None else columns_told(args.name))


def descriptions() -> dict[str, Description]:
    """Every table and view by name, as analysts see it: tables first, then views."""
    found: dict[str, Description] = {}
    for table in contract_names():
        about, key, columns = described(table)
        seen = [Column(one.name, one.type, one.about) for one in columns_seen(columns)]
        found[table] = Description(about, key, tuple(seen))
    for name, view in {**IN_POSTGRES, **DESCRIBED}.items():
        taken = found[view.takes].columns if view.takes else ()
        found[name] = Description(view.about, view.key, (*taken, *columns_of(view.columns)))
    return found


def listing() -> str:
    """One line a table or view: its name and what a row is."""
    known, tables = descriptions(), contract_names()
    width = max(map(len, known)) + 2
    told = {name: f"{name:<{width}}{one.about}" for name, one in known.items()}
    views = [told[name] for name in known if name not in tables]
    return "\n".join(["Tables", *(told[name] for name in tables), "", "Views", *views])


def columns_told(name: str) -> str:
    """What a row is, the key, and a line a column; UsageError for a name that is neither table nor view."""
    known = descriptions()
    if name not in known:
        near = nearest(name, known)
        listed = "`tollgate tables` lists them"
        raise UsageError(f"no table or view {name}", way_out=f"did you mean {near}? {listed}" if near else listed)
    one = known[name]
    names, types = (max(len(column[at]) for column in one.columns) + 2 for at in (0, 1))
    columns = [f"  {column.name:<{names}}{column.type:<{types}}{column.about}" for column in one.columns]
    return "\n".join([f"{name}: {one.about}", f"key: {one.key}", *columns])


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
