"""Publishing: once a book, whole or not at all, and a death half-way leaves nothing double."""

from __future__ import annotations

import shutil
from functools import reduce
from pathlib import Path

import pytest
from rating import tariff
from reference.places import own_places

from jobs import publish_pricebook
from jobs.pinned import load_price_book
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, contract
from tollgate.platform.postgres import connect
from tollgate.reference.frames import PRICE_TABLES
from tollgate.reference.time_zones import zone_names, zones_known_to

# The demo's rates have no tiers, its carriers no prices by prefix, its plans no limits.
EMPTY = ("price_tier", "price_carrier_prefix", "price_spend_limit")
FILLED = tuple(name for name in PRICE_TABLES if name not in EMPTY)
# Table to its last column before the tariff model's.
LAST_BEFORE = {
    "price_version": "amount_type", "price_rate_key": "tax_category", "price_carrier_key": "markup_digits",
    "price_band_day": "factor_num", "price_discount": "valid_to",
}  # fmt: skip
DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"


class Died(Exception):
    """Stands for SIGKILL."""


@pytest.fixture
def places(services, tmp_path):
    """Own lake and own database."""
    return own_places(services, tmp_path)


@pytest.fixture
def dying(monkeypatch):
    """Let the job end at a crash point."""

    def die_at(name: str) -> None:
        def crash_point(here: str) -> None:
            if here == name:
                raise Died

        monkeypatch.setattr(publish_pricebook, "crash_point", crash_point)

    return die_at


def edited(folder: Path, price: str) -> Path:
    book = folder / f"book_{price}"
    shutil.copytree(DEMO, book)
    text = (book / "rate.csv").read_text()
    (book / "rate.csv").write_text(
        text.replace("mms,*,mms,*,home,none,*,*,*,0.30,", f"mms,*,mms,*,home,none,*,*,*,{price},")
    )
    return book


@pytest.fixture
def publish(spark, places):
    """Publish a book, the demo's unless another folder is given."""

    def publish(folder: Path = DEMO, *flags: str) -> dict:
        argv = ["--dir", str(folder), "--author", "anna", "--reason", "test", *flags]
        return publish_pricebook.run(spark, places, publish_pricebook.parser().parse_args(argv))

    return publish


def rows_by_table(lake: Lake) -> dict[tuple[str, int], int]:
    """How many rows each filled table has of each version."""
    tables = [lake.read(name).selectExpr(f"'{name}' AS name", "pricebook_version") for name in FILLED]
    every = reduce(lambda left, right: left.union(right), tables).groupBy("name", "pricebook_version").count()
    return {(row["name"], row["pricebook_version"]): row["count"] for row in every.collect()}


@pytest.mark.covers("RAT-02", "RAT-41", "RAT-42", "BIL-06")
def test_a_book_is_published_once_and_an_attempt_that_died_before_its_mark_is_healed(spark, places, publish, dying):
    lake = Lake(spark, places.lake.root)
    dying("publish_pricebook.catalog")
    with pytest.raises(Died):
        publish()
    with pytest.raises(TollgateError, match="no price book is published"):
        load_price_book(lake)
    before = {name: lake.read(name).count() for name in ("price_rate_key", "price_zone")}
    dying("never")
    assert publish()["pricebook_version"] == 1
    assert (publish()["published"], load_price_book(lake).version) == (False, 1)
    counts = rows_by_table(lake)
    assert set(counts) == {(name, 1) for name in FILLED}
    assert before == {name: counts[name, 1] for name in before}


@pytest.mark.long
@pytest.mark.covers("RAT-02", "RAT-41", "RAT-42", "BIL-06")
def test_attempts_that_died_anywhere_are_healed_and_no_two_books_are_mixed(spark, places, publish, tmp_path, dying):
    lake = Lake(spark, places.lake.root)
    dearer, dearest = edited(tmp_path, "0.31"), edited(tmp_path, "0.32")
    assert publish(DEMO, "--dry-run")["message"] == "would publish version 1"
    # One table, then all but the mark: nothing is visible, and the same book goes on under its number.
    for point in ("publish_pricebook.begun", "publish_pricebook.catalog"):
        dying(point)
        with pytest.raises(Died):
            publish()
        with pytest.raises(TollgateError, match="no price book is published"):
            load_price_book(lake)
    dying("never")
    assert publish()["pricebook_version"] == 1
    again = publish()
    assert (again["published"], again["message"]) == (False, "version 1 is this very book")
    # Another book that died is never mixed with the next one: its number is left out.
    dying("publish_pricebook.begun")
    with pytest.raises(Died):
        publish(dearer)
    dying("never")
    third = publish(dearest)
    assert (third["pricebook_version"], third["changed_in_place"]) == (
        3,
        ["rate.csv: mms: price: '0.30' is now '0.32'"],
    )

    counts = rows_by_table(lake)
    assert counts.pop((PRICE_TABLES[0], 2)) == 3
    assert all(counts[name, 1] == counts[name, 3] for name in FILLED) and len(counts) == 2 * len(FILLED)
    book, first = load_price_book(lake), load_price_book(lake, 1)
    facts = (book.currency, book.time_zone, book.factor_den, book.discount_den, book.band_slots, book.amount_type)
    assert (book.version, *facts) == (3, "CAD", "America/Toronto", 10, 20, 5, "BIGINT")
    mms = [each.table("price_rate_key").where("rate_id = 'mms'").first() for each in (first, book)]
    assert [row.unit_price_micros for row in mms] == [300_000, 320_000]

    session = connect(places)
    with session, session.cursor() as cursor:
        cursor.execute("SELECT version, price::text FROM catalog.rate WHERE rate_id = 'mms' ORDER BY version")
        assert cursor.fetchall() == [(1, "0.300000"), (3, "0.320000")]
    session.close()


def write_as_before(lake: Lake) -> None:
    """Tables as they were before the columns of the tariff model, with a version that has none of them."""
    told = {
        "pricebook_version": 1, "digest": "d", "author": "a", "reason": "r", "name": "n", "currency": "CAD",
        "time_zone": "UTC", "factor_den": 10, "discount_den": 20, "band_slots": 5, "amount_type": "BIGINT",
    }  # fmt: skip
    for table, last in LAST_BEFORE.items():
        names = contract(table).names
        rows = [tuple(told.get(name) for name in names)] if table == "price_version" else []
        frame = lake.frame(rows, table).select(*names[: names.index(last) + 1])
        writer = frame.write.format("delta")
        (writer.partitionBy("pricebook_version") if rows == [] else writer).save(lake.path(table))


@pytest.mark.covers("RAT-02", "RAT-42")
def test_the_whole_model_reaches_the_lake_and_the_catalog(spark, places, tmp_path):
    lake = Lake(spark, places.lake.root)
    write_as_before(lake)
    folder = tariff.written(tmp_path / "model", tariff.MODEL)
    argv = ["--dir", str(folder), "--author", "anna", "--reason", "test"]
    assert publish_pricebook.run(spark, places, publish_pricebook.parser().parse_args(argv))["pricebook_version"] == 2
    before, model = load_price_book(lake, 1), load_price_book(lake)
    assert (before.segment_slots, before.piece_slots, before.features, before.rate_values) == (1, 5, frozenset(), ())
    assert (model.segment_slots, model.piece_slots, len(model.features)) == (3, 7, 8)
    assert model.values_of("slice") == {"voice": ["s1"], "data": ["s1"]}
    session = connect(places)
    with session, session.cursor() as cursor:
        for question, answer in {
            "SELECT initial, increment, split_at_validity FROM catalog.rate WHERE rate_id = 's30_6'": (30, 6, False),
            "SELECT direction, technology, slice FROM catalog.rate WHERE rate_id = 'tech_5g'": ("*", "5G", "*"),
            "SELECT count(*), sum(price)::text FROM catalog.segment": (6, "0.415000"),
            "SELECT zone_id FROM catalog.destination WHERE match = 'any'": ("other",),
            "SELECT prefix, initial, connect_fee::text FROM catalog.carrier_rate WHERE cost_id = 's60_60'": (
                "2001",
                30,
                "0.010000",
            ),
            "SELECT service, zone_id FROM catalog.discount WHERE discount_id = 'sms_half'": ("sms", "*"),
        }.items():
            cursor.execute(question)
            assert cursor.fetchall() == [answer]
    session.close()


@pytest.mark.covers("RAT-41")
def test_findings_are_said_all_at_once_and_nothing_is_published(spark, places, tmp_path):
    shutil.copytree(DEMO, tmp_path / "book")
    rates = tmp_path / "book" / "rate.csv"
    rates.write_text(rates.read_text().replace(",0.15,", ",0.1O,").replace("sms,rest,home", "sms,best,home"))
    argv = ["--dir", str(tmp_path / "book"), "--author", "a", "--reason", "b"]
    with pytest.raises(TollgateError) as refused:
        publish_pricebook.run(spark, places, publish_pricebook.parser().parse_args(argv))
    said = str(refused.value)
    assert "4 findings; nothing is published" in said
    assert "rate.csv:5: price: expected a plain decimal" in said and "rate.csv:33: zone_id best is unknown" in said
    assert not Lake(spark, places.lake.root).exists("price_plan")


@pytest.mark.covers("RAT-41")
def test_a_zone_that_came_after_this_java_is_refused_before_anything_is_written(spark, places, tmp_path):
    newer = sorted(zone_names().difference(zones_known_to(spark)))
    if not newer:
        pytest.skip("this Java knows every zone of the lock's database")
    shutil.copytree(DEMO, tmp_path / "book")
    operator = tmp_path / "book" / "operator.csv"
    operator.write_text(operator.read_text().replace("America/Toronto", newer[0]))
    argv = ["--dir", str(tmp_path / "book"), "--author", "a", "--reason", "b"]
    with pytest.raises(TollgateError, match="this Java does not know the operator's time zone"):
        publish_pricebook.run(spark, places, publish_pricebook.parser().parse_args(argv))
    assert not Lake(spark, places.lake.root).exists("price_plan")


@pytest.mark.covers("RAT-41")
def test_check_only_ends_before_anything_starts(tmp_path, capsys):
    with pytest.raises(SystemExit) as clean:
        publish_pricebook.parser().parse_args(["--check-only", "--dir", str(DEMO)])
    assert clean.value.code == 0 and '"findings": 0' in capsys.readouterr().out
    with pytest.raises(SystemExit) as bad:
        publish_pricebook.parser().parse_args(["--check-only", "--dir", str(tmp_path)])
    assert bad.value.code == 1 and "rate.csv: the file is missing" in capsys.readouterr().err
