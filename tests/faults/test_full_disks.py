"""A disk fills up under the tables or under the checkpoint: told in words, nothing half written counts, and after some
room is made the stream goes on."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.route import Route
from tollgate.platform.job import guarded

SIZE = 12 << 20


@contextmanager
def largest_file(spark, size: int) -> Iterator[None]:
    """The JVM may make no file larger than that, as under a quota; works without any right."""
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of SIZE bytes, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True)
    if mount.returncode:
        pytest.skip(f"mounting a file system is not allowed here: {mount.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(disk: Path, free: int) -> Iterator[None]:
    """All but `free` bytes of the disk are taken."""
    stands = os.statvfs(disk)
    taken = disk / "taken"
    taken.write_bytes(bytes(stands.f_bavail * stands.f_frsize - free))
    try:
        yield
    finally:
        taken.unlink()


def says_that_the_disk_is_full(route: Route, capsys) -> None:
    marks = route.lake.read("control_mediation").count()
    capsys.readouterr()
    assert guarded(lambda: route.mediate()) == 1
    told = capsys.readouterr().err
    assert "error: " in told and "the disk is full" in told and "free some space" in told, told
    assert "Traceback" not in told
    assert route.lake.read("control_mediation").count() == marks


@pytest.mark.covers("MED-14", "MED-29")
def test_a_write_that_finds_no_room_fails_the_batch_in_words(copy_of, tmp_path, capsys):
    route = copy_of(tmp_path / "lake")
    with largest_file(route.spark, 4096):
        says_that_the_disk_is_full(route, capsys)


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
def test_a_write_that_finds_no_room_fails_the_batch_and_the_next_start_finishes_it(copy_of, whole, tmp_path, capsys):
    route = copy_of(tmp_path / "lake")
    with largest_file(route.spark, 4096):
        says_that_the_disk_is_full(route, capsys)
    route.mediate()
    assert route.records() == whole


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
@pytest.mark.parametrize("free", [4 << 10, 40 << 10, 120 << 10])
def test_a_full_disk_under_the_tables_stops_the_stream_until_there_is_room(copy_of, whole, small_disk, capsys, free):
    route = copy_of(small_disk / "lake")
    with filled(small_disk, free):
        says_that_the_disk_is_full(route, capsys)
    route.mediate()
    assert route.records() == whole


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-29")
def test_a_full_disk_under_the_checkpoint_stops_the_stream_until_there_is_room(
    copy_of, whole, small_disk, tmp_path, capsys
):
    route = copy_of(tmp_path / "lake")
    os.rename(route.settings.mediation.checkpoint, tmp_path / "moved")
    subprocess.run(["cp", "-r", str(tmp_path / "moved"), str(small_disk / "checkpoint")], check=True)
    mediation = route.settings.mediation.model_copy(update={"checkpoint": str(small_disk / "checkpoint")})
    route = Route(route.spark, route.settings.model_copy(update={"mediation": mediation}))
    with filled(small_disk, 0):
        says_that_the_disk_is_full(route, capsys)
    route.mediate()
    assert route.records() == whole
