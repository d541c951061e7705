"""The health checks of Spark's processes, against a page that answers as a master does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "conf" / "spark_health.py"
STATE: dict[str, Any] = {
    "status": "ALIVE",
    "workers": [{"host": "spark-worker-1", "state": "ALIVE"}, {"host": "spark-worker-2", "state": "DEAD"}],
    "activeapps": [{"name": "one", "state": "RUNNING"}, {"name": "two", "state": "WAITING"}],
}
Health = Callable[..., tuple[int, str]]


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        # A path of `/STATUS` answers as a master in that status.
        status = self.path.strip("/")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({**STATE, "status": status}).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def health() -> Iterator[Health]:
    """The script's exit code and answer for a master in `status`."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(*argv: str, status: str = "ALIVE", port: int = server.server_port) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *argv], env={"SPARK_MASTER_PAGE": f"http://127.0.0.1:{port}/{status}"},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stdout.strip()

    yield ask
    server.shutdown()
    server.server_close()


def test_well_is_what_the_master_counts_on(health: Health) -> None:
    assert health("master") == health("worker", "spark-worker-1") == health("job", "one") == (0, "well")
    assert health("worker", "spark-worker-2") == (1, "the master has no live worker spark-worker-2")
    assert health("worker", "spark-worker-3")[0] == 1


def test_a_job_that_waits_for_executors_is_not_well(health: Health) -> None:
    assert health("job", "two") == (1, "the master runs no job two")


def test_a_master_that_does_not_lead_or_answer_is_not_well(health: Health) -> None:
    assert health("job", "one", status="RECOVERING") == (1, "the master is RECOVERING")
    code, said = health("master", port=9)
    assert code == 1 and "does not answer" in said


def test_a_wrong_call_says_how_it_is_called(health: Health) -> None:
    for argv in ((), ("worker",), ("master", "me"), ("broker",)):
        assert health(*argv)[0] == 2
