"""The reports of sql/reports: each a file with its name, what it tells, its parameters, and one question.

The comment at the head says it: first a line of what the report tells, then a line for each parameter,
`-- :name TYPE = default, meaning`, or without `= default` where one must be given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

from tollgate.platform.errors import UsageError, nearest

_PARAMETER = re.compile(r"-- :(?P<name>\w+) (?P<type>DATE|INT|STRING)(?: = (?P<default>[^\s,]+))?, (?P<about>.+)")


def _day(text: str) -> date:
    # The way into the JVM writes a year without its leading zeros.
    if text < "1000":
        raise ValueError(text)
    return date.fromisoformat(text)


_READ: dict[str, Callable[[str], Any]] = {"DATE": _day, "INT": int, "STRING": str}
_LOOKS_LIKE = {"DATE": "a day as 2026-10-31", "INT": "a whole number", "STRING": "a text"}


class Parameter(NamedTuple):
    """A parameter of a report; without a default it must be given."""

    name: str
    type: str
    default: str | None
    about: str


class Report(NamedTuple):
    """A report: `sql` asks it, with a `:name` for each parameter."""

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    sql: str


def report_names() -> list[str]:
    """Every report in sql/reports."""
    files = (resources.files("sql") / "reports").iterdir()
    return sorted(file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql"))


def read_report(name: str) -> Report:
    """The report with this name; UsageError, with the nearest, for one that is not there."""
    if name not in report_names():
        near = nearest(name, report_names())
        raise UsageError(
            f"no report {name}",
            where="sql/reports",
            way_out=f"did you mean `tollgate report {near}`?" if near else "`tollgate report` lists them",
        )
    sql = (resources.files("sql") / "reports" / f"{name}.sql").read_text(encoding="utf-8")
    about, *further = sql.splitlines()
    parameters = [Parameter(**found.groupdict()) for found in map(_PARAMETER.fullmatch, further) if found]
    return Report(name, about.removeprefix("-- "), tuple(parameters), sql)


def arguments(report: Report, given: Iterable[str]) -> dict[str, Any]:
    """The value of each parameter, for `spark.sql(report.sql, args=...)`; never pasted into the text.

    given: NAME=VALUE each. UsageError names every one that is unknown, missing or of another type.
    """
    mistakes: list[str] = []
    texts = {one.name: one.default for one in report.parameters}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            mistakes.append(f"{item}: expected NAME=VALUE")
        elif name not in texts:
            mistakes.append(f"{name}: no such parameter")
        else:
            texts[name] = value
    values = {}
    for one in report.parameters:
        text = texts[one.name]
        try:
            if text is None:
                mistakes.append(f"{one.name}: must be given, {one.about}")
            else:
                values[one.name] = _READ[one.type](text)
        except ValueError:
            mistakes.append(f"{one.name}: expected {_LOOKS_LIKE[one.type]}, found {text!r}")
    if mistakes:
        known = ", ".join(f"{one.name} {one.type}" for one in report.parameters) or "none"
        raise UsageError(
            "\n".join([f"{len(mistakes)} parameter(s) are wrong:", *(f"  - {mistake}" for mistake in mistakes)]),
            where=f"report {report.name}",
            expected=f"parameters: {known}",
        )
    return values
