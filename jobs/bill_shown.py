"""Bill runs as people read them: the list, and one run in full, from PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.bill_runs import all_runs, find_run, transaction
from tollgate.platform.settings import Settings

# Of parked accounts and outliers so many are shown; how many there are is said.
SHOWN = 20
KINDS = "SELECT kind, lines, events, amount, tax FROM ops.bill_run_kind WHERE run_id = %s ORDER BY kind"
REASONS = """SELECT reason, count(*) AS accounts FROM ops.bill_account_park WHERE run_id = %s
GROUP BY reason ORDER BY accounts DESC, reason"""
PARKED = f"SELECT account_id, reason FROM ops.bill_account_park WHERE run_id = %s ORDER BY account_id LIMIT {SHOWN}"
OUTLIER_KINDS = """SELECT kind, count(*) AS invoices, max(abs(total)) AS largest FROM ops.bill_outlier
WHERE run_id = %s GROUP BY kind ORDER BY kind"""
OUTLIERS = f"""SELECT account_id, kind, currency, total, compared_with, limit_percent FROM ops.bill_outlier
WHERE run_id = %s ORDER BY abs(total) DESC, account_id, kind LIMIT {SHOWN}"""
STEPS = "SELECT action, person, note, done_at FROM ops.bill_run_step WHERE run_id = %s ORDER BY step_no"
ISSUED = "SELECT min(invoice_no) AS first, max(invoice_no) AS last FROM billing.invoice WHERE run_id = %s"
HEAD = (
    f"{'run':<22}{'status':<10}{'invoices':>9}{'parked':>8}{'outliers':>9}{'total':>18}  {'started by':<12}approved by"
)


def listed(settings: Settings) -> dict[str, Any]:
    """Every run with its totals, who began and who approved it."""
    return {
        "runs": [
            {**run.summary(), "started_by": run.started_by, "approved_by": run.approved_by}
            for run in all_runs(settings)
        ]
    }


def shown(settings: Settings, run_id: str) -> dict[str, Any]:
    """One run in full: totals, kinds of lines, parked accounts, outliers, pins, and who did what when.

    Amounts and instants are text; `parked_accounts` and `outlier_invoices` hold the first SHOWN.
    """
    run = find_run(settings, run_id)
    pins = {
        "rating_no": run.rating_no,
        "snapshot_id": run.snapshot_id,
        "pricebook_version": run.pricebook_version,
        "as_of": run.as_of.isoformat(),
        "after_runs": run.after_runs,
        "only_accounts": run.only_accounts,
    }
    summary = {name: value for name, value in run.summary().items() if name not in pins}
    return {
        **summary,
        "started_by": run.started_by,
        "approved_by": run.approved_by,
        "pins": pins,
        "numbers": _rows(settings, ISSUED, run_id)[0],
        "line_kinds": _rows(settings, KINDS, run_id),
        "parked_reasons": _rows(settings, REASONS, run_id),
        "parked_accounts": _rows(settings, PARKED, run_id),
        "outlier_kinds": _rows(settings, OUTLIER_KINDS, run_id),
        "outlier_invoices": _rows(settings, OUTLIERS, run_id),
        "steps": _rows(settings, STEPS, run_id),
    }


def as_list(found: Mapping[str, Any]) -> str:
    """The list as text: a line a run."""
    if not found["runs"]:
        return "no bill run"
    lines = [HEAD, "-" * len(HEAD)]
    for run in found["runs"]:
        amounts = f"{_number(run['invoices']):>9}{_number(run['parked']):>8}{_number(run['outliers']):>9}"
        people = f"{run['started_by']:<12}{run['approved_by'] or ''}"
        lines.append(f"{run['run_id']:<22}{run['status']:<10}{amounts}{run['total'] or '':>18}  {people}".rstrip())
    return "\n".join(lines)


def in_full(run: Mapping[str, Any]) -> str:
    """One run as text."""
    pins, numbers = run["pins"], run["numbers"]
    rows: list[tuple[str, object]] = [
        ("run", run["run_id"]),
        ("status", run["status"] if run["content_hash"] else f"{run['status']}, not complete"),
        ("accounts", f"{_number(run['accounts'])} due, {_number(run['not_due'])} not due"),
        ("invoices", f"{_number(run['invoices'])} with {_number(run['lines'])} lines"),
        ("net, tax, total", ", ".join(run[name] or "-" for name in ("net", "tax", "total"))),
        ("content hash", run["content_hash"] or "-"),
        ("numbers", f"{numbers['first']} to {numbers['last']}" if numbers["first"] else "none yet"),
        ("pins", f"rating run {pins['rating_no']}, snapshot {pins['snapshot_id']}, book {pins['pricebook_version']}"),
        ("", f"by {pins['as_of']}, after {', '.join(pins['after_runs']) or 'no run'}"),
        ("asked for", "every account" if pins["only_accounts"] is None else _first(pins["only_accounts"])),
    ]
    parts = [_table(rows)]
    kinds = [(kind["kind"], f"{kind['lines']:>9,} lines{kind['amount']:>18}") for kind in run["line_kinds"]]
    parts += [f"lines\n{_table(kinds)}"] if kinds else []
    reasons = [(f"{one['accounts']:,}", one["reason"]) for one in run["parked_reasons"]]
    parked = [(one["account_id"], one["reason"]) for one in run["parked_accounts"]]
    parts += [f"parked accounts\n{_table(reasons)}\n{_table(parked)}"] if parked else []
    outliers = [(one["account_id"], _outlier(one)) for one in run["outlier_invoices"]]
    counts = ", ".join(f"{one['invoices']:,} {one['kind']}" for one in run["outlier_kinds"])
    parts += [f"outliers: {counts}\n{_table(outliers)}"] if outliers else []
    steps = [(str(one["done_at"])[:19], f"{one['action']} by {one['person']} {one['note']}") for one in run["steps"]]
    return "\n\n".join([*parts, f"steps (UTC)\n{_table(steps)}"])


def _outlier(one: Mapping[str, Any]) -> str:
    limit = f"{one['limit_percent']} % of {one['compared_with']}"
    return f"{one['kind']}: {one['total']} {one['currency']}, compared with {limit}"


def _first(accounts: list[str]) -> str:
    return f"{len(accounts):,} accounts: {', '.join(accounts[:5])}{', ...' if len(accounts) > 5 else ''}"


def _table(rows: Iterable[tuple[str, object]]) -> str:
    kept = list(rows)
    width = max((len(name) for name, _ in kept), default=0) + 2
    return "\n".join(f"  {name:<{width}}{value}".rstrip() for name, value in kept)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _rows(settings: Settings, query: str, run_id: str) -> list[dict[str, Any]]:
    with transaction(settings) as cursor:
        cursor.execute(f"SET LOCAL TIME ZONE 'UTC'; {query}", (run_id,))
        names = [column.name for column in cursor.description]
        return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else str(value)
