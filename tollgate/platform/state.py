"""What `tollgate up` remembers: processes, ports and the password, in one file that only its owner reads."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tollgate.platform.errors import TollgateError
from tollgate.platform.places import state_dir

SMALLEST_FREE_BYTES = 1 << 30
_STOP_S = 30


def read_state() -> dict[str, Any]:
    """What is remembered: a part's name to its pid, start time, port and the like; empty before the first `up`."""
    try:
        found = json.loads((state_dir() / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(found)


def remember(part: str, **facts: Any) -> dict[str, Any]:
    """Add `facts` to what is remembered of `part` and return all of that part."""
    state = read_state()
    state[part] = {**state.get(part, {}), **facts}
    _write(state)
    return dict(state[part])


def forget(part: str, *facts: str) -> None:
    """Forget these facts of `part`, or all of it when none is named."""
    state = read_state()
    kept = {key: value for key, value in state.get(part, {}).items() if facts and key not in facts}
    state.pop(part, None)
    _write({**state, part: kept} if kept else state)


def _write(state: dict[str, Any]) -> None:
    folder = state_dir()
    folder.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: a reader never sees half of it. mkstemp gives mode 0600.
    handle, name = tempfile.mkstemp(dir=folder, prefix="state-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1, sort_keys=True)
    os.replace(name, folder / "state.json")


def running_process(part: str) -> psutil.Process | None:
    """The live process of `part`; None when it ended, even if its number now belongs to another one."""
    facts = read_state().get(part, {})
    try:
        process = psutil.Process(facts["pid"])
        is_same = abs(process.create_time() - facts["started"]) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except (KeyError, psutil.NoSuchProcess):
        return None
    return process if is_same else None


def remember_process(part: str, pid: int) -> None:
    """Remember the process by number and start time."""
    remember(part, pid=pid, started=psutil.Process(pid).create_time())


def stop_process(process: psutil.Process, ask: int) -> None:
    """Send the signal `ask`, wait until the process has ended, and kill it when it does not."""
    children = process.children(recursive=True)
    process.send_signal(ask)
    _, alive = psutil.wait_procs([process], timeout=_STOP_S)
    for one in alive:
        one.kill()
    _, alive = psutil.wait_procs([process, *children], timeout=_STOP_S)
    if alive:
        raise TollgateError("a process does not end", found=", ".join(str(one.pid) for one in alive))


def choose_port(part: str, setting: str, fixed: int, fact: str = "port") -> int:
    """The port that the user fixed, else the one of the last time when it is free, else a free one.

    Raises TollgateError when the fixed one is taken.
    """
    if fixed:
        if not _is_free(fixed):
            raise TollgateError(
                f"port {fixed} for {part} is taken",
                where=setting,
                expected="a free port on 127.0.0.1",
                way_out=f"stop what listens there, choose another {setting}, or 0 for any free port",
            )
        return fixed
    last = read_state().get(part, {}).get(fact, 0)
    if last and _is_free(last):
        return int(last)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_free_space(folder: Path) -> None:
    """Raise TollgateError when the disk under `folder` is nearly full: a broker on a full disk dies half way."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < SMALLEST_FREE_BYTES:
        raise _disk_full(folder, f"{free >> 20} MiB")


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn "no space left on device" into a TollgateError about that folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _disk_full(folder, "0 MiB") from None


def _disk_full(folder: Path, free: str) -> TollgateError:
    return TollgateError(
        "the disk is full",
        where=str(folder),
        expected=f"{SMALLEST_FREE_BYTES >> 20} MiB free",
        found=free,
        way_out="free some space, or move the state elsewhere with TOLLGATE_STATE",
    )


def wait_until_it_answers(part: str, process: psutil.Process, port: int, log: Path, wait_s: int) -> None:
    """Return once `port` accepts connections; TollgateError with the log's end when the process dies or is too slow."""
    give_up = time.monotonic() + wait_s
    while not answers(port):
        is_dead = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        if is_dead or time.monotonic() > give_up:
            raise TollgateError(
                f"{part} did not start", where=str(log), expected=f"an answer on port {port}", found=_last_lines(log)
            )
        time.sleep(0.1)


def _last_lines(log: Path) -> str:
    try:
        return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    except OSError:
        return "no log"
