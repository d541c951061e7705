"""What `tollgate rate-file` refuses before Spark starts: files, a book and a place for the result."""

from __future__ import annotations

from pathlib import Path

import pytest
from told import message

from tollgate import cli

EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "example_tariff"
USAGE = "event_id,started_at,service,destination,plan_id\na,2026-10-05 10:00:00,sms,+493012345678,basic\n"


@pytest.fixture(autouse=True)
def _spark_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"event_id,started_at,service\n", "the file has a header and no row"),
        (b"event_id,started,service\na,b,c\n", "started_at is missing (is started meant?)"),
        (b"event_id,started_at,service,Service\na,b,c,d\n", "Service stands twice"),
        (b"event_id,started_at,service,Charge\na,b,c,d\n", "Charge is a column of the result"),
        (b"event_id,started_at,service,\na,b,c,d\n", "a column has no name"),
        (b"event_id,started_at,service\na,2026,voice\n\xe9t\xe9,2026,voice\n", "byte 0xe9 in line 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_before_spark_starts(text, said, tmp_path, capsys):
    usage = tmp_path / "usage.csv"
    if text is not None:
        usage.write_bytes(text)
    argv = ["--pricebook", str(EXAMPLE / "pricebook"), "--usage", str(usage), "--out", str(tmp_path / "out.csv")]
    assert cli._pass_on("rate-file", argv) == 2
    assert said in message(capsys.readouterr().err)


def test_a_book_with_findings_and_a_result_in_the_way_are_told_before_spark_starts(tmp_path, capsys):
    usage, out = tmp_path / "usage.csv", tmp_path / "out.csv"
    usage.write_text(USAGE, encoding="utf-8")
    book = ["--pricebook", str(EXAMPLE / "pricebook")]
    assert cli._pass_on("rate-file", ["--pricebook", str(tmp_path), "--usage", str(usage), "--out", str(out)]) == 1
    assert "plan.csv: the file is missing" in message(capsys.readouterr().err)
    assert cli._pass_on("rate-file", [*book, "--usage", str(usage), "--out", str(usage), "--replace"]) == 2
    assert "the result would replace a file that is read" in message(capsys.readouterr().err)
    out.write_text("mine")
    assert cli._pass_on("rate-file", [*book, "--usage", str(usage), "--out", str(out)]) == 1
    assert "the file exists already" in message(capsys.readouterr().err)
    with_bom = tmp_path / "bom.csv"
    with_bom.write_bytes(b"\xef\xbb\xbf" + usage.read_bytes())
    assert cli._pass_on("rate-file", [*book, "--usage", str(with_bom), "--out", str(out), "--country", "XX"]) == 1
    assert cli._pass_on("rate-file", [*book, "--usage", str(with_bom), "--out", f"{out}2", "--country", "XX"]) == 2
    assert "no numbering plan of country XX" in message(capsys.readouterr().err)
