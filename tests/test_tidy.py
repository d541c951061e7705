"""What a reviewer would otherwise say every time: sizes, names, and words that do not belong in the tree."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from coverage_matrix import IDS, covered

ROOT = Path(__file__).resolve().parents[1]
MADE = {".git", ".venv", ".tollgate", ".hypothesis", "build", "dist", "__pycache__"}
CODE = {".py", ".sql", ".ddl", ".sh", ".ipynb"}
TEXT = CODE | {".md", ".toml", ".txt", ".in", ".json", ".csv", ".yml", ".conf", ".properties", ""}
LONGEST_FILE, LONGEST_FUNCTION = 280, 60
RULES = (
    "tollgate/reference",
    "tollgate/mediation",
    "tollgate/rating",
    "tollgate/billing",
    "tollgate/assurance",
    "jobs",
)

# Put together from pieces, so that this file does not hold what it looks for.
_MACHINE = "|".join(["/wo" + "rk/", "/ro" + "ot/", "/tmp/" + "proto", "fa" + "rm-"])
_HOSTS = "|".join(["ma" + "ven", "py" + "pi", "python" + "hosted", "npm" + "js", "cra" + "tes", "proxy.go" + "lang"])
FOREIGN = re.compile(rf"(?<![\w.]){_MACHINE}|https?://[a-z0-9.-]*(?:{_HOSTS})", re.IGNORECASE)
INEXACT = re.compile(
    r"\bfloat\(|\bDoubleType|\bFloatType|cast\(.(?:double|float)|AS (?:DOUBLE|FLOAT)\b"
    r"|\b(?:pandas_)?udf\(|applyInPandas|mapInPandas"
)
ROUNDING = re.compile(r"\bF\.b?round\(|(?<![\w.])b?round\(|\.quantize\(|\bROUND_[A-Z]+")
VAGUE = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "base.py", "misc.py"}


@functools.cache
def tree() -> list[Path]:
    """Every file of the tree; what is made or downloaded is left out."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE and not name.endswith(("_cache", ".egg-info"))]
        found += [Path(folder) / name for name in names]
    return sorted(found)


def files(*endings: str) -> list[Path]:
    """Files with one of these endings."""
    return [path for path in tree() if path.suffix in endings]


def lines(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    return [(f"{path.relative_to(ROOT)}:{number}", line) for number, line in enumerate(text.splitlines(), start=1)]


def test_nothing_of_one_machine_and_no_registry_host() -> None:
    found = [where for path in files(*TEXT) for where, line in lines(path) if FOREIGN.search(line)]
    assert not found, f"a path of one machine or the host of a registry: {found}"


def test_files_and_functions_stay_short() -> None:
    found = []
    for path in files(".py"):
        text = path.read_text(encoding="utf-8")
        count = text.count("\n")
        if count > LONGEST_FILE:
            found.append(f"{path.relative_to(ROOT)}: {count} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append(f"{path.relative_to(ROOT)}: {node.name} has {length} lines")
    assert not found, f"longer than {LONGEST_FILE} lines a file or {LONGEST_FUNCTION} a function: {found}"


def test_files_are_named_after_what_they_are_about() -> None:
    found = [str(path.relative_to(ROOT)) for path in files(".py") if path.name in VAGUE]
    assert not found, f"a name that never stops growing: {found}"


def test_no_float_and_no_python_function_in_a_plan_of_money() -> None:
    found = [
        f"{where}: {line.strip()}"
        for path in files(".py")
        if str(path.relative_to(ROOT)).startswith((*RULES, "tollgate/money.py", "tollgate/oracle"))
        for where, line in lines(path)
        if INEXACT.search(line)
    ]
    assert not found, f"inexact arithmetic or a Python function in a plan: {found}"


def test_only_one_module_of_the_rules_rounds() -> None:
    found = [
        f"{where}: {line.strip()}"
        for path in files(".py")
        if str(path.relative_to(ROOT)).startswith(RULES)
        for where, line in lines(path)
        if ROUNDING.search(line)
    ]
    assert not found, f"rounding belongs in tollgate/money.py: {found}"


def test_public_functions_say_what_they_do() -> None:
    found = []
    for path in files(".py"):
        name = str(path.relative_to(ROOT))
        if name.startswith(("tollgate/", "jobs/", "generators/")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                is_public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
                if is_public and not ast.get_docstring(node) and node.name not in ("parser", "run", "main"):
                    found.append(f"{name}: {node.name}")
    assert not found, f"a public function without a docstring: {found}"


def test_tests_stand_where_what_they_test_stands() -> None:
    homes = {path.name for path in (ROOT / "tollgate").iterdir() if path.is_dir()}
    homes |= {"golden", "properties", "faults", "years", "cluster", "__pycache__"}
    homes |= {"generators", "jobs", "sql", "benchmarks", "notebooks"}
    found = [path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name not in homes]
    assert not found, f"a folder of tests without a twin: {found}"


@pytest.mark.covers("OPS-07")
def test_documents_name_places_that_exist() -> None:
    place = re.compile(r"`((?:jobs|generators|tollgate|schemas|conf|sql|notebooks|benchmarks|docs|tests)/[\w./*-]*)`")
    missing = [
        f"{page.relative_to(ROOT)}: {named}"
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for named in place.findall(page.read_text(encoding="utf-8"))
        if not list(ROOT.glob(named.rstrip("/")))
    ]
    assert not missing, f"named in a document and not there: {missing}"


@pytest.mark.covers("OPS-11", "OPS-12", "QUA-01")
def test_layers_are_held_apart() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "Contracts: 3 kept, 0 broken." in done.stdout


def test_covers_marks_name_requirements_that_exist() -> None:
    unknown = set(covered()) - set(IDS.read_text(encoding="utf-8").split())
    assert not unknown, f"no such requirement: {sorted(unknown)}"
