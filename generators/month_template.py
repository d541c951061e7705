"""A planned month cut where another month differs: at the event id's month and at the date of each time.

What is kept are the bytes between the cuts, so that a record of another month is a concatenation, see
`generators/moved_month.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from generators.customers import local_midnight_ms, months_later
from generators.draws import Ints
from generators.producer import few_collections
from generators.usage import UsagePlan

ROWS_A_FLUSH = 50_000
SCHEMA = pa.schema(
    [
        ("arrival_no", pa.int64()),  # place in the order of arrival
        ("arrival_ms", pa.int64()),
        ("event_no", pa.int64()),  # the same for an event and its copies
        ("day", pa.int32()),  # of the start in the operator's zone, 1 to 31
        ("serial", pa.string()),  # end of the event id
        ("key_source", pa.string()),  # NULL without a key
        ("head", pa.binary()),  # NULL without a payload
        ("has_id", pa.bool_()),
        ("after_id", pa.binary()),
        ("first_on", pa.date32()),  # NULL without a time
        ("after_first", pa.binary()),
        ("second_on", pa.date32()),  # NULL without a second time
        ("after_second", pa.binary()),
    ]
)
_START, _END = b'"timestamp":"', b'"end_time":"'
_DATE = re.compile(rb"(?:19|20)\d\d-\d\d-\d\d(?=T)")
Label = tuple[str, str, str, str]  # dirt class, kind, expected disposition, expected code
Pieces = tuple["bytes | None", bool, bytes, "date | None", bytes, "date | None", bytes]


@dataclass
class Template:
    """What a cut month holds: records by (day of the start, label). month: its first day; prefix: of its event ids."""

    month: date
    prefix: str
    records: Counter[tuple[int, Label]] = field(default_factory=Counter)

    def counts(self, days: int) -> Counter[Label]:
        """Records by label of a month that has so many days."""
        found: Counter[Label] = Counter()
        for (day, label), records in self.records.items():
            if day <= days:
                found[label] += records
        return found


def template_month(first: date) -> date:
    """The month to plan for months from `first` on: 31 days long, and not after it.

    Whoever is a customer then is still one in the months after it, and no month has a day that it lacks.
    """
    return first if (months_later(first, 1) - first).days == 31 else months_later(first, -1)


def cut(plan: UsagePlan, month: date, file: Path | None, progress: Callable[[int], None]) -> Template:
    """Cut every record of the plan, in the order of arrival, into a Parquet file of SCHEMA; None: only count them."""
    template = Template(month, plan.calls.prefix)
    event_no = np.concatenate([np.arange(len(plan.calls)), plan.copy_of])[plan.order]
    event_no = np.where(event_no < 0, -1 - event_no, event_no)  # a copy of other content
    day = _days(plan.calls.start_ms, month)[event_no]
    rows = _rows(plan, template, day)
    writer = None if file is None else pq.ParquetWriter(file, SCHEMA, compression="zstd")
    try:
        with few_collections():
            for begin in range(0, len(plan), ROWS_A_FLUSH):
                batch = list(islice(rows, ROWS_A_FLUSH))
                end = begin + len(batch)
                if writer is not None:
                    numbers = (np.arange(begin, end), plan.arrival_ms[begin:end], event_no[begin:end], day[begin:end])
                    serials = pc.utf8_lpad(pc.cast(pa.array(event_no[begin:end]), pa.string()), 8, "0")
                    columns = [*numbers, serials, *zip(*batch, strict=True)]
                    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
                    writer.write_table(pa.table(arrays, schema=SCHEMA))
                progress(end)
    finally:
        if writer is not None:
            writer.close()
    return template


def _rows(plan: UsagePlan, template: Template, day: Ints) -> Iterator[tuple[object, ...]]:
    prefix, counts = template.prefix.encode(), template.records
    known: dict[bytes, date] = {}
    for (key, value, _, truth), day_no in zip(plan.records(), day.tolist(), strict=True):
        counts[day_no, truth.kind[:4]] += 1
        source = None if key is None else key[: key.index(b"|")].decode()
        yield (source, *_pieces(value, prefix, known))


def _pieces(value: bytes | None, prefix: bytes, known: dict[bytes, date]) -> Pieces:
    """The columns of SCHEMA from `head` on. known: dates by their text, filled here."""
    if value is None:
        return None, False, b"", None, b"", None, b""
    head, has_id, rest = value.partition(prefix)
    if not has_id:
        head, rest = b"", value
    pieces: list[bytes] = []
    dates: list[date | None] = []
    begin = 0
    for at in _dates(rest):
        text = rest[at : at + 10]
        if text not in known:
            known[text] = date.fromisoformat(text.decode())
        pieces.append(rest[begin:at])
        dates.append(known[text])
        begin = at + 10
    pieces += [rest[begin:], b"", b""]
    dates += [None, None]
    return head, bool(has_id), pieces[0], dates[0], pieces[1], dates[1], pieces[2]


def _dates(record: bytes) -> list[int]:
    """Where the dates of its start and end begin; at most two."""
    start = record.find(_START)
    if start < 0:  # not there, or the record is damaged
        return [found.start() for found in _DATE.finditer(record)]
    end = record.find(_END, start)
    places = [start + len(_START)] if end < 0 else [start + len(_START), end + len(_END)]
    return [at for at in places if record[at + 10 : at + 11] == b"T"]


def _days(start_ms: Ints, month: date) -> Ints:
    """Day of the month in the operator's zone, 1 to 31; days on which the clocks change have other lengths."""
    midnights = [local_midnight_ms(month + timedelta(days=day)) for day in range(31)]
    return np.searchsorted(np.array(midnights), start_ms, side="right")
