"""The truth about generated records: labels, and the side file that holds them. None of it stands in a record."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from generators.dirt import ACCEPTED, EXACT_COPY, ID_CONFLICT, KINDS, LATE_KINDS, Kind
from generators.draws import Ints
from tollgate.platform.errors import TollgateError

ROWS_A_FLUSH = 100_000
SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("event_id", pa.string()),
        ("dirt_class", pa.string()),
        ("dirt_kind", pa.string()),
        ("expected_disposition", pa.string()),
        ("expected_code", pa.string()),
        ("copy_of_partition", pa.int32()),
        ("copy_of_offset", pa.int64()),
    ]
)
# Clean records that rating must tell apart, the first that fits; the name stands in the truth as dirt_kind.
SCENARIOS = {
    "no_subscriber": "", "suspended_line": "", "no_plan": "", "long_call": "LONG_CALL", "unassigned": "",
    "premium": "", "toll_free": "",
    "emergency": "", "special": "", "satellite": "", "band_edge": "", "technology_alias": "TECHNOLOGY_ALIAS",
}  # fmt: skip
CLEAN_LABELS = (
    Kind("clean", "", ACCEPTED, ""),
    *(Kind("clean", name, ACCEPTED, code) for name, code in SCENARIOS.items()),
)
LABELS: tuple[Kind, ...] = (*CLEAN_LABELS, *KINDS, *LATE_KINDS, EXACT_COPY, ID_CONFLICT)


class Truth(NamedTuple):
    """What is true of a record; copy_of is the event id of the original, None for an original."""

    event_id: str
    kind: Kind
    copy_of: str | None

    def number(self) -> int:
        """Of the event in its month; its copies have the same."""
        return int(self.event_id.rpartition("-")[2])


def labels(kind: Ints, scenarios: Mapping[str, NDArray[np.bool_]]) -> Ints:
    """Index into LABELS: of the dirt (kind, into KINDS + LATE_KINDS), else of the first scenario that holds, else 0."""
    found = np.zeros(len(kind), np.int64)
    for number in range(len(CLEAN_LABELS) - 1, 0, -1):
        found[scenarios[CLEAN_LABELS[number].name]] = number
    return np.where(kind >= 0, len(CLEAN_LABELS) + kind, found)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TollgateError(
            "the truth files have no folder", where=str(folder), expected="a folder that is there or can be made",
            found=error.strerror or str(error), way_out="name another one",
        ) from None  # fmt: skip


class TruthFile:
    """One Parquet file of truth rows in a folder; it appears under its name when closed without an error.

    Used as a context manager. Originals sent by an earlier call are found in the folder's other files.
    """

    def __init__(self, folder: str | Path, topic: str, starts: Mapping[int, int]) -> None:
        self._folder = Path(folder)
        _make(self._folder)
        self._topic = topic
        # Offsets only grow, so that each call has a name of its own.
        self.path = self._folder / f"{topic}-{'-'.join(str(starts[number]) for number in sorted(starts))}.parquet"
        self._partial = self.path.with_suffix(".partial")
        # The records of this call, by row: plain columns, as a tuple for each would cost more than its content.
        self._partitions, self._offsets = array("i"), array("q")
        self._originals: dict[str, int] = {}
        # Of the rows that are not in the file yet:
        self._event_ids: list[str] = []
        self._kinds: list[Kind] = []
        self._copies: list[tuple[int, str]] = []
        self._writer = pq.ParquetWriter(self._partial, SCHEMA, compression="zstd")

    def add(self, partition: int, offset: int, truth: Truth) -> None:
        """Note a record by the place that it takes in the topic."""
        event_id, kind, copy_of = truth
        if copy_of is None:
            self._originals[event_id] = len(self._partitions)
        else:
            self._copies.append((len(self._event_ids), copy_of))
        self._partitions.append(partition)
        self._offsets.append(offset)
        self._event_ids.append(event_id)
        self._kinds.append(kind)
        if len(self._event_ids) >= ROWS_A_FLUSH:
            self._flush()

    def __enter__(self) -> TruthFile:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._flush()
        self._writer.close()
        if failure is None:
            os.replace(self._partial, self.path)
        else:
            self._partial.unlink()

    def _flush(self) -> None:
        size = len(self._event_ids)
        begin = len(self._partitions) - size
        copy_partitions, copy_offsets = self._places_of_originals(size)
        columns = [
            [self._topic] * size,
            self._partitions[begin:],
            self._offsets[begin:],
            self._event_ids,
            *([kind[number] for kind in self._kinds] for number in range(4)),  # class, name, disposition, code
            copy_partitions,
            copy_offsets,
        ]
        self._writer.write_table(
            pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
        )
        self._event_ids.clear()
        self._kinds.clear()
        self._copies.clear()

    def _places_of_originals(self, size: int) -> tuple[list[int | None], list[int | None]]:
        """(partitions, offsets) of what the last `size` rows copy; None for an original, or one that is not found."""
        earlier = self._earlier({event_id for _, event_id in self._copies if event_id not in self._originals})
        partitions: list[int | None] = [None] * size
        offsets: list[int | None] = [None] * size
        for row, event_id in self._copies:
            original = self._originals.get(event_id)
            if original is not None:
                partitions[row], offsets[row] = self._partitions[original], self._offsets[original]
            elif event_id in earlier:
                partitions[row], offsets[row] = earlier[event_id]
        return partitions, offsets

    def _earlier(self, event_ids: set[str]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for file in sorted(self._folder.glob(f"{self._topic}-*.parquet")) if event_ids else ():
            rows = pq.read_table(
                file,
                columns=["event_id", "kafka_partition", "kafka_offset"],
                filters=[("event_id", "in", sorted(event_ids)), ("dirt_class", "==", "clean")],
            ).to_pydict()
            for name, partition, offset in zip(
                rows["event_id"], rows["kafka_partition"], rows["kafka_offset"], strict=True
            ):
                found.setdefault(name, (partition, offset))
        return found
