from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from benchmarks.cost import Meter

# As Spark's Python daemon: it waits for no worker, so the system forgets what an ended one used.
DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.stdin.readline()
if os.fork() == 0:
    while time.process_time() < 1.5:
        pass
    os._exit(0)
print("started", flush=True)
sys.stdin.readline()
"""


@pytest.mark.covers("QUA-05")
def test_what_an_ended_worker_used_is_counted_and_what_was_before_is_not():
    with subprocess.Popen([sys.executable, "-c", DAEMON], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdin and daemon.stdout
        own = psutil.Process(daemon.pid)
        with Meter(own) as meter:
            daemon.stdin.write(b"\n")
            daemon.stdin.flush()
            assert daemon.stdout.readline() == b"started\n"
            [worker] = own.children()
            worker.wait(timeout=60)
        assert own.children() == []
        # Looked at twice a second, of one second and a half at least one is seen.
        assert 0.9 < meter.block() < 1.7
        with Meter(own) as idle:
            pass
        assert idle.block() < 0.1
        daemon.stdin.write(b"\n")
        daemon.stdin.flush()
