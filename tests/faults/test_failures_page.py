"""docs/failures.md: every number has its row, every row a test that exists or says that it has none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = [f"I{no}" for no in range(1, 4)] + [f"F{no:02}" for no in range(1, 73)] + [f"T{no:02}" for no in range(1, 20)]
NAMED = re.compile(r"`([\w/]+)::(test_\w+)`")
NOT_COVERED = "**not covered**"


def page() -> str:
    return (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")


def rows() -> dict[str, str]:
    """Each number with the text of its row."""
    found = {}
    for line in page().splitlines():
        if match := re.match(r"\| ((?:[FTI]\d+ ?)+) \|", line):
            for number in match[1].split():
                assert number not in found, f"{number} has two rows"
                found[number] = line
    return found


def collected(file: str) -> dict[str, bool]:
    """The tests that pytest would collect of a file, and which of them are long."""
    path = ROOT / "tests" / f"{file}.py"
    body = ast.parse(path.read_text()).body if path.is_file() else []
    marks = " ".join(ast.unparse(node) for node in body if isinstance(node, ast.Assign))
    is_all_long = re.search(r"^pytestmark = .*pytest\.mark\.long", marks, re.MULTILINE) is not None
    return {
        node.name: is_all_long or "pytest.mark.long" in map(ast.unparse, node.decorator_list)
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_failure_and_trap_has_its_row() -> None:
    assert list(rows()) == NUMBERS


@pytest.mark.covers("OPS-07")
def test_every_test_that_is_named_is_there() -> None:
    named = set(NAMED.findall(page()))
    assert len(named) > 50
    missing = sorted(f"{file}::{test}" for file, test in named if test not in collected(file))
    assert not missing, f"named in docs/failures.md and not there: {missing}"
    odd = [text for text in re.findall(r"`([^`]*::[^`]*)`", page()) if not NAMED.fullmatch(f"`{text}`")]
    assert odd == ["folder/file::test"], f"not in the form that is looked for: {odd}"


def test_what_only_make_prove_runs_has_its_star() -> None:
    told = {(file, test): bool(star) for file, test, star in re.findall(r"`([\w/]+)::(test_\w+)`(\*?)", page())}
    wrong = [f"{file}::{test}" for (file, test), star in told.items() if collected(file)[test] != star]
    assert not wrong, f"long without a star in docs/failures.md, or the other way round: {wrong}"


def test_a_row_without_a_test_says_so() -> None:
    silent = [no for no, row in rows().items() if not NAMED.search(row) and NOT_COVERED not in row.lower()]
    assert not silent, f"neither a test nor {NOT_COVERED}: {silent}"


def test_every_test_of_faults_in_the_stream_is_named() -> None:
    """A new test of this folder gets its row."""
    named = {test for file, test in NAMED.findall(page()) if file.startswith("faults/")}
    own = (
        "test_checkpoints",
        "test_crash_points",
        "test_damaged_tables",
        "test_full_disks",
        "test_topics",
        "test_zombies",
    )
    found = {test for file in own for test in collected(f"faults/{file}")}
    assert found - named == set()
