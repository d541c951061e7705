"""Publish files of usage records, JSON lines, to Kafka: the same topic as everything else, with source=bulk.

Nothing is judged here: each line becomes a record, and mediation says what it is. A file is known by the digest of its
lines, whatever its name; one that was cut off goes on after the last lines that the brokers have acknowledged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators.producer import few_collections, partition_of
from jobs.uploads import Upload, dialects_of, manifest, next_upload, note_sent, sending
from jobs.usage_files import ENDINGS, UsageFile, key_of, lines, read_through
from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.kafka import end_offsets, ensure_topic
from tollgate.platform.kafka_out import open_producer
from tollgate.platform.postgres import migrate
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from psycopg2.extensions import connection

NOTE_EVERY = 50_000  # lines between two looks at what is acknowledged


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="publish_usage", description=__doc__.splitlines()[0])
    found.add_argument("files", nargs="+", type=Path, metavar="FILE", help=f"{' or '.join(ENDINGS)}, a record a line")
    found.add_argument("--source", metavar="NAME", help="registered source of the records that name none")
    found.add_argument("--again", action="store_true", help="send files that are published already once more")
    found.add_argument("--dry-run", action="store_true", help="read and count, send nothing")
    return add_common(found)


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Publish the files in their order; prints {files, records, ...} as one JSON line and returns it.

    Raises TollgateError, before anything is sent, for files that cannot be read or are published already.
    """
    _check_names(args.files)
    with step("read the files"):
        files = _read_all(args.files)
    if not args.dry_run:
        migrate(settings)
    with manifest(settings) as session:
        dialects = dialects_of(session)
        _check_source(args.source, dialects)
        topic = settings.kafka.topic
        planned = [(file, next_upload(session, file, topic, args.again)) for file in files]
        if args.dry_run:
            told = [_told(file, upload) for file, upload in planned]
        else:
            ensure_topic(settings)
            with open_producer(settings) as producer, few_collections():
                to = _Topic(producer, topic, len(end_offsets(settings)))
                told = [_publish(session, to, file, args, dialects) for file in files]
    records = sum(one["records_sent"] for one in told)
    summary = {"files": told, "topic": topic, "records": records}
    summary |= {"dry_run": True} if args.dry_run else {}
    print(json.dumps(summary), flush=True)
    return summary


def _check_names(paths: list[Path]) -> None:
    wrong = [str(path) for path in paths if not path.name.endswith(ENDINGS)]
    if wrong:
        raise UsageError("not a file of JSON lines", found=", ".join(wrong), expected=f"*{' or *'.join(ENDINGS)}")
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise UsageError("no such file", found=", ".join(missing), expected="files that can be read")


def _read_all(paths: list[Path]) -> list[UsageFile]:
    """Every file read to its end once; TollgateError with all that cannot be read or is there twice."""
    files: list[UsageFile] = []
    mistakes = []
    for path in paths:
        try:
            file = read_through(path)
            twin = next((other for other in files if other.sha256 == file.sha256), None)
            if twin is None:
                files.append(file)
            else:
                mistakes.append(f"{path}: it holds the same records as {twin.path}")
        except TollgateError as error:
            mistakes.append(str(error))
    if mistakes:
        raise TollgateError(f"{len(mistakes)} file(s) cannot be published; nothing was sent:\n" + "\n".join(mistakes))
    return files


def _check_source(source: str | None, dialects: Mapping[str, str]) -> None:
    if source is not None and source not in dialects:
        raise TollgateError(
            f"source {source} is not registered", where="--source",
            expected=", ".join(sorted(dialects)) or "a row of crm.source",
            way_out="put it into crm.source with its dialect, then run `tollgate snapshot-reference`",
        )  # fmt: skip
    if source is not None and dialects[source] == NATIVE_JSON.name:
        raise TollgateError(
            f"records of source {source} name it themselves, and are set aside where they do not", where="--source",
            expected="a source of another dialect", found=f"dialect {NATIVE_JSON.name}",
            way_out="leave --source away; records without a source need it written into them first",
        )  # fmt: skip


class _Topic:
    """Where the records go, counting those that the brokers have acknowledged."""

    def __init__(self, producer: KafkaProducer, name: str, partitions: int) -> None:
        self.name = name
        self._producer, self._partitions = producer, partitions
        self._failed: list[BaseException] = []
        self._acknowledged = self._sent = 0
        self._counting = threading.Lock()  # the client answers from a thread of its own, or at once

    def send(self, key: bytes | None, value: bytes, number: int, headers: list[tuple[str, bytes]]) -> None:
        """Hand a record to the client, which sends when it has a batch."""
        partition = partition_of(key, lambda: number, self._partitions)
        sent = self._producer.send(self.name, value=value, key=key, partition=partition, headers=headers)
        sent.add_callback(self._count).add_errback(self._failed.append)
        self._sent += 1

    def settle(self) -> None:
        """Wait until all that was sent is acknowledged; TollgateError when something is not."""
        self._producer.flush()
        if self._failed or self._acknowledged != self._sent:
            raise TollgateError(
                "the brokers did not take all records", where=f"topic {self.name}",
                expected=f"{self._sent:,} acknowledged", found=f"{self._acknowledged:,}; {self._failed[:1]}",
                way_out="run it again: it goes on after the last lines that are acknowledged",
            )  # fmt: skip

    def _count(self, _: object) -> None:
        with self._counting:
            self._acknowledged += 1


def _publish(
    session: connection, to: _Topic, file: UsageFile, args: argparse.Namespace, dialects: Mapping[str, str]
) -> dict[str, Any]:
    """Send the lines of a file after those that are acknowledged, and note in the manifest how far it is."""
    with (
        sending(session, file, to.name, args.source, args.again) as upload,
        step("send records", total=file.records, unit="records") as now,
    ):
        told = _told(file, upload)
        digest = hashlib.sha256()
        for number, line in enumerate(lines(file.path), start=1):
            digest.update(line)
            if number > upload.sent:
                headers = [("source", b"bulk"), ("file", file.name.encode()), ("line", str(number).encode()),
                           ("sha256", file.sha256.encode())]  # fmt: skip
                to.send(key_of(line, args.source, dialects), line.rstrip(b"\r\n"), number, headers)
                if number % NOTE_EVERY == 0 and number < file.records:
                    to.settle()
                    note_sent(session, upload, number)
                    now.reach(number)
                    crash_point("publish.after_note")
        to.settle()
        if digest.hexdigest() != file.sha256:
            raise TollgateError(
                "the file was changed while it was sent", where=str(file.path), expected=f"SHA-256 {file.sha256}",
                found=digest.hexdigest(), way_out="its records are in the topic; publish the file as it is now",
            )  # fmt: skip
        note_sent(session, upload, file.records, is_whole=True)
        now.reach(file.records)
        now.note(records=told["records_sent"])
    return {**told, "upload_id": upload.upload_id}


def _told(file: UsageFile, upload: Upload) -> dict[str, Any]:
    return {
        "file": str(file.path), "sha256": file.sha256, "bytes": file.bytes, "records": file.records,
        "sent_before": upload.sent, "records_sent": file.records - upload.sent,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
