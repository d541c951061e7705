"""An answer as a table for the eye: nothing that could be misread is folded or cut."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from tollgate.platform.progress import remark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NULL = "NULL"
# Text columns fold down to this width where the terminal is narrow.
_NARROWEST_TEXT = 16
_AROUND_A_CELL = 3


def print_table(answer: DataFrame, file: IO[str], limit: int | None) -> int:
    """Print at most `limit` rows and return their number; that there are more is said on stderr.

    Off a terminal every row is one line. On one, text folds to fit it; numbers, days and instants never do.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tollgate.platform.answer_text import as_texts, is_number

    assert limit is not None, "a table is collected, so it has a limit"
    found = as_texts(answer).limit(limit + 1).collect()
    if answer.columns == ["plan"]:  # of EXPLAIN: one text of many lines
        file.writelines(f"{row[0]}\n" for row in found)
        return len(found)
    rows = [[NULL if cell is None else _printable(cell) for cell in row] for row in found[:limit]]
    shown = Table(box=box.SIMPLE_HEAD)
    needed = 0
    is_terminal = file.isatty()
    for at, field in enumerate(answer.schema.fields):
        width = max(len(text) for text in [field.name, *(row[at] for row in rows)])
        folds = is_terminal and field.dataType.typeName() in ("string", "array", "map", "struct", "variant", "binary")
        least = min(width, _NARROWEST_TEXT) if folds else width
        shown.add_column(
            Text(field.name),
            justify="right" if is_number(field.dataType) else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=least,
        )
        needed += least + _AROUND_A_CELL
    for row, given in zip(rows, found, strict=False):
        cells = zip(row, given, strict=True)
        shown.add_row(*(Text(text, style="dim" if cell is None else "") for text, cell in cells))
    console = Console(file=file)
    console.width = max(needed + 1, console.width if is_terminal else 0)
    console.print(shown, crop=False, soft_wrap=False)
    if len(found) > limit:
        remark(f"first {limit} rows; --limit shows more")
    return len(rows)


def _printable(text: str) -> str:
    """Control characters escaped: dirty records must not steer the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
