"""A standalone Spark cluster on loopback, a Python that knows nothing of this project, and spark-submit to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyspark

ROOT = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__path__[0])
WORKERS, START_S, STOP_S, SUBMIT_S = 2, 120, 20, 900
# Processes that live for half a minute: the JVM's first compiler is enough.
JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.timezone=UTC"
# Two cores and a few thousand records; all else is as conf/spark-cluster.conf has it.
SMALL = {
    "spark.driver.extraJavaOptions": JAVA, "spark.executor.extraJavaOptions": JAVA,
    "spark.driver.memory": "1g", "spark.executor.memory": "1g", "spark.executor.cores": "1", "spark.cores.max": "2",
    "spark.databricks.delta.snapshotPartitions": "2", "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
    # Work begins when both executors are there.
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
}  # fmt: skip


# As a session on a laptop: planning and compiling each plan takes longer than it runs.
QUICK = {
    "spark.sql.adaptive.enabled": "false", "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.buffer.pageSize": "1m",
}  # fmt: skip


@dataclass(frozen=True)
class Submitted:
    """How one spark-submit ended, and what the cluster tells of it."""

    code: int
    shown: str
    tasks: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """The job's own line of JSON."""
        assert self.code == 0, self.shown[-4000:]
        found: dict[str, Any] = json.loads([line for line in self.shown.splitlines() if line.startswith("{")][-1])
        return found


@dataclass(frozen=True)
class Cluster:
    """Master and workers that run. folder: with their logs, the event logs and the executors' folders."""

    master: str
    folder: Path
    python: Path

    def submit(
        self, job: str, *argv: str, settings: dict[str, str], package: Path | None, spark: dict[str, str] | None = None
    ) -> Submitted:
        """spark-submit jobs/`job`.py to this cluster with conf/cluster.toml, `settings` as environment.

        spark: properties over those of conf/ and SMALL.
        """
        events = self.folder / "events"
        events.mkdir(exist_ok=True)
        before = set(events.iterdir())
        options = {**SMALL, **(spark or {}), "spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri(),
                   "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false"}  # fmt: skip
        command = [
            str(SPARK_HOME / "bin" / "spark-submit"), "--master", self.master,
            "--properties-file", "conf/spark-cluster.conf", "--load-spark-defaults",
            *(word for name, value in options.items() for word in ("--conf", f"{name}={value}")),
            *(["--py-files", str(package)] if package else []),
            f"jobs/{job}.py", "--conf-file", "conf/cluster.toml", *argv,
        ]  # fmt: skip
        environment = {**_plain_environment(self.python), "SPARK_CONF_DIR": "conf", **settings}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SUBMIT_S, check=False
        )
        logs = [path for path in events.iterdir() if path not in before]
        return Submitted(done.returncode, done.stdout + done.stderr, _tasks(logs[0]) if logs else {})

    def executor_folders(self) -> list[Path]:
        """Where each executor of each job so far has run, with what was shipped to it."""
        return sorted(path for path in self.folder.glob("work-*/app-*/*") if path.is_dir())

    def written(self) -> Iterator[Path]:
        """Every log of master, workers, executors and events."""
        yield from self.folder.glob("*.log")
        yield from self.folder.glob("work-*/app-*/*/std*")
        yield from self.folder.glob("events/*")


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a master and two workers of one core and 1 GB each; stop them, by their process ids, whatever happens."""
    python = _bare_python(folder / "python")
    port, page = _free_port(), _free_port()
    master = f"spark://127.0.0.1:{port}"
    processes: list[subprocess.Popen[bytes]] = []
    here = ["--host", "127.0.0.1"]
    try:
        processes.append(
            _start(folder, "master", "master.Master", *here, "--port", str(port), "--webui-port", str(page))
        )
        _wait(processes, page, workers=0)
        for number in range(1, WORKERS + 1):
            size = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder / f"work-{number}")]
            processes.append(_start(folder, f"worker-{number}", "worker.Worker", *here, *size, master))
        _wait(processes, page, workers=WORKERS)
        yield Cluster(master, folder, python)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(folder: Path, name: str, kind: str, *argv: str) -> subprocess.Popen[bytes]:
    # Neither settings nor a password in their environment: what executors need must come with the job.
    environment = {
        **_plain_environment(folder / "nowhere"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_CONF_DIR": str(folder),
    }
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *argv],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _plain_environment(python: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(python)}


def _bare_python(folder: Path) -> Path:
    """A Python with the packages of the lock and without this project, as on the nodes of a cluster."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    [packages] = folder.glob("lib/python*/site-packages")
    # A path named here is searched for packages; its own .pth files, that of this project's tree too, are not read.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / Path(sys.executable).name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(processes: list[subprocess.Popen[bytes]], page: int, workers: int) -> None:
    give_up = time.monotonic() + START_S
    while True:
        assert all(process.poll() is None for process in processes), "a process of the cluster has ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=4) as answer:
                state = json.load(answer)
            if state["status"] == "ALIVE" and sum(one["state"] == "ALIVE" for one in state["workers"]) == workers:
                return
        except OSError:
            pass
        assert time.monotonic() < give_up, "the cluster did not start"
        time.sleep(0.3)


def _tasks(log: Path) -> dict[str, int]:
    """Tasks that succeeded, by executor, from the event log of one application."""
    found: dict[str, int] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "Success":
            executor = event["Task Info"]["Executor ID"]
            found[executor] = found.get(executor, 0) + 1
    return found
