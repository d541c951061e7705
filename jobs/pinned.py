"""Reading the versions that a run pins: a published price book, a visible reference snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.reference.frames import PRICE_TABLES, REFERENCE_TABLES, PriceBook, Reference, price_book, reference

# Under which Delta remembers the last snapshot_id that became visible.
SNAPSHOT_APP_ID = "snapshot_reference"


# Tables of the version last asked for, by session, lake and kind. A version never changes, so that a process that does
# several runs reads it once. Kept is what stays small, however many customers there are; persisted, so that what a lost
# executor held is read again.
_KEPT: dict[tuple[str, str, str], tuple[int, _Tables]] = {}
_NETWORK = ("ref_cell", "ref_carrier", "ref_source", "ref_dialling", "ref_number_range")


class _Tables(Mapping[str, DataFrame]):
    """Tables by name, each made when it is first asked for: a run needs some of them only."""

    def __init__(self, names: tuple[str, ...], make: Callable[[str], DataFrame]) -> None:
        self._names, self._make = names, make
        self._made: dict[str, DataFrame] = {}

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def free(self) -> None:
        """Let go of what was persisted; whoever still holds a table reads it again."""
        for table in self._made.values():
            table.unpersist()


def load_price_book(lake: Lake, version: int | None = None) -> PriceBook:
    """The price book `version`, by default the newest published one; TollgateError when it is not published."""
    published = lake.read("price_version")
    if version is not None:
        published = published.where(f"pricebook_version <= {int(version)}")
    # A bill prices rows again that older versions rated: the most pieces of those, whatever is published later.
    row = published.agg(
        F.max_by(F.struct(*published.columns), "pricebook_version").alias("newest"),
        F.expr("max(band_slots + coalesce(segment_slots, 1) - 1)").alias("row_slots"),
    ).take(1)[0]
    newest = row["newest"]
    if newest is None or (version is not None and newest["pricebook_version"] != int(version)):
        raise TollgateError(
            "no price book is published" if version is None else f"price book {version} is not published",
            where=lake.path("price_version"),
            way_out="run `tollgate publish_pricebook --author NAME --reason TEXT`",
        )
    found = int(newest["pricebook_version"])
    in_force = f"pricebook_version = {found}"
    make = _Tables(PRICE_TABLES, lambda name: lake.read(name).where(in_force).persist())
    return price_book(_kept_tables(lake, "price_book", found, make), {**newest.asDict(), "row_slots": row["row_slots"]})


def load_reference(lake: Lake, snapshot_id: int | None = None) -> Reference:
    """The reference snapshot `snapshot_id`, by default the newest visible one; TollgateError when there is none."""
    visible = lake.read("control_snapshot")
    if snapshot_id is not None:
        visible = visible.where(f"snapshot_id = {int(snapshot_id)}")
    rows = visible.orderBy("snapshot_id", ascending=False).take(1)
    if not rows:
        raise TollgateError(
            "no reference snapshot is taken" if snapshot_id is None else f"reference snapshot {snapshot_id} is unknown",
            where=lake.path("control_snapshot"),
            way_out="run `tollgate snapshot_reference`",
        )
    found = int(rows[0]["snapshot_id"])
    in_force = f"snapshot_id = {found}"

    def table(name: str) -> DataFrame:
        rows_in_force = lake.read(name).where(in_force)
        return rows_in_force.persist() if name in _NETWORK else rows_in_force

    return reference(_kept_tables(lake, "reference", found, _Tables(REFERENCE_TABLES, table)), found)


def not_published(lake: Lake, batch_no: int, published: int, option: str = "--to-batch") -> TollgateError:
    """The refusal of a batch beyond the last published one. option: the argument that named it."""
    return TollgateError(
        f"batch {batch_no} is not published",
        where=lake.path("control_mediation"),
        expected=f"{option} of at most {published}",
        found=f"{option} {batch_no}",
        way_out=f"run `tollgate mediate_usage --once`, or leave {option} out",
    )


def _kept_tables(lake: Lake, kind: str, version: int, tables: _Tables) -> _Tables:
    """Those of the last time if they are of this version, else `tables`, and those of the last time are let go."""
    key = (lake.spark.sparkContext.applicationId, lake.root, kind)
    if key not in _KEPT or _KEPT[key][0] != version:
        if key in _KEPT:
            _KEPT[key][1].free()
        _KEPT[key] = version, tables
    return _KEPT[key][1]
