"""What people decide about a bill run, against PostgreSQL alone: approve it, or void it."""

from __future__ import annotations

from typing import Any

from jobs.bill_runs import BillRun, find_run, note_step, transaction
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

AUTOMATIC = "auto"


def approve(settings: Settings, run: BillRun, approver: str, *, accept_outliers: bool = False) -> dict[str, Any]:
    """draft -> approved; returns the run's summary. A run that is approved already is left as it is.

    Raises TollgateError for the starter outside profile local, for a draft that is not complete, and for outliers that
    nobody has accepted. The automatic approver of profile local accepts them and says so.
    """
    if run.status == "approved":
        return run.summary("approved before; nothing was changed")
    _expect(run, "draft", "approve")
    refuse_approver(settings, run.started_by, approver)
    if not run.is_complete:
        raise TollgateError(
            "the draft is not complete", where=run.run_id,
            way_out=f"`tollgate bill resume --run-id {run.run_id}` goes on where it stopped",
        )  # fmt: skip
    refuse_outliers(run, approver, accept_outliers)
    note = _of_outliers(run, approver)
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.bill_run SET status = 'approved', approved_by = %s, approved_at = now() "
            "WHERE run_id = %s AND status = 'draft'",
            (approver, run.run_id),
        )
        if cursor.rowcount != 1:
            raise _changed(run)
        note_step(cursor, run.run_id, "approved", approver, note)
    return find_run(settings, run.run_id).summary(note)


def void(settings: Settings, run: BillRun, person: str, reason: str = "") -> dict[str, Any]:
    """draft or approved -> void; what it wrote to the lake never counts, and who still works on it cannot finish."""
    refuse_to_void(run)
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.bill_run SET status = 'void', fencing = fencing + 1 "
            "WHERE run_id = %s AND status IN ('draft', 'approved')",
            (run.run_id,),
        )
        if cursor.rowcount != 1:
            raise _changed(run)
        note_step(cursor, run.run_id, "voided", person, reason)
    return find_run(settings, run.run_id).summary()


def refuse_to_void(run: BillRun) -> None:
    """TollgateError for a run that is void or posted."""
    if run.status not in ("draft", "approved"):
        _expect(run, "draft or approved", "void")


def settled(run: BillRun, action: str) -> dict[str, Any] | None:
    """What `post`, `resume` or `verify` comes to by the run's status alone: its summary where nothing is left to do,
    None where there is. TollgateError for a run that the action is not for."""
    if action == "post":
        if run.status == "posted":
            return run.summary("posted before; nothing was changed")
        if run.status != "approved":
            way_out = "approve it first (`tollgate bill approve`)" if run.status == "draft" else "run the cycle again"
            raise TollgateError(
                "cannot post this run", where=run.run_id, expected="status approved", found=f"status {run.status}",
                way_out=way_out,
            )  # fmt: skip
    elif action == "resume":
        if run.status == "void":
            raise TollgateError(
                "this run is void", where=run.run_id, way_out="run the cycle again; it gets the next sequence"
            )
        if run.is_complete:
            return run.summary("this run was complete before; nothing was changed")
    elif run.status != "posted":
        raise TollgateError(
            "only a posted run can be verified", where=run.run_id, expected="status posted",
            found=f"status {run.status}",
        )  # fmt: skip
    return None


def refuse_approver(settings: Settings, started_by: str, approver: str) -> None:
    """Four eyes: outside profile local a person approves, and another one than who started the run. One name in other
    letters, or with spaces around it, is the same person."""
    if settings.profile == "local":
        return
    if approver.strip().casefold() in ("", AUTOMATIC):
        raise TollgateError(
            "outside profile local a person approves a run", found=f"approver {approver.strip() or 'without a name'}",
            way_out="give --approver NAME",
        )  # fmt: skip
    if approver.strip().casefold() == started_by.strip().casefold():
        raise TollgateError(
            "who started a run cannot approve it", found=approver, way_out="let another person approve it"
        )


def refuse_outliers(run: BillRun, approver: str, accept_outliers: bool) -> None:
    """Refuse a draft with outliers, or one in which nobody has looked for them, that is not accepted as it is."""
    if run.outliers == 0 or accept_outliers or approver == AUTOMATIC:
        return
    raise TollgateError(
        "invoices of this run are unlike others, so it is not approved unseen", where=run.run_id,
        expected="no outlier, or --accept-outliers",
        found="nobody has looked for them" if run.outliers is None else f"{run.outliers} outliers",
        way_out=f"see `tollgate bill show {run.run_id}`, then approve with --accept-outliers, or void the run",
    )  # fmt: skip


def _of_outliers(run: BillRun, approver: str) -> str:
    if run.outliers == 0:
        return ""
    count = "an unknown number of" if run.outliers is None else str(run.outliers)
    return f"{count} outliers accepted{' by the automatic approver' if approver == AUTOMATIC else ''}"


def _expect(run: BillRun, status: str, action: str) -> None:
    if run.status != status:
        raise TollgateError(
            f"cannot {action} this run", where=run.run_id, expected=f"status {status}", found=f"status {run.status}"
        )


def _changed(run: BillRun) -> TollgateError:
    return TollgateError(
        "another process has just changed this run", where=run.run_id, expected=f"status {run.status}",
        way_out=f"see `tollgate bill show {run.run_id}`",
    )  # fmt: skip
