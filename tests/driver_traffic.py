"""Where code brings rows to the driver, sends rows from it, or leaves the plan for Python: found in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Methods that bring rows of a frame, or of a database, into this one process.
BRINGS = {
    "collect", "first", "take", "head", "tail", "toPandas", "toArrow", "toLocalIterator", "fetchall", "fetchmany",
    "pandas_api",
}  # fmt: skip
# What passes through the driver on its way: a broadcast table is gathered there, and rows made there are sent out.
PASSES = {"broadcast", "hint", "createDataFrame", "parallelize", "frame", "few_rows"}
# Python called row by row or group by group, on the driver or beside the executors.
PYTHON = {
    "foreach", "foreachPartition", "foreachBatch", "udf", "udtf", "pandas_udf", "arrow_udf", "mapInPandas",
    "mapInArrow", "applyInPandas", "applyInPandasWithState", "applyInArrow", "transformWithState",
}  # fmt: skip
CALLS = BRINGS | PASSES | PYTHON
# Attributes, with or without a call.
ATTRIBUTES = {"rdd"}
# `F.first(column)` and its like are aggregates inside the plan; these two functions are not.
FUNCTIONS = {"F", "functions"}
NO_AGGREGATES = PASSES | PYTHON


@dataclass(frozen=True)
class Passage:
    """One place: file, the function it is in (outermost, with its class), and what is called."""

    file: str
    function: str
    call: str


def passages(file: str, text: str) -> Iterator[Passage]:
    """Every passage in the source `text` of `file`, in the order of the tree."""
    yield from _within(file, "", ast.parse(text))


def passages_of(root: Path, folders: tuple[str, ...]) -> list[Passage]:
    """Every passage in the Python files under `folders` of `root`."""
    files = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    return [
        found
        for path in files
        for found in passages(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    ]


def _within(file: str, function: str, node: ast.AST) -> Iterator[Passage]:
    call = _call(node)
    if call:
        yield Passage(file, function, call)
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, ast.ClassDef) or (isinstance(child, ast.FunctionDef) and _is_outermost(function)):
            inside = f"{function}{child.name}{'.' if isinstance(child, ast.ClassDef) else ''}"
        yield from _within(file, inside, child)


def _is_outermost(function: str) -> bool:
    return function == "" or function.endswith(".")


def _call(node: ast.AST) -> str:
    """What `node` itself is: the name of a call that counts, also as a decorator or handed on uncalled; else empty."""
    if isinstance(node, ast.Attribute):
        on_functions = isinstance(node.value, ast.Name) and node.value.id in FUNCTIONS
        wanted = node.attr in (NO_AGGREGATES if on_functions else CALLS | ATTRIBUTES)
        return node.attr if wanted else ""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NO_AGGREGATES - {"frame"}:
        return node.id
    if isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Name) and node.iter.id == "cursor":
        return "for cursor"
    return ""
