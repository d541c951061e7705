"""The month of the demo as an operator plays it: drafted, checked, approved, posted, and verified by hash."""

from __future__ import annotations

import time
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from tollgate.demo.stage import Stage

LOOK_EVERY_S = 0.2


def bill_month(stage: Stage, cycle: str, as_of: datetime) -> None:
    """Draft the cycle, check its invoices, approve and post it."""
    from jobs import bill_accounts

    with stage.progress.step("bill the month"):
        stage.run_job(bill_accounts, "--action", "run", "--cycle", cycle, "--as-of", as_of.isoformat())
    with stage.progress.step("quality gate of the invoices"):
        stage.pass_gate("--table", "invoice")
    with stage.progress.step("approve the run"):
        stage.run_job(bill_accounts, "--action", "approve", "--cycle", cycle)
    with stage.progress.step("post the run"):
        stage.run_job(bill_accounts, "--action", "post", "--cycle", cycle)


def until_begun(stage: Stage, cycle: str, billed: Future[None]) -> None:
    """Wait for the row of the run, which has its pins: what is rated from then on is not in it. Raises what ended
    `billed`, the run, before it had one."""
    from jobs.bill_runs import open_run

    while open_run(stage.settings, cycle) is None:
        if billed.done():
            billed.result()
            return
        time.sleep(LOOK_EVERY_S)


def verified_month(stage: Stage, cycle: str, posted: Future[None]) -> dict[str, Any]:
    """Once it is `posted`, the run rebuilt from its pins and compared by SHA-256, as `tollgate bill verify` does it.

    Raises TollgateError, which names the accounts, when lake or database hold another bill.
    """
    from jobs.bill_runs import last_posted
    from jobs.bill_verify import verify
    from tollgate.platform.errors import TollgateError

    posted.result()
    run = last_posted(stage.settings, cycle)
    if run is None:
        raise TollgateError("no run of this cycle is posted", found=cycle)
    with stage.progress.step("verify the posted run"):
        return verify(stage.spark, stage.settings, run)
