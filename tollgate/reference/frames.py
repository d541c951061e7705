"""What the rules are given of the outside: one published price book, one reference snapshot, as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

PRICE_TABLES = (
    "price_plan",
    "price_zone",
    "price_currency",
    "price_destination",
    "price_own_range",
    "price_roaming_zone",
    "price_rate_key",
    "price_tier",
    "price_carrier_key",
    "price_carrier_prefix",
    "price_band_day",
    "price_discount",
    "price_bill_discount",
    "price_fee",
    "price_allowance",
    "price_spend_limit",
    "price_top_up",
    "price_tax",
)
REFERENCE_TABLES = (
    "ref_account",
    "ref_subscription",
    "ref_contract",
    "ref_customer_fact",
    "ref_cell",
    "ref_carrier",
    "ref_source",
    "ref_dialling",
    "ref_number_range",
    "ref_adjustment",
    "ref_account_jurisdiction",
    "ref_tax_exemption",
)


@dataclass(frozen=True)
class PriceBook:
    """One version of the price book. Fields are the columns of price_version; `table` gives the rest.

    amount_type: "BIGINT" or "DECIMAL(38,0)", proven to hold every exact sum. Source: docs/pricebook.md, "Exactness".
    features, rate_values: what pricing has to plan for, see `tollgate.reference.book_features`; allowance_slots,
    money_slots: how many grants of units and of money an event may meet, see `tollgate.reference.allowance_slots`.
    destination_digits: digits of a destination's bucket by its first three, see `tollgate.reference.bucket_digits`;
    empty: all have three. row_slots: the most pieces of a row that this version or an older one rated; 1: not known.
    """

    version: int
    digest: str
    name: str
    currency: str
    time_zone: str
    factor_den: int
    discount_den: int
    band_slots: int
    amount_type: str
    _tables: Mapping[str, DataFrame]
    segment_slots: int = 1
    features: frozenset[str] = frozenset()
    rate_values: tuple[str, ...] = ()
    allowance_slots: int = 1
    money_slots: int = 0
    destination_digits: tuple[int, ...] = ()
    row_slots: int = 1

    @property
    def piece_slots(self) -> int:
        """The most pieces of a row to bill: the cuts of time bands and those of prices inside the event, all in one
        event, by this version or by the older ones that rated what it bills."""
        return max(self.row_slots, self.band_slots + self.segment_slots - 1)

    def values_of(self, cell: str) -> dict[str, list[str]]:
        """Service to what its rates name in a cell of rate.csv: direction, technology or slice."""
        found: dict[str, list[str]] = {}
        for service, name, value in (text.split(" ") for text in self.rate_values):
            if name == cell:
                found.setdefault(service, []).append(value)
        return found

    def table(self, name: str) -> DataFrame:
        """Rows of this version in one of PRICE_TABLES; columns of its contract."""
        return _named(self._tables, name)


@dataclass(frozen=True)
class Reference:
    """One snapshot of customers, lines, contracts and networks; `table` gives the rows."""

    snapshot_id: int
    _tables: Mapping[str, DataFrame]

    def table(self, name: str) -> DataFrame:
        """Rows of this snapshot in one of REFERENCE_TABLES; columns of its contract."""
        return _named(self._tables, name)


class _Filtered(Mapping[str, "DataFrame"]):
    """Tables narrowed by a condition, each read when it is first asked for: a run needs some of them only."""

    def __init__(self, frames: Mapping[str, DataFrame], condition: str) -> None:
        self._frames, self._condition = frames, condition
        self._asked: dict[str, DataFrame] = {}

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._asked:
            self._asked[name] = self._frames[name].where(self._condition)
        return self._asked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)


def price_book(frames: Mapping[str, DataFrame], version_row: Row | Mapping[str, Any]) -> PriceBook:
    """The book of `version_row` (a row of price_version, and `row_slots` if it is known) out of whole price_* tables.

    frames: any of PRICE_TABLES, each as its contract; filtered here to the version (a partition filter).
    """
    version = int(version_row["pricebook_version"])
    # A version may be older than these columns.
    told = dict(version_row) if isinstance(version_row, Mapping) else version_row.asDict()
    return PriceBook(
        version=version,
        digest=version_row["digest"],
        name=version_row["name"],
        currency=version_row["currency"],
        time_zone=version_row["time_zone"],
        factor_den=int(version_row["factor_den"]),
        discount_den=int(version_row["discount_den"]),
        band_slots=int(version_row["band_slots"]),
        amount_type=version_row["amount_type"],
        _tables=_Filtered(frames, f"pricebook_version = {version}"),
        segment_slots=int(told.get("segment_slots") or 1),
        features=frozenset(told.get("features") or ()),
        rate_values=tuple(told.get("rate_values") or ()),
        allowance_slots=int(told.get("allowance_slots") or 1),
        money_slots=int(told.get("money_slots") or 0),
        destination_digits=tuple(told.get("destination_digits") or ()),
        row_slots=int(told.get("row_slots") or 1),
    )


def reference(frames: Mapping[str, DataFrame], snapshot_id: int) -> Reference:
    """The snapshot out of whole ref_* tables; frames: any of REFERENCE_TABLES, filtered here (a partition filter)."""
    return Reference(snapshot_id=int(snapshot_id), _tables=_Filtered(frames, f"snapshot_id = {int(snapshot_id)}"))


def _named(tables: Mapping[str, DataFrame], name: str) -> DataFrame:
    if name not in tables:
        raise KeyError(f"no table {name} here; expected one of {', '.join(sorted(tables))}")
    return tables[name]
