"""The quality gate: a Great Expectations suite, kept as data beside the contract, held against a slice of a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

BLOCKING = "critical"
CONTRACT = "contract"
MARKED = "marked"


@dataclass(frozen=True)
class Suite:
    """What schemas/<table>.expectations.json says; `derived` are columns by name, as SQL, that the expectations may
    name."""

    suite: str
    table: str
    derived: Mapping[str, str]
    expectations: tuple[Mapping[str, Any], ...]


def read_suite(text: str) -> Suite:
    """The suite in the text of an expectations file. Only blocking expectations are known; another severity raises
    ValueError."""
    parsed = json.loads(text)
    for expectation in parsed["expectations"]:
        if expectation.get("severity") != BLOCKING:
            raise ValueError(
                f"suite {parsed['suite']}: {expectation['type']} has severity {expectation.get('severity')!r}; "
                f"expected {BLOCKING!r}"
            )
    return Suite(parsed["suite"], parsed["table"], parsed["derived"], tuple(parsed["expectations"]))


def unmet(slice_: DataFrame, suite: Suite, columns: list[str], marked: int) -> tuple[str, ...]:
    """The expectations that the slice does not meet, as text with column and count; empty when it passes.

    columns: those of the table's contract; marked: the rows that the control table says the slice has. Great
    Expectations computes all of them in a few aggregations without caching; only what fails is looked at again for its
    count.
    """
    known = {CONTRACT: columns, MARKED: marked}
    expectations = [_with_known(expectation, known) for expectation in suite.expectations]
    derived = [F.expr(sql).alias(name) for name, sql in suite.derived.items()]
    batch = _batch_of(slice_.select(*slice_.columns, *derived), suite)
    judged = zip(expectations, _validated(batch, suite, expectations, "BOOLEAN_ONLY"), strict=True)
    failed = [expectation for expectation, seen in judged if not seen.success]
    if not failed:
        return ()
    looked = zip(failed, _validated(batch, suite, failed, "BASIC"), strict=True)
    return tuple(_told(expectation, seen) for expectation, seen in looked)


def _with_known(expectation: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    kwargs = {
        name: known.get(value, value) if isinstance(value, str) else value
        for name, value in expectation["kwargs"].items()
    }
    return {"type": expectation["type"], "kwargs": kwargs}


def _batch_of(frame: DataFrame, suite: Suite) -> Any:
    # Before the import, which reads it: nothing about this run leaves the machine.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_spark(suite.suite, persist=False, force_reuse_spark_context=True)
    definition = source.add_dataframe_asset(suite.table).add_batch_definition_whole_dataframe("slice")
    return definition.get_batch(batch_parameters={"dataframe": frame})


def _validated(batch: Any, suite: Suite, expectations: list[dict[str, Any]], result_format: str) -> list[Any]:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    wanted = gx.ExpectationSuite(name=suite.suite)
    for expectation in expectations:
        wanted.add_expectation_configuration(ExpectationConfiguration(**expectation))
    return list(batch.validate(wanted, result_format=result_format).results)


def _told(expectation: Mapping[str, Any], seen: Any) -> str:
    about = f"{expectation['type']} of {expectation['kwargs'].get('column', 'the table')}"
    if seen.exception_info.get("raised_exception"):
        return f"{about}: not computed: {seen.exception_info.get('exception_message')}"
    if "unexpected_count" in seen.result:
        # No example values: they may be numbers of people, and the result is kept.
        return f"{about}: {seen.result['unexpected_count']} of {seen.result['element_count']} rows"
    mismatched = seen.result.get("details", {}).get("mismatched")
    return f"{about}: {mismatched}" if mismatched else f"{about}: found {seen.result.get('observed_value')}"
