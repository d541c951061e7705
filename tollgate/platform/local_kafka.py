"""One KRaft broker as a plain Java process, for laptops, tests and the demo."""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import psutil

from tollgate.platform.errors import TollgateError
from tollgate.platform.java import java_binary
from tollgate.platform.places import jars_dir, state_dir
from tollgate.platform.state import (
    choose_port,
    forget,
    full_disk_named,
    read_state,
    remember,
    remember_process,
    running_process,
    stop_process,
    wait_until_it_answers,
)

PART = "kafka"
_START_S = 60
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
"""
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c: %m%n
"""


def start(port: int) -> int:
    """Start the broker unless it runs, and return its port; on failure nothing is left running.

    port: fixed by the user, or 0. The data of the last time are kept.
    """
    if running_process(PART):
        return int(read_state()[PART]["port"])
    java, folder = java_binary(), state_dir() / PART
    port = choose_port(PART, "local.kafka_port", port)
    controller_port = choose_port(PART, "local.kafka_port", 0, "controller_port")
    with full_disk_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remember(PART, port=port, controller_port=controller_port)
        properties, log = folder / "server.properties", folder / "broker.log"
        properties.write_text(
            _PROPERTIES.format(port=port, controller_port=controller_port, data=folder / "data"), encoding="utf-8"
        )
        (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
        command = [java, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", _class_path(),
                   f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"]  # fmt: skip
        if not (folder / "data" / "meta.properties").exists():
            _format(command, properties, log)
        with log.open("ab") as out:
            broker = subprocess.Popen(
                [*command, "kafka.Kafka", str(properties)], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True, cwd=folder,
            )  # fmt: skip
    process = psutil.Process(broker.pid)
    try:
        remember_process(PART, broker.pid)
        wait_until_it_answers("the Kafka broker", process, port, log, _START_S)
    except BaseException:
        broker.kill()
        broker.wait()
        forget(PART, "pid", "started")
        raise
    return port


def stop() -> bool:
    """Stop the broker and wait for its end; whether there was one."""
    process = running_process(PART)
    if process:
        stop_process(process, signal.SIGTERM)
    forget(PART, "pid", "started")
    return process is not None


def remove_data() -> None:
    """Remove topics and logs of a stopped broker."""
    shutil.rmtree(state_dir() / PART, ignore_errors=True)
    forget(PART)


def _format(command: list[str], properties: Path, log: Path) -> None:
    # The broker's own form of a random UUID, without a JVM for it. Its tools take a leading hyphen for an option.
    cluster_id = "T" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    done = subprocess.run(
        [*command, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        raise TollgateError(
            "the broker's folder cannot be formatted", where=str(log), found=(done.stderr or done.stdout).strip()[-500:]
        )


def _class_path() -> str:
    folder = jars_dir(PART)
    if not any(folder.glob("*.jar")):
        raise TollgateError("the jars of the Kafka broker are missing", where=str(folder), way_out="run `make setup`")
    pyspark = importlib.util.find_spec("pyspark")
    if pyspark is None or not pyspark.submodule_search_locations:
        raise TollgateError("pyspark is not installed", way_out="run `make setup`")
    # The broker is written in Scala, and Spark carries the same library.
    scala = next((Path(pyspark.submodule_search_locations[0]) / "jars").glob("scala-library-2.13*.jar"))
    return os.pathsep.join([str(folder / "*"), str(scala)])
