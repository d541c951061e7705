"""One-off charges and credits: load a CSV file into schema crm, list them with what invoices have of them."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

from jobs.bill_runs import transaction
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings
from tollgate.reference.charge_file import Charge, Known, read_charges, refused
from tollgate.reference.pricebook_files import read_source_book

FINDINGS_SHOWN = 50
SHOWN = 1_000
ROW = ("adjustment_id", "account_id", "subscription_id", "description", "amount", "tax_category", "effective_on",
       "instalments")  # fmt: skip
# A move counts from its own day on, as on the bill.
JURISDICTIONS = """
SELECT DISTINCT a.account_id, asked.day, coalesce(m.tax_jurisdiction, a.tax_jurisdiction)
FROM unnest(%s::text[], %s::date[]) AS asked (account_id, day) JOIN crm.account AS a USING (account_id)
LEFT JOIN crm.account_jurisdiction AS m
  ON m.account_id = a.account_id AND m.superseded_at IS NULL AND m.valid @> asked.day
"""
LIST = f"""
SELECT {", ".join(f"a.{name}" for name in ROW)}, a.entered_by, count(l.line_key) AS billed_instalments,
       coalesce(sum(l.amount), 0) AS billed
FROM crm.adjustment AS a
LEFT JOIN billing.invoice_line AS l ON l.kind IN ('one_off', 'one_off_credit')
  AND split_part(split_part(l.line_key, '|', 8), '/', 1) = a.adjustment_id
WHERE (%(account)s IS NULL OR a.account_id = %(account)s)
GROUP BY a.adjustment_id HAVING %(all)s OR count(l.line_key) < a.instalments
ORDER BY a.effective_on, a.adjustment_id LIMIT {SHOWN}
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = argparse.ArgumentParser(prog="tollgate charges", description=__doc__)
    actions = made.add_subparsers(dest="action", required=True, metavar="load|list")
    load = actions.add_parser("load", help="check a file and enter all of its lines, or none")
    load.add_argument("file", type=Path, metavar="FILE.csv", help="columns: see docs/billing.md, One-off charges")
    load.add_argument("--by", metavar="NAME", help="who (default: the user of the system)")
    load.add_argument("--check-only", action="store_true", help="say the findings; enter nothing")
    listed = actions.add_parser("list", help="charges of which an instalment is not billed yet")
    listed.add_argument("--account", metavar="ID", help="of this account")
    listed.add_argument("--all", action="store_true", help="those billed in full too")
    for action in (load, listed):
        add_common(action)
    return made


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action, print its result as one JSON line and return it."""
    migrate(settings)
    found = _load(settings, args) if args.action == "load" else _list(settings, args)
    print(json.dumps(found, default=str), flush=True)
    return found


def _load(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Enter the file's charges in one transaction. A line that stands already as it is is left; the same id with other
    content is a finding, like everything else that is wrong."""
    try:
        charges, findings = read_charges(args.file)
    except OSError as error:
        raise TollgateError("cannot read the file of charges", where=str(args.file), found=str(error)) from None
    with transaction(settings) as cursor:
        # Two loads of one id must not both find it free.
        cursor.execute("LOCK TABLE crm.adjustment IN SHARE ROW EXCLUSIVE MODE")
        known = _known(settings, cursor, charges)
        entered = _entered(cursor, charges)
        new = [charge for charge in charges if charge.adjustment_id not in entered]
        findings += refused(new, known, args.file.name) + _changed(charges, entered, args.file.name)
        if findings:
            more = f"\n  and {len(findings) - FINDINGS_SHOWN} more" if len(findings) > FINDINGS_SHOWN else ""
            raise TollgateError(
                "the charges cannot be entered as they are; none was\n  "
                + "\n  ".join(findings[:FINDINGS_SHOWN]) + more,
                where=str(args.file), way_out="mend the lines named, then load the whole file again",
            )  # fmt: skip
        if not args.check_only:
            _insert(cursor, new, known, args)
    return {
        "file": args.file.name, "charges": len(charges), "entered": 0 if args.check_only else len(new),
        "stood_before": len(charges) - len(new),
    }  # fmt: skip


def _known(settings: Settings, cursor: Any, charges: list[Charge]) -> Known:
    book, findings = read_source_book(Path(settings.pricebook.dir))
    if book is None or findings:
        raise TollgateError(
            "the price book cannot be read, so no charge can be checked", where=settings.pricebook.dir,
            found="; ".join(map(str, findings[:3])), way_out="run `tollgate pricebook check`",
        )  # fmt: skip
    named = [charge.account_id for charge in charges]
    cursor.execute("SELECT account_id, currency FROM crm.account WHERE account_id = ANY(%s)", (named,))
    accounts = dict(cursor.fetchall())
    cursor.execute(JURISDICTIONS, (named, [charge.effective_on for charge in charges]))
    jurisdictions = {(account, day): jurisdiction for account, day, jurisdiction in cursor.fetchall()}
    cursor.execute(
        "SELECT subscription_id, account_id FROM crm.phone_line WHERE subscription_id = ANY(%s)",
        ([charge.subscription_id for charge in charges if charge.subscription_id],),
    )
    digits = {row["currency"]: int(row["minor_digits"]) for row in book.rows["currency"]}
    taxed = frozenset((row["jurisdiction"], row["tax_category"]) for row in book.rows["tax"])
    return Known(accounts, jurisdictions, dict(cursor.fetchall()), digits, taxed)


def _entered(cursor: Any, charges: list[Charge]) -> dict[str, tuple[Any, ...]]:
    cursor.execute(
        f"SELECT {', '.join(ROW)} FROM crm.adjustment WHERE adjustment_id = ANY(%s)",
        ([charge.adjustment_id for charge in charges],),
    )
    return {row[0]: row for row in cursor.fetchall()}


def _changed(charges: list[Charge], entered: dict[str, tuple[Any, ...]], file: str) -> list[str]:
    found = []
    for charge in charges:
        before = entered.get(charge.adjustment_id)
        if before is not None and before != charge[1:]:
            named = [name for name, old, new in zip(ROW, before, charge[1:], strict=True) if old != new]
            found.append(
                f"{file}:{charge.line}: {charge.adjustment_id} was entered before with another {', '.join(named)}; "
                "what is entered does not change: enter its opposite and a new one"
            )
    return found


def _insert(cursor: Any, new: list[Charge], known: Known, args: argparse.Namespace) -> None:
    by = args.by or getpass.getuser()
    rows = [
        (*charge[1:], known.minor_digits[known.accounts[charge.account_id]], args.file.name, charge.line, by)
        for charge in new
    ]
    cursor.executemany(
        f"INSERT INTO crm.adjustment ({', '.join(ROW)}, minor_digits, source_file, source_line, entered_by) "
        f"VALUES ({', '.join(['%s'] * (len(ROW) + 4))})",
        rows,
    )


def _list(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    with transaction(settings) as cursor:
        cursor.execute(LIST, {"account": args.account, "all": args.all})
        names = [column[0] for column in cursor.description]
        return {"charges": [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]}


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
