"""The local broker and database, and the clients that reach them: the real programs."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from importlib import resources
from pathlib import Path

import psutil
import pytest

from tollgate.platform import kafka, local_kafka, local_postgres, local_services, postgres
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings, load_settings
from tollgate.platform.state import read_state, remember, running_process

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.covers("QUA-04", "OPS-15")
def test_a_topic_for_simulated_time_is_made_once_and_its_offsets_are_known(services: Settings) -> None:
    from kafka import KafkaProducer
    from kafka.admin import ConfigResource, KafkaAdminClient
    from kafka.errors import InvalidTimestampError

    mine = services.model_copy(update={"kafka": services.kafka.model_copy(update={"topic": "test.platform"})})
    with pytest.raises(TollgateError, match=r"test\.platform is not on the broker"):
        kafka.end_offsets(mine)
    kafka.ensure_topic(mine)
    kafka.ensure_topic(mine)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap(mine), acks="all")
    for year in (2000, 2400):
        producer.send("test.platform", b"x", partition=1, timestamp_ms=(year - 1970) * 31_556_952_000).get(10)
    # Microseconds are no milliseconds: the broker refuses the stamp, in the year 58,000.
    with pytest.raises(InvalidTimestampError):
        producer.send("test.platform", b"x", partition=1, timestamp_ms=1_791_223_402_000_000).get(10)
    producer.close()
    assert kafka.begin_offsets(mine) == {0: 0, 1: 0}
    assert kafka.end_offsets(mine) == {0: 0, 1: 2}
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap(mine))
    configs = str(admin.describe_configs([ConfigResource("topic", "test.platform")]))
    admin.close()
    assert all(name in configs for name in kafka.TOPIC_SETTINGS)
    more = mine.model_copy(update={"kafka": mine.kafka.model_copy(update={"partitions": 3})})
    with pytest.raises(TollgateError, match="another number of partitions"):
        kafka.ensure_topic(more)
    kafka.recreate_topic(mine)
    assert kafka.end_offsets(mine) == {0: 0, 1: 0}


@pytest.mark.covers("QUA-04")
def test_migrations_run_in_order_once_and_a_changed_one_is_refused(services: Settings) -> None:
    names = sorted(file.name for file in (resources.files("sql") / "migrations").iterdir() if file.name.endswith("sql"))
    mine = _own_database(services, "migrated")
    assert postgres.migrate(mine) == names
    assert postgres.migrate(mine) == []
    with postgres.connect(mine) as session, session.cursor() as cursor:
        cursor.execute("SELECT name FROM ops.migration ORDER BY number")
        assert [name for (name,) in cursor.fetchall()] == names
        cursor.execute("UPDATE ops.migration SET checksum = 'other' WHERE number = 1")
    with pytest.raises(TollgateError, match="changed after it was applied"):
        postgres.migrate(mine)


def test_a_failing_migration_leaves_no_trace(services: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _own_database(services, "broken")
    broken = {"001_good.sql": "CREATE TABLE good (id int)", "002_bad.sql": "CREATE TABLE half (id int); SELECT 1/0"}
    monkeypatch.setattr(postgres, "_migrations", lambda: broken)
    with pytest.raises(TollgateError, match="nothing of it was kept"):
        postgres.migrate(mine)
    with postgres.connect(mine) as session, session.cursor() as cursor:
        cursor.execute("SELECT to_regclass('good') IS NOT NULL, to_regclass('half') IS NULL")
        assert cursor.fetchone() == (True, True)


def test_the_state_file_is_private_and_a_reused_process_number_is_not_ours(
    services: Settings, state_folder: Path
) -> None:
    assert stat.S_IMODE((state_folder / "state.json").stat().st_mode) == 0o600
    assert all(entry["running"] is None for entry in local_services.status(services).values())
    with psutil.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as other:
        remember("other", pid=other.pid, started=other.create_time() - 60)
        assert running_process("other") is None
        remember("other", started=other.create_time())
        assert running_process("other") == psutil.Process(other.pid)
        other.kill()


def test_unreachable_services_are_one_message(settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"bootstrap": f"127.0.0.1:{_free_port()}"}),
            "postgres": settings.postgres.model_copy(update={"url": f"postgresql://a@127.0.0.1:{_free_port()}/b"}),
        }
    )
    with pytest.raises(TollgateError, match="the Kafka broker does not answer"):
        kafka.end_offsets(nowhere)
    with pytest.raises(TollgateError, match="PostgreSQL does not answer"):
        postgres.connect(nowhere)
    with pytest.raises(TollgateError, match="not an address of a database"):
        postgres.jdbc(nowhere.model_copy(update={"postgres": nowhere.postgres.model_copy(update={"url": "db:5432"})}))


def test_a_taken_port_stops_the_start_with_one_message_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _tollgate(tmp_path, "up", "--set", f"local.postgres_port={port}")
    assert done.returncode == 1
    assert f"port {port} for postgres is taken" in done.stderr and "Traceback" not in done.stderr
    status = _tollgate(tmp_path, "status")
    assert status.returncode == 1 and status.stdout.count("stopped") == 2


def test_a_broker_does_not_outlive_a_database_that_fails_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def fail(port: int) -> int:
        started.append(running_process(local_kafka.PART))
        raise TollgateError("PostgreSQL did not start")

    monkeypatch.setenv("TOLLGATE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(local_postgres, "start", fail)
    with pytest.raises(TollgateError, match="PostgreSQL did not start"):
        local_services.up(load_settings())
    assert started[0] is not None and not started[0].is_running()


def test_a_missing_or_old_java_stops_the_start_with_one_message(tmp_path: Path) -> None:
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    for home, said in ((tmp_path / "old", 'openjdk version "11.0.2"'), (tmp_path / "none", "without bin/java")):
        done = _tollgate(tmp_path, "up", JAVA_HOME=str(home))
        assert done.returncode == 1
        assert "Java 17 or 21" in done.stderr and said in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("tollgate.platform.state.SMALLEST_FREE_BYTES", 1 << 60)
    with pytest.raises(TollgateError, match="the disk is full"):
        local_services.up(settings.model_copy(update={"profile": "local"}))


def test_running_stops_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_STATE", str(tmp_path / "state"))
    mine = load_settings()
    with local_services.running(mine) as found:
        pids = [entry["pid"] for entry in found.values()]
        folder = read_state()[local_postgres.PART]["folder"]
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert running_process(local_kafka.PART) is None
    local_services.clean(mine)
    assert not Path(folder).exists() and read_state() == {}


def _own_database(services: Settings, name: str) -> Settings:
    session = postgres.connect(services)
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    session.close()
    url = services.postgres.url.rpartition("/")[0] + f"/{name}"
    return services.model_copy(update={"postgres": services.postgres.model_copy(update={"url": url})})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tollgate(state: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tollgate.cli", *args], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False, env={**os.environ, "TOLLGATE_STATE": str(state / "state"), **environment},
    )  # fmt: skip
