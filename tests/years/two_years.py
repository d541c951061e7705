"""Plays an operator month by month with the real jobs, and asks the oracle for its own bills of the same lake.

At the end of a month its usage has arrived: customers' changes are entered and a snapshot taken, the records go
through Kafka and mediation, the nights rate them, corrections follow, and the cycles that began in the month before,
which all have ended by now, are billed and posted.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from faults.route import Route
from properties.draw_corrections import draw_changed_book
from years.books import write_book
from years.lives import Lives
from years.master_data import MasterData
from years.usage import Arrangement, Records, as_it_came

from generators.customers import local_midnight_ms, months_later
from generators.producer import produce
from jobs.further_cycles import further_accounts
from tollgate.platform.postgres import connect, migrate

CORRECT_PRICES_EVERY = 5
# Invoices and their lines as PostgreSQL issued them, but for the moment in which it did.
ISSUED = """
SELECT to_jsonb(i) - 'posted_at', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line_no) FROM billing.invoice_line l
                                   WHERE l.invoice_no = i.invoice_no)
FROM billing.invoice i ORDER BY i.invoice_no
"""


class Playing(NamedTuple):
    """How one run takes the months' usage, and by which book.

    batch: records a micro-batch; nights: parts of a month with a night each.
    """

    name: str
    arrange: Arrangement = as_it_came
    batch: int = 1_000_000
    nights: int = 1
    is_whole_book: bool = False


@dataclass
class Operator:
    """An operator on an empty lake, topic and database. arrivals: of `months` months and the one after them."""

    route: Route
    lives: Lives
    arrivals: list[Records]
    first: date
    folder: Path
    playing: Playing
    books: dict[int, Path] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def play(self) -> None:
        """All months to the last bill."""
        begun = time.monotonic()
        migrate(self.route.settings)
        self.folder.mkdir(parents=True)
        self._publish(write_book(self.folder / "book_1", is_whole=self.playing.is_whole_book))
        master_data = MasterData(self.route.settings, self.lives)
        for number, records in enumerate(self.arrivals):
            master_data.learn(self._month(number + 1))
            self.route.snapshot()
            self._take(number, self.playing.arrange(records, number))
            self._correct(number)
            if number:
                self._bill(number)
            print(
                f"{self.playing.name}: {self._month(number):%Y-%m} after {time.monotonic() - begun:.0f} s", flush=True
            )

    def _month(self, number: int) -> date:
        return months_later(self.first, number)

    def _publish(self, book: Path) -> None:
        self.books[self.route.publish("--dir", str(book))] = book

    def _take(self, number: int, records: Records) -> None:
        """The month's records into the topic and on to rated usage."""
        size = -(-len(records) // self.playing.nights)
        for part in range(self.playing.nights):
            few = records[part * size : (part + 1) * size]
            produce(few, self.route.settings, self.folder / f"truth_{number}_{part}")
            self.counts["received"] += self.route.mediate(batch=self.playing.batch)["received"]
            self.route.night()

    def _correct(self, number: int) -> None:
        """Prices that were wrong since ever, now and then; and what moved without notice, once it is told."""
        if number % CORRECT_PRICES_EVERY == 1:
            before = self.books[max(self.books)]
            self._publish(draw_changed_book(Random(f"book {number}"), before, self.folder / f"book_{number + 1}"))
            plan = ("month_to_month", "term")[number // CORRECT_PRICES_EVERY % 2]
            self._corrected("prices", max(self.first, self._month(number - 3)), number, "--plan", plan)
        for move in self.lives.moves:
            if move.told_on == self._month(number + 1):
                self._corrected("owners", move.on, number, "--account", move.account_id, "--plan", "term")

    def _corrected(self, what: str, since: date, number: int, *selected: str) -> None:
        until = self._month(number + 1)
        span = ("--from", instant(since), "--to", instant(until))
        found = self.route.correct(*span, "--service", "voice", *selected)
        self.counts[f"corrected_{what}"] += found["corrected"]

    def _bill(self, number: int) -> None:
        """The cycles that began in the month before; further keys of it as long as an account has one."""
        cycle, as_of = f"{self._month(number - 1):%Y-%m}", instant(self._month(number + 1))
        accounts = 1
        while accounts:
            self.runs.append(self.route.bill(cycle, as_of))
            cycle, accounts = further_accounts(self.route.settings, cycle)

    def issued(self) -> list[str]:
        """Every invoice with its lines as PostgreSQL has it, in canonical JSON, in the order of the numbers."""
        session = connect(self.route.settings)
        try:
            with session, session.cursor() as cursor:
                cursor.execute(ISSUED)
                return [json.dumps(row, sort_keys=True) for row in cursor.fetchall()]
        finally:
            session.close()


def sha256_of(issued: list[str]) -> str:
    """One digest of all invoices."""
    return hashlib.sha256("\n".join(issued).encode()).hexdigest()


def instant(day: date) -> str:
    """Local midnight of the operator as the jobs are told it."""
    return f"{datetime.fromtimestamp(local_midnight_ms(day) // 1000, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
