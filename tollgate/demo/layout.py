"""How the page sets columns, shares and amounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Columns as wide as their widest text; align: l or r for each."""
    widths = [max(len(str(row[at])) for row in (heads, *rows)) for at in range(len(heads))]
    return [
        "  ".join(
            str(cell).ljust(width) if side == "l" else str(cell).rjust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ).rstrip()
        for row in (heads, ["-" * width for width in widths], *rows)
    ]


def percent(part: int | None, whole: int | None) -> str:
    """Share in hundredths of a percent, cut and not rounded, so that 100.00 % means all of them; a dash of nothing."""
    if not whole or part is None:
        return "-"
    hundredths = part * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def amount(value: Any) -> str:
    """A number with its digits grouped by thousands; texts that are no number and nothing as they are."""
    text = "" if value is None else str(value)
    whole, point, digits = text.partition(".")
    sign, bare = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return (
        f"{sign}{int(bare):,}{point}{digits}"
        if bare.isascii() and bare.isdigit() and not bare.startswith("0" * 2)
        else text
    )
