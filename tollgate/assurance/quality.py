"""The quality gates: Great Expectations suites, kept as data beside the contracts, held against a slice of a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

BLOCKING, WARNING = "critical", "warning"
# What a file may leave to be known when the slice is: in the place of a value it writes one of these words.
CONTRACT, MARKED, CURRENCIES = "contract", "marked", "currencies"

# Great Expectations asks once for all results of the first kind, and once more for each of the second. The values of
# rows are left out: they may be numbers of people, and results are kept.
_WHETHER = "BOOLEAN_ONLY"
_HOW_MANY = {"result_format": "BASIC", "partial_unexpected_count": 0, "exclude_unexpected_values": True}


@dataclass(frozen=True)
class Details:
    """Rows of another table that belong to one row of the suite's: `columns` are aggregates by name, as SQL, over the
    rows with the same `by`."""

    table: str
    by: tuple[str, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Suite:
    """What schemas/<table>.expectations.json says; `derived` are columns by name, as SQL, that the expectations may
    name."""

    suite: str
    table: str
    derived: Mapping[str, str]
    details: Details | None
    expectations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Verdict:
    """What a slice does not meet, as text with column and count; `findings` is all that was found, as JSON."""

    failed: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: str


def read_suite(text: str) -> Suite:
    """The suite in the text of an expectations file; ValueError for an expectation of no known severity, or without
    its reason."""
    parsed = json.loads(text)
    for expectation in parsed["expectations"]:
        about = f"suite {parsed['suite']}: {expectation['type']} of {_subject(expectation['kwargs'])}"
        if expectation.get("severity") not in (BLOCKING, WARNING):
            raise ValueError(
                f"{about} has severity {expectation.get('severity')!r}; expected {BLOCKING!r} or {WARNING!r}"
            )
        if not expectation.get("why"):
            raise ValueError(f"{about} has no why")
    details = parsed.get("details")
    return Suite(
        parsed["suite"],
        parsed["table"],
        parsed["derived"],
        Details(details["table"], tuple(details["by"]), details["columns"]) if details else None,
        tuple(parsed["expectations"]),
    )


def with_details(rows: DataFrame, suite: Suite, details: DataFrame) -> DataFrame:
    """Add the columns of `suite.details`; a group of details without its row makes a row of its own, NULL but for the
    key.

    rows: unique by `by`; details: rows of the other table.
    """
    assert suite.details is not None
    by = list(suite.details.by)
    summed = details.groupBy(*by).agg(*[F.expr(sql).alias(name) for name, sql in suite.details.columns.items()])
    return rows.join(summed, by, how="full")


def judge(slice_: DataFrame, suite: Suite, known: Mapping[str, Any]) -> Verdict:
    """Hold the suite against the slice.

    known: what stands for the words CONTRACT (columns of the table's contract), MARKED (rows that the mark says the
    slice has), and others. Great Expectations computes all of it in a few aggregations without caching; a blocking
    expectation that fails is looked at again for its count. It does not look at NULL, so a derived column must not be
    NULL where it is to fail.
    """
    derived = {name: F.expr(sql).alias(name) for name, sql in suite.derived.items()}
    asked = [
        {
            **expectation,
            "kwargs": _with_known(expectation["kwargs"], known),
            "sql": suite.derived.get(_subject(expectation["kwargs"])),
        }
        for expectation in suite.expectations
    ]
    # What is asked of the whole table costs nothing more to be told.
    counted = [one["severity"] == WARNING or "column" not in one["kwargs"] for one in asked]
    whole = slice_.select(*slice_.columns, *derived.values())
    seen = _seen(whole, suite, asked, {at: _HOW_MANY if told else _WHETHER for at, told in enumerate(counted)})
    broken = [at for at, told in enumerate(counted) if not told and not seen[at].success]
    if broken:
        names = dict.fromkeys(asked[at]["kwargs"]["column"] for at in broken)
        few = slice_.select(*[derived.get(name, F.col(name)) for name in names])
        seen |= _seen(few, suite, asked, dict.fromkeys(broken, _HOW_MANY))
    found = [_found(expectation, seen[at]) for at, expectation in enumerate(asked)]
    unmet = [one for one in found if not one["success"]]
    return Verdict(
        tuple(_told(one) for one in unmet if one["severity"] == BLOCKING),
        tuple(_told(one) for one in unmet if one["severity"] == WARNING),
        json.dumps(found),
    )


def _with_known(kwargs: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in kwargs.items()}


def _validator_of(frame: DataFrame, suite: Suite) -> Any:
    # Before the import, which reads it: nothing about this run leaves the machine.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_spark(suite.suite, persist=False, force_reuse_spark_context=True)
    definition = source.add_dataframe_asset(suite.table).add_batch_definition_whole_dataframe("slice")
    return context.get_validator(batch_request=definition.build_batch_request({"dataframe": frame}))


def _seen(frame: DataFrame, suite: Suite, asked: list[dict[str, Any]], formats: Mapping[int, Any]) -> dict[int, Any]:
    """The results of the expectations at these places, each in its format, in one run."""
    validator = _validator_of(frame, suite)
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    wanted = [
        ExpectationConfiguration(
            type=asked[at]["type"], kwargs={**asked[at]["kwargs"], "result_format": result_format}, meta={"at": at}
        )
        for at, result_format in formats.items()
    ]
    # One that could not be computed comes before the others, so each carries its place.
    results = validator.graph_validate(configurations=wanted, runtime_configuration={})
    return {result.expectation_config.meta["at"]: result for result in results}


def _found(expectation: Mapping[str, Any], seen: Any) -> dict[str, Any]:
    """An expectation and what was found, as plain values."""
    told = seen.to_json_dict()
    info = told["exception_info"]
    raised = [one["exception_message"] for one in (info, *info.values()) if _is_raised(one)]
    exception = raised[0].splitlines()[0] if raised else None
    return {**expectation, "success": told["success"], "result": told["result"], "exception": exception}


def _is_raised(info: Any) -> bool:
    # By itself, or one for each metric that failed.
    return isinstance(info, dict) and bool(info.get("raised_exception"))


def _subject(kwargs: Mapping[str, Any]) -> str:
    return str(kwargs.get("column", "the table"))


def _told(found: Mapping[str, Any]) -> str:
    about = f"{found['type']} of {_subject(found['kwargs'])}"
    result, mostly = found["result"], found["kwargs"].get("mostly")
    if found["exception"]:
        return f"{about}: not computed: {found['exception']}"
    if "unexpected_count" in result:
        share = f", {mostly:.1%} must be met" if mostly else ""
        return f"{about}: {result['unexpected_count']} of {result['element_count']} rows{share}"
    mismatched = result.get("details", {}).get("mismatched")
    return f"{about}: {mismatched}" if mismatched else f"{about}: found {result.get('observed_value')}"
