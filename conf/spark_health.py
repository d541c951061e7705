"""Health of what takes part in the Spark cluster, for docker compose: exit code 0 when the master counts on it.

python conf/spark_health.py master
python conf/spark_health.py worker HOST
python conf/spark_health.py job NAME

The master is asked for everything: a worker or a job that runs and is not known to it does no work.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from typing import Any

PAGE = os.environ.get("SPARK_MASTER_PAGE", "http://spark-master:8080/json/")
ANSWER_S = 4


def trouble(state: dict[str, Any], part: str, name: str) -> str:
    """What is wrong with a part, by the page of the master; empty when nothing is."""
    if state["status"] != "ALIVE":
        return f"the master is {state['status']}"
    if part == "worker" and (name, "ALIVE") not in {(worker["host"], worker["state"]) for worker in state["workers"]}:
        return f"the master has no live worker {name}"
    # A job without executors is WAITING: it has been started and nothing moves.
    if part == "job" and (name, "RUNNING") not in {(app["name"], app["state"]) for app in state["activeapps"]}:
        return f"the master runs no job {name}"
    return ""


def main() -> int:
    """Ask the master and print what is wrong."""
    part, name = [*sys.argv[1:], "", ""][:2]
    if part not in ("master", "worker", "job") or (part != "master") != bool(name):
        print("usage: spark_health.py master | worker HOST | job NAME", file=sys.stderr)
        return 2
    try:
        with urllib.request.urlopen(PAGE, timeout=ANSWER_S) as answer:
            found = trouble(json.load(answer), part, name)
    except OSError as error:
        found = f"{PAGE} does not answer: {error}"
    print(found or "well")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
