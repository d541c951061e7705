"""Reading the versions that a run pins: a published price book, a visible reference snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyspark.sql import DataFrame

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.reference.frames import PRICE_TABLES, REFERENCE_TABLES, PriceBook, Reference, price_book, reference


class _Tables(Mapping[str, DataFrame]):
    """Tables of the lake by name, read when they are asked for."""

    def __init__(self, lake: Lake, names: tuple[str, ...]) -> None:
        self._lake, self._names = lake, names

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._names:
            raise KeyError(name)
        return self._lake.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def load_price_book(lake: Lake, version: int | None = None) -> PriceBook:
    """The price book `version`, by default the newest published one; TollgateError when it is not published."""
    published = lake.read("price_version")
    if version is not None:
        published = published.where(f"pricebook_version = {int(version)}")
    rows = published.orderBy("pricebook_version", ascending=False).take(1)
    if not rows:
        raise TollgateError(
            "no price book is published" if version is None else f"price book {version} is not published",
            where=lake.path("price_version"),
            way_out="run `tollgate publish_pricebook --author NAME --reason TEXT`",
        )
    return price_book(_Tables(lake, PRICE_TABLES), rows[0])


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
    return reference(_Tables(lake, REFERENCE_TABLES), rows[0]["snapshot_id"])
