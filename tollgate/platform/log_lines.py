"""JSON lines for those who read later: one at the end of each step, batch and job, on stderr."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TextIO

import structlog

from tollgate.platform.errors import TollgateError, outcome_of
from tollgate.platform.progress import BATCH, JOB, STEP, Step

TEXT, NUMBER, FLAG, COUNTS = "text", "number", "true or false", "object of numbers"
# All that a line may hold, in this order: name, type, meaning. What is not here is left out, so that no number, name or
# payload of a customer comes into a log by mistake.
FIELDS = {
    "timestamp": (TEXT, "UTC"),
    "level": (TEXT, "debug, info, warning or error"),
    "event": (TEXT, "what happened"),
    "run_id": (TEXT, "the process: `TOLLGATE_RUN_ID`, else made at its start"),
    "job": (TEXT, "the job"),
    "step": (TEXT, "the step of the job"),
    "date": (TEXT, "date of the night"),
    "seconds": (NUMBER, "how long it took"),
    "error": (TEXT, "why it failed: the first line of the message, or the kind of an unexpected error"),
    "batch_no": (NUMBER, "micro-batch"),
    "generation": (NUMBER, "generation of the stream's checkpoint"),
    "snapshot_id": (NUMBER, "reference snapshot"),
    "pricebook_version": (NUMBER, "price book"),
    "rating_no": (NUMBER, "rating run"),
    "bill_run_id": (TEXT, "bill run"),
    "cycle": (TEXT, "key of the bill cycles"),
    "status": (TEXT, "state of the bill run"),
    "batches": (NUMBER, "micro-batches of the run"),
    "records": (NUMBER, "records generated"),
    "received": (NUMBER, "records taken from Kafka"),
    "accepted": (NUMBER, "of them accepted"),
    "quarantined": (NUMBER, "of them quarantined"),
    "duplicate": (NUMBER, "of them copies"),
    "late": (NUMBER, "accepted ones that arrived late"),
    "by_reason": (COUNTS, "quarantined records by reason; one with two reasons counts under both"),
    "published_to": (NUMBER, "last published micro-batch"),
    "lag": (NUMBER, "records behind the topic's end, as Spark last saw it"),
    "lag_by_partition": (COUNTS, "the same by partition"),
    "from_batch_no": (NUMBER, "first micro-batch of the night or export"),
    "to_batch_no": (NUMBER, "last micro-batch of the night or export"),
    "rated": (NUMBER, "events rated with a charge"),
    "zero_rated": (NUMBER, "events rated at nothing"),
    "suspended": (COUNTS, "events suspended, by reason"),
    "tried_again": (NUMBER, "events suspended before and tried again"),
    "still_suspended": (NUMBER, "of them with the same reason as before"),
    "dry_run": (FLAG, "nothing was written"),
    "suite": (TEXT, "suite of the quality gate"),
    "from_no": (NUMBER, "first micro-batch or rating run that it was held against"),
    "to_no": (NUMBER, "last of them"),
    "rows_checked": (NUMBER, "rows that the quality gate looked at"),
    "passed": (FLAG, "whether the quality gate is open"),
    "events": (NUMBER, "accepted events exported"),
    "accounts": (NUMBER, "accounts due"),
    "not_due": (NUMBER, "accounts not due yet"),
    "parked": (NUMBER, "accounts parked, or listed as `account_closed`"),
    "invoices": (NUMBER, "invoices of the bill run"),
    "lines": (NUMBER, "their lines"),
    "run_no": (NUMBER, "reconciliation"),
    "equations": (NUMBER, "equations checked"),
    "unbalanced": (COUNTS, "equations that do not hold, by stage"),
    "holds": (FLAG, "whether every equation holds"),
    "published": (FLAG, "whether a new price book was published"),
    "taken": (FLAG, "whether a new snapshot was taken"),
}
# What the last line of a command that fails holds besides: its message for people, as a terminal would show it.
MESSAGE = {
    "error": (TEXT, "what is wrong, whole"),
    "where": (TEXT, "where: a file, table, address or argument"),
    "expected": (TEXT, "what was expected"),
    "found": (TEXT, "what was found"),
    "way_out": (TEXT, "what to do"),
    "exit_code": (NUMBER, "what the process ends with"),
}
_OWN = ("timestamp", "level", "event", "run_id")
_ENDED = {JOB: "job done", STEP: "step done", BATCH: "batch published"}


class LogLines:
    """Writes the lines of one process. level: the lowest that is written."""

    in_lines = True

    def __init__(self, stream: TextIO, run_id: str, level: str) -> None:
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                lambda logger, method, line: known(line),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        ).bind(run_id=run_id)

    def begins(self, step: Step) -> None:
        """Jobs are told at their start as well; all else only to those who want to know everything."""
        self._write(f"{step.kind} started", step.level if step.kind == JOB else "debug", step)

    def ends(self, step: Step) -> None:
        """One line with the figures that the step has noted."""
        told = {"seconds": step.seconds}
        outcome = outcome_of(step.error)
        if step.error is None:
            self._write(_ENDED[step.kind], step.level, step, **told)
        elif outcome == "failed":
            self._write(f"{step.kind} failed", "error", step, **told, error=reason_of(step.error))
        else:
            self._write(f"{step.kind} {outcome}", "warning", step, **told)

    def fails(self, error: TollgateError) -> None:
        """The last line of a command that fails, with its whole message: the one line that may name customers."""
        parts = {name: getattr(error, name) or None for name in ("where", "expected", "found", "way_out")}
        self._log.error("command failed", error=error.what, **parts, exit_code=error.exit_code)

    def hears(self, event: str, level: str, facts: Mapping[str, Any]) -> None:
        """One line."""
        own = {name: value for name, value in facts.items() if name in FIELDS and name not in _OWN}
        self._log.log(logging.getLevelName(level.upper()), event, **own)

    def follows(self, spark: object) -> None:
        """Lines say what is done, not what Spark is at."""

    def _write(self, event: str, level: str, step: Step, **told: Any) -> None:
        names = {"job": step.job} | ({"step": step.name} if step.kind == STEP else {})
        self.hears(event, level, {**step.facts, **names, **told})


def known(line: Mapping[str, Any]) -> dict[str, Any]:
    """What of a line is in FIELDS or MESSAGE and has its type, in the order there."""
    fields = {**FIELDS, **MESSAGE}
    plain = {name: _plain(line[name], kind) for name, (kind, _) in fields.items() if line.get(name) is not None}
    return {name: value for name, value in plain.items() if value is not None}


def reason_of(error: BaseException) -> str:
    """The first line of a message of ours; of any other error only its kind, for its text may hold a record."""
    return error.what.splitlines()[0] if isinstance(error, TollgateError) else type(error).__name__


def _plain(value: Any, kind: str) -> Any:
    if kind == COUNTS:
        if not isinstance(value, Mapping):
            return None
        return {str(name): number for name, number in value.items() if _plain(number, NUMBER) is not None}
    if kind == NUMBER:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return (round(value, 3) if isinstance(value, float) else value) if is_number else None
    return value if isinstance(value, bool if kind == FLAG else str) else None
