"""`tollgate charges` from the file to a posted invoice: every finding at once, entered once, billed once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from billing.small_month import account, charge
from billing.small_operator import BOOK, Operator
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import one_off_charges
from jobs.later_documents import later_documents
from tollgate.assurance.conservation import balances
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings
from tollgate.reference.charge_file import read_charges

HEAD = "adjustment_id,account_id,subscription_id,description,amount,tax_category,effective_on,instalments\n"
GOOD = "visit,a,,Technician,25.00,standard,2025-05-17,\nphone,a,,Phone,100.00,none,2025-05-31,3\n"
BAD = """x y,a,,,1.005,standard,2025-02-30,0
twice,a,,Fee,0.00,standard,2025-05-17,
twice,a,,Fee,1.00,,2025-05-17,
"""
WRONG = """n1,nobody,,Fee,1.00,standard,2025-05-17,
n2,a,other,Fee,1.001,luxury,2025-05-17,
n3,a,,Fee,0.02,none,2025-05-17,3
"""


def charges(settings: Settings, *argv: Any) -> dict[str, Any]:
    return one_off_charges.run_cli(settings, one_off_charges.parser().parse_args([str(one) for one in argv]))


def written(folder: Path, text: str, head: str = HEAD) -> Path:
    file = folder / "may.csv"
    file.write_text(head + text, encoding="utf-8")
    return file


def test_every_unreadable_cell_is_said_with_its_line(tmp_path: Path) -> None:
    found, findings = read_charges(written(tmp_path, BAD))
    assert found == []
    assert [text.split(" ", 1)[0] + " " + text.split(" ")[1] for text in findings] == [
        "may.csv:2: description", "may.csv:2: adjustment_id", "may.csv:2: effective_on", "may.csv:2: instalments",
        "may.csv:3: amount", "may.csv:4: tax_category", "may.csv:4: adjustment_id",
    ]  # fmt: skip
    assert read_charges(written(tmp_path, GOOD, "id,amount\n"))[1][0].startswith("may.csv:1: expected the columns")
    assert read_charges(written(tmp_path, "")) == ([], ["may.csv: no charge in it"])


@pytest.fixture(scope="module")
def desk(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database of its own with account a and its line Sa, the charges of GOOD entered."""
    made = own_places(services, tmp_path_factory.mktemp("charges"))
    migrate(made)
    change(made, "INSERT INTO crm.customer VALUES ('Ca', 'n', 'a@b', '1980-01-01', 'x', '2020-01-01')")
    change(made, "INSERT INTO crm.account VALUES ('a', 'Ca', 'CAD', 'America/Toronto', 1, '2025-05-01', NULL, 'CA-ON')")
    change(made, "INSERT INTO crm.phone_line VALUES ('Sa', 'a')")
    good = written(tmp_path_factory.mktemp("file"), GOOD)
    assert charges(made, "list") == {"charges": []}
    assert later_documents(made) == ((), {})
    assert charges(made, "load", good, "--check-only")["entered"] == 0
    assert charges(made, "load", good, "--by", "ann")["entered"] == 2
    return made


def change(settings: Settings, sql: str) -> None:
    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            cursor.execute(sql)
    finally:
        session.close()


def measured(settings: Settings) -> dict[str, str]:
    """The measures of `reconcile` by name; its equations hold."""
    equations, facts = later_documents(settings)
    assert [balance.holds for balance in balances(facts, equations)] == [True, True]
    return {name: f"{value:.2f}" for (name, _), value in facts.items()}


@pytest.mark.covers("BIL-19")
def test_a_file_is_entered_whole_and_once_or_not_at_all(desk: Settings, tmp_path: Path) -> None:
    with pytest.raises(TollgateError) as refused:
        charges(desk, "load", written(tmp_path, WRONG))
    told = str(refused.value)
    for finding in (
        "may.csv:2: account nobody is unknown", "may.csv:3: line other is not one of account a",
        "may.csv:3: amount 1.001: CAD has 2 digits", "may.csv:3: no tax rule for category luxury in CA-ON",
        "may.csv:4: amount 0.02 does not fill 3 instalments",
    ):  # fmt: skip
        assert finding in told
    # The account moves for June: the rules of where it is taxed on the charge's day are asked.
    change(desk, "INSERT INTO crm.account_jurisdiction VALUES ('a', 'ZZ', '[2025-06-01,2025-07-01)')")
    moved = "".join(
        f"day{day[-2:]}{day[5:7]},a,,Visit,1.00,standard,{day},\n"
        for day in ("2025-05-31", "2025-06-01", "2025-06-30", "2025-07-01")
    )
    with pytest.raises(TollgateError) as refused:
        charges(desk, "load", written(tmp_path, moved), "--check-only")
    assert str(refused.value).count("no tax rule for category standard in ZZ") == 2
    for line in (3, 4):
        assert f"may.csv:{line}: no tax rule for category standard in ZZ" in str(refused.value)
    again = charges(desk, "load", written(tmp_path, GOOD))
    assert (again["entered"], again["stood_before"]) == (0, 2)
    with pytest.raises(TollgateError, match="entered before with another amount"):
        charges(desk, "load", written(tmp_path, GOOD.replace("25.00", "26.00")))
    assert [one["adjustment_id"] for one in charges(desk, "list")["charges"]] == ["visit", "phone"]
    with pytest.raises(psycopg2.Error, match="append-only"):
        change(desk, "DELETE FROM crm.adjustment")
    # 33.34 + 33.33 + 33.33: the split in SQL has no rest either
    assert measured(desk)["one_off_awaited"] == "125.00"


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIL-23")
def test_charges_are_billed_once_each(spark: SparkSession, desk: Settings) -> None:
    operator = Operator(spark, desk)
    operator.write("ref_account", [account("a")])
    rows = [
        charge("visit", "a", "25.00", date(2025, 5, 17), description="Technician"),
        charge("phone", "a", "100.00", date(2025, 5, 31), tax_category="none", instalments=3, description="Phone"),
    ]
    operator.write("ref_adjustment", rows)
    operator.write("control_snapshot", [{"snapshot_id": 1, "digest": "d", "rows": 3}])
    operator.publish(BOOK, 1)
    operator.rate(1, [])
    for cycle in ("2025-05", "2025-06"):
        assert operator("run", cycle)["invoices"] == 1
        operator("approve", cycle, "--approver", "bob")
        operator.gate("--table", "invoice")
        assert operator("post", cycle)["status"] == "posted"
    billed = operator.rows(
        "SELECT cycle_start::text, description, l.amount::text FROM billing.invoice_line AS l "
        "JOIN billing.invoice USING (invoice_no) WHERE kind = 'one_off' ORDER BY 1, 2"
    )
    assert billed == [
        ("2025-05-01", "Phone, instalment 1 of 3", "33.340"),
        ("2025-05-01", "Technician", "25.000"),
        ("2025-06-01", "Phone, instalment 2 of 3", "33.330"),
    ]
    assert measured(desk) == {
        "one_off_entered": "125.00", "one_off_billed": "91.67", "one_off_awaited": "33.33",
        "instalments_entered": "4.00", "instalments_billed": "3.00", "instalments_awaited": "1.00",
    }  # fmt: skip
    listed = charges(desk, "list")["charges"]
    assert [(one["adjustment_id"], one["billed_instalments"], str(one["billed"])) for one in listed] == [
        ("phone", 2, "66.670")
    ]
    assert len(charges(desk, "list", "--all", "--account", "a")["charges"]) == 2
