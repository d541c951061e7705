"""Write docs/coverage.md: which test proves which requirement, read from the `covers` marks without running a test."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IDS = ROOT / "docs" / "requirements_ids.txt"
TARGET = ROOT / "docs" / "coverage.md"


def covered() -> dict[str, list[str]]:
    """Requirement id to the tests that carry it, as `path::name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        of_module = [
            mark
            for node in tree.body
            if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "pytestmark" for name in node.targets)
            for mark in _ids(node.value)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test"):
                ids = [one for decorator in node.decorator_list for one in _ids(decorator)]
                for one in dict.fromkeys([*of_module, *ids]):
                    found[one].append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def matrix() -> str:
    """The page: one row a requirement."""
    tests, wanted = covered(), IDS.read_text(encoding="utf-8").split()
    lines = [
        "# Coverage",
        "",
        "Which test proves which requirement. Written by `make coverage`; do not edit.",
        "",
        f"{sum(one in tests for one in wanted)} of {len(wanted)} requirements have a test.",
        "",
        "| requirement | tests |",
        "|---|---|",
    ]
    for one in wanted:
        lines.append(f"| {one} | {'<br>'.join(f'`{name}`' for name in tests.get(one, [])) or 'not yet'} |")
    return "\n".join(lines) + "\n"


def _ids(node: ast.expr) -> list[str]:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    marks = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "covers"]
    return [word.value for call in marks for word in call.args if isinstance(word, ast.Constant)]


def main() -> int:
    """Write the page."""
    TARGET.write_text(matrix(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
