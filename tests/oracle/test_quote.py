"""`tollgate quote`: one event priced from the command line; its arithmetic, its refusals, and that Spark stays off."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from oracle.people import call, facts, local_us
from oracle.small_book import sheet, write_book

from jobs.quote_event import parser, run_cli
from tollgate.oracle.book import PriceBook
from tollgate.oracle.explanation import amount_of
from tollgate.oracle.pricing import price_event
from tollgate.oracle.quote import quote
from tollgate.platform.job import main_without_spark

CALL = ("--plan", "term", "--service", "voice", "--at", "2026-10-06T12:00:00-04:00", "--quiet")
TO_VANCOUVER = (*CALL, "--to", "+16045550100", "--duration", "61")


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    capsys.readouterr()
    try:
        code = main_without_spark(parser(), run_cli, list(argv))
    except SystemExit as refused:
        code = int(refused.code or 0)
    return (code, *capsys.readouterr())


def steps(out: str) -> list[str]:
    return [re.sub(" +", " ", line) for line in out.splitlines()]


def test_every_step_can_be_followed_with_a_pencil(tmp_path, capsys):
    rate = {"price": "0.20", "initial": 60, "increment": 1, "connect_fee": "0.05", "minimum": "0.50", "band_set": "b"}
    rate |= {"discountable": "true", "digits": 3, "rounding": "up"}
    cost = {"price": "0.01", "connect_fee": "0.002", "digits": 2, "rounding": "down"}
    folder = write_book(
        tmp_path,
        rate=sheet("rate", rate),
        time_band=sheet("time_band", {}, {"band_id": "noon", "priority": 1, "to": "12:01", "factor": "1.5"}),
        segment=sheet("segment", {"from_units": 90, "price": "0.07"}),
        discount=sheet("discount", {"percent": 10}, {"discount_id": "s", "apply_order": 2, "fact": "student"}),
        carrier_rate=sheet("carrier_rate", cost),
    )
    argv = (*CALL, "--pricebook", str(folder), "--to", "+16045550100", "--carrier", "carrier_001", "--student")
    code, out, _ = told(capsys, *argv, "--duration", "97")
    assert code == 0
    assert steps(out)[:15] == [
        "voice, plan term, at 2026-10-06T12:00:00-04:00, to +16045550100 (CA), 97 s",
        "",
        "zone national, by the prefix 1",
        "row v, for term voice national home none * * *",
        "price 0.20 CAD for 60 s",
        "units 97 s",
        "piece noon: 60 × 0.20 ÷ 60 × 1.5 = 0.30",
        "piece all: 30 × 0.20 ÷ 60 × 1 = 0.10",
        "piece all: 7 × 0.07 ÷ 60 × 1 = 0.008166666…",
        "connect fee 0.05",
        "sum 0.30 + 0.10 + 0.008166666… + 0.05 = 0.458166666…",
        "minimum 0.50 instead",
        "discount d: 0.50 × 0.9 = 0.45",
        "discount s: 0.45 × 0.9 = 0.405",
        "rounding 0.405, up to 3 digits",
    ]
    assert steps(out)[15:19] == [
        "charge 0.405 CAD",
        "cost c, 97 s are charged as 60 + 1 × 60 = 120",
        " 120 × 0.01 ÷ 60 + 0.002 = 0.022, down to 2 digits: 0.02 CAD",
        "margin 0.385 CAD",
    ]
    assert "by the oracle" in out and "without Spark" in out


def test_what_is_not_charged_says_why(tmp_path, capsys):
    book = ("--pricebook", str(write_book(tmp_path)))
    _, out, _ = told(capsys, *CALL, *book, "--to", "+9991234567", "--duration", "60")
    assert "suspended no_zone: no zone has this number, or the visited country has none; nothing is charged" in steps(
        out
    )
    _, out, _ = told(capsys, *TO_VANCOUVER, *book, "--currency", "EUR", "--json")
    found = json.loads(out)
    assert (found["suspense_reason"], found["charge"]) == ("currency_mismatch", None)
    _, out, _ = told(capsys, *CALL, *book, "--to", "+16045550100", "--duration", "0")
    assert "zero-rated nothing took place, so nothing is charged" in steps(out)
    _, out, _ = told(capsys, *CALL, *book, "--to", "+442071234567", "--duration", "60", "--carrier", "carrier_001")
    assert "mark-up 0.04 × 1.5 = 0.06" in steps(out)


def test_as_json_it_gives_the_same_and_says_who_priced_it(capsys):
    code, out, _ = told(capsys, *TO_VANCOUVER, "--carrier", "carrier_001", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["charge"], found["cost"], found["margin"]) == ("0.240000", "0.040000", "0.200000")
    assert (found["rate_id"], found["priced_by"]) == ("voice_national_term", "oracle")
    exact = found["exact_micros"]
    assert Fraction(exact["numerator"], exact["denominator"]) == 240_000
    assert found["pieces"] == [{"units": 120, "band": "peak", "price": "0.100000", "factor": "6/5"}]


def test_every_option_reaches_the_price(capsys):
    at = ("--at", "2026-10-06T12:00:00-04:00", "--quiet", "--json")
    roaming = ("--plan", "prepaid", "--service", "sms", "--to", "+442071234567", "--roaming", "FR", *at)
    found = json.loads(told(capsys, *roaming)[1])
    assert (found["roaming_zone"], found["charge"]) == ("europe", "0.360000")
    data = ("--plan", "term", "--service", "data", "--bytes", "12345678", *at)
    charges = [json.loads(told(capsys, *data, *group)[1])["charge"] for group in ((), ("--rating-group", "video"))]
    assert charges == ["0.123500", "0.061700"]
    local = json.loads(told(capsys, *TO_VANCOUVER, "--from", "+16042000001", "--json")[1])
    assert (local["call_type"], json.loads(told(capsys, *TO_VANCOUVER, "--json")[1])["call_type"]) == (
        "local",
        "national",
    )
    loyal = json.loads(told(capsys, *TO_VANCOUVER, "--customer-since", "2025-10-06", "--json")[1])
    assert loyal["discount_ids"] == ["loyalty"]
    abroad = json.loads(told(capsys, *TO_VANCOUVER, "--country", "US", "--json")[1])
    assert abroad["call_type"] == "international"


@pytest.mark.parametrize("cells", [{"direction": "in"}, {"technology": "5G"}, {"slice": "gold"}])
def test_direction_technology_and_slice_choose_the_row(tmp_path, capsys, cells):
    rates = sheet("rate", {}, {"rate_id": "special", **cells, "price": "0.5"})
    book = ("--pricebook", str(write_book(tmp_path, rate=rates)), "--json")
    flags = [part for name, value in cells.items() for part in (f"--{name}", value)]
    assert json.loads(told(capsys, *TO_VANCOUVER, *book)[1])["rate_id"] == "v"
    assert json.loads(told(capsys, *TO_VANCOUVER, *book, *flags)[1])["rate_id"] == "special"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((*TO_VANCOUVER, "--plan", "tern"), "--plan is not in the price book"),
        ((*TO_VANCOUVER, "--at", "2026-10-06T12:00:00"), "expected an instant with offset"),
        ((*TO_VANCOUVER, "--at", "yesterday"), "expected an instant with offset"),
        ((*TO_VANCOUVER, "--to", "604-555-0100"), "expected + and up to 15 digits, or a short code of up to 6"),
        ((*TO_VANCOUVER, "--from", "911"), "expected + and up to 15 digits: 911"),
        ((*TO_VANCOUVER, "--duration", "-1"), "expected a whole number from 0 to 86400"),
        ((*TO_VANCOUVER, "--duration", "86401"), "expected a whole number from 0 to 86400"),
        ((*TO_VANCOUVER, "--roaming", "fr"), "expected an ISO country"),
        ((*TO_VANCOUVER, "--customer-since", "2024-02-30"), "expected a date"),
        ((*TO_VANCOUVER, "--bytes", "1"), "--bytes is not for voice"),
        ((*TO_VANCOUVER, "--rating-group", "web"), "--rating-group is not for voice"),
        (CALL, "--to is needed for voice"),
        (
            (*CALL, "--service", "data", "--bytes", "1", "--rating-group", "games"),
            "--rating-group is not in the price book",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_with_exit_code_2(capsys, argv, message):
    code, out, err = told(capsys, *argv)
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err


def test_a_book_with_findings_is_refused_with_all_of_them(tmp_path, capsys):
    rates = sheet("rate", {"price": "dear"}, {"rate_id": "w"}, {"rate_id": "x"})
    folder = write_book(tmp_path / "book", rate=rates, zone="zone_id,name\nhome,Home\n")
    code, out, err = told(capsys, *TO_VANCOUVER, "--pricebook", str(folder))
    assert (code, out) == (2, "")
    for finding in ("rate.csv line 2: 'dear'", "zone.csv: the column kind is missing", "valid at the same time: w, x"):
        assert finding in err
    code, _, err = told(capsys, *TO_VANCOUVER, "--pricebook", str(tmp_path / "nowhere"))
    assert code == 2 and "operator.csv: the sheet is missing" in err


def test_the_steps_reckon_what_the_row_says(tmp_path):
    """The amounts of the text, read back, give the charge: nothing in it is only told."""
    rates = sheet("rate", {"price": "0.07", "initial": 30, "increment": 6, "digits": 2, "discountable": "true"})
    book = PriceBook(write_book(tmp_path, rate=rates, discount=sheet("discount", {"percent": "12.5"})))
    for seconds in (1, 30, 31, 59, 3_601):
        usage = call(seconds, local_us(2026, 10, 6, 12))
        found = {step.name: step.text for step in quote(book, "term", usage).steps}
        priced = price_event(usage, book, facts())
        assert priced.charge is not None
        assert found["charge"] == f"{amount_of(priced.charge, 2)} CAD"
        exact = Fraction(priced.numerator or 0, priced.denominator or 1)
        assert found["rounding"].startswith(f"{amount_of(exact)}, half up to 2 digits")


def test_amounts_are_exact_or_end_in_an_ellipsis():
    cases = {100_000: "0.10", 120_000: "0.12", 123_456: "0.123456", 5_000_000: "5.00", Fraction(1, 2): "0.0000005"}
    assert {micros: amount_of(micros) for micros in cases} == cases
    assert amount_of(Fraction(100_000, 3)) == "0.033333333…"
    assert amount_of(120_000, 4) == "0.1200"
    assert amount_of(2_000_000, 0) == "2"


def test_neither_help_nor_a_quote_loads_spark():
    script = (
        "import sys; from tollgate.cli import _pass_on\n"
        "try:\n    _pass_on('quote', sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('pyspark', 'py4j')])"
    )
    for argv in (["--help"], list(TO_VANCOUVER)):
        done = subprocess.run(
            [sys.executable, "-c", script, *argv],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_the_timing_says_how_long_the_compute_took(capsys):
    _, _, err = told(capsys, *TO_VANCOUVER, "--timing")
    found = re.search(r"read_the_book (\d+\.\d+) ms price_and_explain (\d+\.\d+) ms", err)
    assert found is not None
