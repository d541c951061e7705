"""A checkpoint that is lost, stale, foreign, made anew or torn is refused with what to do, and nothing is written."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from faults.route import STREAM_TABLES, Route
from jobs import micro_batch
from tollgate.platform import locks
from tollgate.platform.errors import TollgateError

FORGOTTEN, BEHIND = "the checkpoint has forgotten its batches", "the checkpoint is behind raw_cdr"
LOST = "the checkpoint is missing or has lost its metadata"
DAMAGED = "the checkpoint is damaged: a file of it cannot be read"


def last(folder: Path) -> Path:
    return folder / max((file.name for file in folder.iterdir() if file.name.isdigit()), key=int)


def put(file: Path, text: str) -> None:
    """Write a file as a program that knows nothing of checksums."""
    file.write_text(text, encoding="utf-8")
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)


def rewritten(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    put(file, text.replace(before, after))


def is_lost(folder: Path) -> None:
    shutil.rmtree(folder)


def has_no_metadata(folder: Path) -> None:
    (folder / "metadata").unlink()


def was_made_anew(folder: Path) -> None:
    for name in ("offsets", "commits", "sources"):
        shutil.rmtree(folder / name)


def is_of_yesterday(folder: Path) -> None:
    last(folder / "offsets").unlink()
    last(folder / "commits").unlink()


def is_of_another_topic(folder: Path) -> None:
    for file in (folder / "offsets").glob("[0-9]*"):
        rewritten(file, '{"cdr.few_batches":', '{"cdr.other":')


def is_of_another_lake(folder: Path) -> None:
    file = last(folder / "offsets")
    *head, line = file.read_text(encoding="utf-8").splitlines()
    [(topic, offsets)] = json.loads(line).items()
    moved = {partition: offset - 1 for partition, offset in offsets.items()}
    put(file, "\n".join([*head, json.dumps({topic: moved})]))


def has_torn_offsets(folder: Path) -> None:
    file = last(folder / "offsets")
    put(file, file.read_text(encoding="utf-8")[:-5])


def has_offsets_cut_at_a_line(folder: Path) -> None:
    file = last(folder / "offsets")
    put(file, "\n".join(file.read_text(encoding="utf-8").splitlines()[:-1]))


def has_no_bytes_in_its_offsets(folder: Path) -> None:
    put(last(folder / "offsets"), "")


def has_a_hole_in_its_offsets(folder: Path) -> None:
    (folder / "offsets" / str(int(last(folder / "offsets").name) - 1)).unlink()


def has_a_torn_commit(folder: Path) -> None:
    put(last(folder / "commits"), "v1")


def has_torn_metadata(folder: Path) -> None:
    put(folder / "metadata", '{"id":"00')


@pytest.fixture(scope="module")
def route(copy_of, tmp_path_factory) -> Route:
    return copy_of(tmp_path_factory.mktemp("checkpoints") / "lake")


@pytest.mark.covers("MED-01", "MED-14", "MED-29")
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (is_lost, LOST),
        (has_no_metadata, LOST),
        (was_made_anew, FORGOTTEN),
        (is_of_yesterday, BEHIND),
        (is_of_another_topic, "the checkpoint belongs to another topic"),
        (is_of_another_lake, "the checkpoint belongs to another raw_cdr or topic"),
        (has_torn_offsets, DAMAGED),
        (has_offsets_cut_at_a_line, DAMAGED),
        (has_no_bytes_in_its_offsets, DAMAGED),
        (has_a_hole_in_its_offsets, DAMAGED),
        (has_a_torn_commit, DAMAGED),
        (has_torn_metadata, DAMAGED),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(route, damage: Callable[[Path], None], said: str, tmp_path):
    folder = Path(route.settings.mediation.checkpoint) / "1"
    shutil.copytree(folder, tmp_path / "sound")
    commits = route.commits()
    damage(folder)
    try:
        with pytest.raises(TollgateError) as refused:
            route.mediate()
        assert refused.value.what == said and str(folder) in refused.value.where
        assert refused.value.found or refused.value.expected
        assert "--new-generation" in refused.value.way_out
        assert route.commits() == commits
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "sound", folder)


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-14")
def test_a_new_generation_goes_on_after_a_lost_checkpoint_as_if_nothing_had_happened(copy_of, whole, tmp_path):
    route = copy_of(tmp_path / "lake")
    shutil.rmtree(route.settings.mediation.checkpoint)
    assert route.mediate(None, "--new-generation")["received"] == 60
    assert route.records() == whole
    marks = route.lake.read("control_mediation").select("generation", "batch_no").orderBy("batch_no").collect()
    assert [no for _, no in marks] == list(range(len(marks))) and {marks[0][0], marks[-1][0]} == {1, 2}
    # The next start has the new checkpoint.
    assert route.mediate()["received"] == 0


@pytest.mark.covers("MED-01", "MED-14", "MED-29")
def test_a_new_generation_that_finds_nothing_new_is_marked_and_does_not_stop_the_next_one(copy_of, tmp_path):
    """Spark plans the first batch of a checkpoint even when there is no record for it."""
    route = copy_of(tmp_path / "lake")
    route.mediate()

    def stops(point: str) -> None:
        if point == "mediate.after_usage":
            raise InterruptedError(point)

    with pytest.MonkeyPatch.context() as at, pytest.raises(InterruptedError):
        at.setattr(micro_batch, "crash_point", stops)
        route.mediate(None, "--new-generation")
    for argv in (["--new-generation"], [], ["--new-generation"], []):
        assert route.mediate(None, *argv)["received"] == 0
    columns = ["batch_no", "generation", "balanced", F.year("recorded_at")]
    marks = [tuple(row) for row in route.lake.read("control_mediation").select(*columns).orderBy("batch_no").collect()]
    assert [row[0] for row in marks] == list(range(len(marks)))
    assert [row[1:] for row in marks[-3:]] == [(2, True, 1970), (3, True, 1970), (4, True, 1970)]


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-14")
def test_tables_restored_from_yesterday_refuse_the_checkpoint_of_today_and_a_new_generation_reads_again(
    copy_of, whole, tmp_path
):
    route = copy_of(tmp_path / "lake")
    for table in STREAM_TABLES:
        log = Path(route.lake.path(table)) / "_delta_log"
        newest = max(log.glob("*.json"))
        for file in log.glob(f"*{newest.stem}*"):
            file.unlink()
    with pytest.raises(TollgateError, match="the checkpoint is ahead of raw_cdr"):
        route.mediate()
    assert route.mediate(None, "--new-generation")["received"] > 60
    assert route.records() == whole


@pytest.mark.covers("MED-01", "MED-29")
@pytest.mark.parametrize("held", ["_locks/mediate_usage.lock", "_checkpoint/_lock"])
def test_a_second_stream_on_the_lake_or_on_its_checkpoint_is_refused(route, held, monkeypatch):
    """The lock is held by this process, which is not the one that Spark runs in."""
    monkeypatch.setattr(locks, "_acquire", lambda *lock, acquire=locks._acquire: acquire(*lock[:2], 0))
    commits = route.commits()
    file = Path(route.settings.lake.root) / held
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with pytest.raises(TollgateError, match="another process has been writing") as refused:
            route.mediate()
    assert str(file) in refused.value.where and "end it" in refused.value.way_out
    assert route.commits() == commits
