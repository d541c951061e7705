"""A job by spark-submit with a local master: settings, Delta and the summary line. A cluster is in tests/cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import argparse, sys
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake

def run(spark, settings, args):
    lake = Lake(spark, settings.lake.root)
    rows = spark.sql("SELECT 1L AS snapshot_id, 'ab' AS digest").select(*args.columns.split(","))
    lake.append(lake.frame([], "ref_carrier"), "ref_carrier", "job/1", 1)
    return {"last": lake.last_version("ref_carrier", "job/1"), "rows": rows.count(),
            "time_zone": spark.conf.get("spark.sql.session.timeZone"), "app": spark.sparkContext.appName,
            "partitions": spark.conf.get("spark.sql.shuffle.partitions")}

parser = add_common(argparse.ArgumentParser(prog="small_job"))
parser.add_argument("--columns", default="digest")
sys.exit(main(parser, run))
"""


@pytest.mark.covers("OPS-16")
def test_a_job_runs_by_spark_submit_and_says_what_is_wrong(tmp_path: Path) -> None:
    script = tmp_path / "small_job.py"
    script.write_text(JOB, encoding="utf-8")
    programs = Path(sys.executable).parent
    command = [
        str(programs / "spark-submit"),
        str(script),
        "--lake",
        str(tmp_path / "lake"),
        "--set",
        "spark.shuffle_partitions=3",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    environment |= {"SPARK_CONF_DIR": "conf", "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
    # spark-submit asks the first python3 on the path for Spark, as in an activated environment.
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.strip().splitlines()[-1]) == {
        "last": 1, "rows": 1, "time_zone": "UTC", "app": "small_job", "partitions": "3"
    }  # fmt: skip
    wrong = subprocess.run(
        [*command, "--set", "lake.rot=x"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert wrong.returncode == 1
    # spark-submit passes both streams of its Python on as one.
    shown = wrong.stdout + wrong.stderr
    assert "did you mean lake.root?" in shown and "Traceback" not in shown
