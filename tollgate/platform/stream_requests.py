"""Work that the running stream does for another process, between two of its batches, because only it may write.

Three files beside the locks: the request, the same once the stream has taken it up, and its answer. Each is put there
whole, by a rename. One process asks at a time: it holds the lock ASKING for as long as it waits.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

ASKING = "maintain"
REQUEST, TAKEN, ANSWER = "stream.request", "stream.taken", "stream.answer"
_PAUSE_S = 0.2


def ask(folder: Path, work: dict[str, Any], wait_s: int, is_stream_gone: Callable[[], bool]) -> dict[str, Any] | None:
    """What the stream answers; None when it ended before. The caller holds the lock ASKING.

    is_stream_gone: tells whether no stream runs any more, tried again and again. Raises TollgateError with what the
    stream says went wrong, or when it has not taken the request up for `wait_s`; then nothing was done.
    """
    request_id = secrets.token_hex(8)
    (folder / ANSWER).unlink(missing_ok=True)
    _put(folder / REQUEST, {"id": request_id, "work": work})
    give_up = time.monotonic() + wait_s
    try:
        while True:
            found = _read(folder / ANSWER)
            if found is not None and found["id"] == request_id:
                return _told(found)
            if is_stream_gone():
                return None
            if time.monotonic() > give_up and _withdraw(folder):
                raise TollgateError(
                    f"the stream has not come to it for {wait_s} s",
                    where=str(folder),
                    expected="a pause between two batches",
                    way_out="wait longer (--wait SECONDS), or look whether the stream still moves",
                )
            time.sleep(_PAUSE_S)
    finally:
        _withdraw(folder)
        (folder / ANSWER).unlink(missing_ok=True)


def answer(lake: Lake, do: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
    """Do what is asked for, if anything is, and answer; whether it was. What goes wrong in it is the answer."""
    folder = lake.lock_folder
    if folder is None or not (folder / REQUEST).exists() or not _is_waited_for(lake, folder):
        return False
    os.replace(folder / REQUEST, folder / TAKEN)
    taken = _read(folder / TAKEN)
    assert taken is not None
    try:
        said: dict[str, Any] = {"done": do(taken["work"])}
    except TollgateError as error:
        parts = ("what", "expected", "found", "where", "way_out")
        said = {"refused": {name: getattr(error, name) for name in parts}}
    except Exception as error:
        said = {"refused": {"what": "the stream failed at it and goes on", "found": str(error)[:500]}}
    _put(folder / ANSWER, {"id": taken["id"], **said})
    (folder / TAKEN).unlink(missing_ok=True)
    return True


def _is_waited_for(lake: Lake, folder: Path) -> bool:
    """Whether who asked still lives; the request of a dead one is dropped."""
    try:
        with lake.alone(ASKING, wait_s=0):
            _withdraw(folder)
            return False
    except TollgateError:
        return True


def _withdraw(folder: Path) -> bool:
    """Take the request back; false when the stream has it already, and works at it."""
    try:
        (folder / REQUEST).unlink()
    except FileNotFoundError:
        return False
    return True


def _told(found: dict[str, Any]) -> dict[str, Any]:
    if "refused" in found:
        what = found["refused"].pop("what")
        raise TollgateError(what, **found["refused"])
    return dict(found["done"])


def _put(file: Path, content: dict[str, Any]) -> None:
    aside = file.with_name(f"{file.name}.new")
    aside.write_text(json.dumps(content), encoding="utf-8")
    os.replace(aside, file)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
