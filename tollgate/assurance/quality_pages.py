"""The Data Docs of the gates: Great Expectations' own rendering of the last results, in a frame without a network."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import groupby
from typing import Any

Result = Mapping[str, Any]
# The section of expectations that are of no column.
TABLE_LEVEL = "Table-Level Expectations"


def pages(results: Iterable[Result]) -> dict[str, str]:
    """File name to HTML: index.html with all results, and a page for the first result of each suite.

    results: rows of quality_result as mappings, each suite's together, its last one first.
    """
    from great_expectations.render.view import DefaultJinjaPageView

    # Its own frame loads styles, fonts and scripts from elsewhere; of its templates only the sections are taken.
    template = DefaultJinjaPageView().env.from_string(
        (resources.files("tollgate.assurance") / "quality_pages.j2").read_text(encoding="utf-8")
    )
    found: dict[str, str] = {}
    suites = []
    for suite, group in groupby(results, key=lambda result: result["suite"]):
        of_suite = [{**result, "told": _what(result)} for result in group]
        name, last = f"{suite}.html", of_suite[0]
        found[name] = template.render(title=f"Quality of {suite}", result=last, sections=_sections(last))
        suites.append({"name": suite, "page": name, "results": of_suite})
    found["index.html"] = template.render(title="Quality gates", suites=suites)
    return found


def _what(result: Result) -> str:
    if result["run_id"]:
        return f"bill run {result['run_id']}"
    what = {"usage_event": "batches", "rated_usage": "rating runs"}.get(result["table_name"], "numbers")
    return f"{what} {result['from_no']} to {result['to_no']}"


def _sections(result: Result) -> list[Any]:
    """The sections of Great Expectations' page, one a column, its overview left out; none without findings."""
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    if not result["findings"]:
        return []
    found = json.loads(result["findings"])
    outcomes = [_outcome(one) for one in found]
    whole = ExpectationSuiteValidationResult(success=result["passed"], results=outcomes, suite_name=result["suite"])
    sections: list[Any] = ValidationResultsPageRenderer().render(whole).to_json_dict()["sections"][1:]
    for section in sections:
        of_column = [one for one in found if one["kwargs"].get("column", TABLE_LEVEL) == section["section_name"]]
        _say_why(section, of_column)
    return sections


def _say_why(section: Mapping[str, Any], found: list[Mapping[str, Any]]) -> None:
    """Add severity, reason and the SQL of a derived column, which its rendering leaves out, to a section's table."""
    for block in section["content_blocks"]:
        if block["content_block_type"] == "table":
            block["header_row"] = [*block["header_row"], "Level", "Why"]
            for row, one in zip(block["table"], found, strict=True):
                sql = f"<br><code>{html.escape(one['sql'])}</code>" if one["sql"] else ""
                row += [html.escape(one["severity"]), html.escape(one["why"]) + sql]


def _outcome(found: Mapping[str, Any]) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    message = found["exception"] and html.escape(found["exception"])
    raised = {"raised_exception": bool(message), "exception_message": message, "exception_traceback": message}
    return ExpectationValidationResult(
        success=found["success"],
        expectation_config=ExpectationConfiguration(type=found["type"], kwargs=dict(found["kwargs"])),
        result=found["result"],
        exception_info=raised,
    )
