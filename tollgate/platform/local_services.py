"""The broker and the database that a laptop brings itself: up, down, status, clean."""

from __future__ import annotations

import fcntl
import logging
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from tollgate.platform import local_kafka, local_postgres
from tollgate.platform.places import state_dir
from tollgate.platform.settings import Settings
from tollgate.platform.state import check_free_space, choose_port, read_state, running_process


def up(settings: Settings) -> dict[str, Any]:
    """Start what `settings` does not give an address of, unless it runs already; see `status` for what comes back.

    Raises TollgateError, and leaves nothing running that this call started, when one of them does not start.
    """
    state_dir().mkdir(parents=True, exist_ok=True)
    with _alone():
        check_free_space(state_dir())
        _check_fixed_ports(settings)
        had_broker = running_process(local_kafka.PART) is not None
        if not settings.kafka.bootstrap:
            local_kafka.start(settings.local.kafka_port)
        try:
            if not settings.postgres.url:
                local_postgres.start(settings.local.postgres_port)
        except BaseException:
            if not had_broker:
                local_kafka.stop()
            raise
    return status(settings)


def down(settings: Settings) -> dict[str, Any]:
    """Stop what `up` started and wait for its end; data stay. `settings` is there for symmetry with `up`."""
    if state_dir().exists():
        with _alone():
            local_kafka.stop()
            local_postgres.stop()
    return status(settings)


def status(settings: Settings) -> dict[str, Any]:
    """One entry a service: `running` (None for one given by settings), `address`, and `pid` of a local one."""
    given = {local_kafka.PART: settings.kafka.bootstrap, local_postgres.PART: settings.postgres.url}
    shown: dict[str, Any] = {}
    for part, address in given.items():
        process, facts = running_process(part), read_state().get(part, {})
        if address:
            shown[part] = {"running": None, "address": address}
        else:
            local = f"127.0.0.1:{facts['port']}" if "port" in facts else ""
            shown[part] = {"running": process is not None, "address": local, "pid": process.pid if process else None}
    return shown


def clean(settings: Settings) -> None:
    """Stop both and remove their data; the lake goes too when it stands in the state folder. Jars stay."""
    down(settings)
    local_kafka.remove_data()
    local_postgres.remove_data()
    if settings.lake.root.startswith(f"{state_dir()}/"):
        shutil.rmtree(settings.lake.root, ignore_errors=True)


def reached(settings: Settings) -> Settings:
    """The same settings with the addresses and the password of the local services filled in."""
    address, state = status(settings), read_state()
    changed: dict[str, Any] = {}
    if not settings.kafka.bootstrap:
        changed["kafka"] = settings.kafka.model_copy(update={"bootstrap": address[local_kafka.PART]["address"]})
    if not settings.postgres.url:
        url = f"postgresql://{local_postgres.USER}@{address[local_postgres.PART]['address']}/{local_postgres.DATABASE}"
        password = SecretStr(state[local_postgres.PART]["password"])
        changed["postgres"] = settings.postgres.model_copy(update={"url": url, "password": password})
    return settings.model_copy(update=changed)


@contextmanager
def running(settings: Settings) -> Iterator[dict[str, Any]]:
    """Both services for the time of the block; what ran before goes on running after it.

    A polite end of the process (SIGTERM) stops them too.
    """
    before = {part for part in (local_kafka.PART, local_postgres.PART) if running_process(part)}
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGTERM, _leave) if is_main else None
    try:
        yield up(settings)
    finally:
        if local_kafka.PART not in before:
            local_kafka.stop()
        if local_postgres.PART not in before:
            local_postgres.stop()
        if is_main:
            signal.signal(signal.SIGTERM, handler)


def _check_fixed_ports(settings: Settings) -> None:
    """Before anything starts, so that a taken port is said at once."""
    for part, fixed in (
        (local_kafka.PART, settings.local.kafka_port),
        (local_postgres.PART, settings.local.postgres_port),
    ):
        if fixed and not running_process(part):
            choose_port(part, f"local.{part}_port", fixed)


def _leave(number: int, frame: Any) -> None:
    # Threads whose JVM ends before them would say so, each at length.
    logging.disable(logging.CRITICAL)
    name = signal.Signals(number).name
    print(f"stopped by {name}; what it started is stopped too, after the step that runs", file=sys.stderr, flush=True)
    raise SystemExit(128 + number)


@contextmanager
def _alone() -> Iterator[None]:
    """One `up` or `down` at a time for one state folder."""
    with (state_dir() / "up.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
