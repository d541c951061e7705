"""One writer for each table on a local disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WAIT_S = 15
_PAUSE_S = 0.2


@contextmanager
def writer_lock(spark: SparkSession, lock_file: Path, wait_s: int = WAIT_S) -> Iterator[None]:
    """Hold `lock_file` while the block writes; raises TollgateError when another process keeps it for `wait_s`.

    The JVM holds it, not Python: a JVM goes on writing for over a second after its Python was killed.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    jvm: Any = spark._jvm
    file = jvm.java.io.RandomAccessFile(str(lock_file), "rw")
    try:
        lock = _acquire(file.getChannel(), lock_file, wait_s)
        try:
            yield
        finally:
            lock.release()
    finally:
        file.close()


def _acquire(channel: Any, lock_file: Path, wait_s: int) -> Any:
    from py4j.protocol import Py4JJavaError

    give_up = time.monotonic() + wait_s
    while True:
        try:
            lock = channel.tryLock()
        except Py4JJavaError as error:
            # Another thread of this very JVM has it.
            if "OverlappingFileLockException" not in str(error.java_exception.getClass().getName()):
                raise
            lock = None
        if lock is not None:
            return lock
        if time.monotonic() > give_up:
            raise TollgateError(
                f"another process has been writing this table for over {wait_s} s",
                where=str(lock_file),
                expected="one writer for each table",
                way_out="wait for the other job or end it; the lock goes with its process, the file may stay",
            )
        time.sleep(_PAUSE_S)


@contextmanager
def one_of_two(path: str) -> Iterator[None]:
    """Delta lets one of two conflicting commits through; the other one is told in words."""
    from delta import exceptions as conflict

    kinds = (
        conflict.ConcurrentTransactionException,
        conflict.ConcurrentWriteException,
        conflict.MetadataChangedException,
        conflict.ProtocolChangedException,
        conflict.ConcurrentAppendException,
        conflict.ConcurrentDeleteReadException,
        conflict.ConcurrentDeleteDeleteException,
    )
    try:
        yield
    except kinds as error:
        raise TollgateError(
            "another process wrote this table at the same moment; nothing of this write was kept",
            where=path,
            expected="one writer for each table",
            found=type(error).__name__,
            way_out="end one of the two jobs and start the other one again: what stands is not written twice",
        ) from error
