"""What a cluster is given: sizes that fit, properties that Spark reads, commands of the page that are taken."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import shlex
import zipfile
from pathlib import Path

import pyspark
import pytest

from tollgate.platform.jars import read_jars
from tollgate.platform.lake import Lake
from tollgate.platform.settings import PASSWORD_ENV, load_settings, tomllib

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = str(ROOT / "conf" / "cluster.toml")
JARS = Path(pyspark.__path__[0]) / "jars"
# Where a property's name stands in compiled code.
READ_IN = {
    "spark-core": ("org/apache/spark/internal/config/package$", "org/apache/spark/internal/config/Network$",
                   "org/apache/spark/internal/config/UI$", "org/apache/spark/internal/config/Python$"),
    "spark-catalyst": ("org/apache/spark/sql/internal/SQLConf$",),
    "spark-kubernetes": ("org/apache/spark/deploy/k8s/Config$",),
    "spark-yarn": ("org/apache/spark/deploy/yarn/Client",),
}  # fmt: skip
# Of Delta and Hadoop, of the launcher, and one that Spark puts together from two names.
ELSEWHERE = (
    "spark.databricks.delta.", "spark.delta.", "spark.hadoop.", "spark.jars",
    "spark.kubernetes.authenticate.driver.serviceAccountName",
)  # fmt: skip


def properties() -> dict[str, str]:
    """conf/spark-cluster.conf."""
    lines = (ROOT / "conf" / "spark-cluster.conf").read_text(encoding="utf-8").splitlines()
    return {
        name: value.strip() for name, _, value in (line.partition(" ") for line in lines if line[:1] not in ("#", ""))
    }


def section(name: str) -> str:
    """One section of docs/operations.md."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return page.split(f"\n## {name}\n")[1].split("\n## ")[0]


def known_to_spark() -> set[str]:
    found: set[str] = set()
    for jar, classes in READ_IN.items():
        [path] = JARS.glob(f"{jar}_*.jar")
        with zipfile.ZipFile(path) as archive:
            for name in classes:
                text = archive.read(f"{name}.class").decode("latin-1")
                found |= {one.rstrip(".") for one in re.findall(r"spark\.[A-Za-z.]+", text)}
    return found


def test_sizes_fit_each_other() -> None:
    conf, sizes = tomllib.loads(Path(CLUSTER).read_text(encoding="utf-8")), properties()
    cores = int(sizes["spark.executor.cores"]) * int(sizes["spark.executor.instances"])
    assert cores == int(sizes["spark.cores.max"])
    assert cores <= conf["spark"]["shuffle_partitions"] <= 4 * cores
    assert conf["kafka"]["partitions"] >= cores
    assert sizes["spark.driver.memory"] == conf["spark"]["driver_memory"]
    assert sizes["spark.speculation"] == "false"
    hidden = re.compile(sizes["spark.redaction.regex"])
    for name in (PASSWORD_ENV, "password", "fs.s3a.secret.key", "fs.s3a.access.key", "fs.azure.account.key.lake"):
        assert hidden.search(name), name


def test_what_the_page_and_the_file_name_is_read_by_this_spark() -> None:
    page, known = section("Clusters"), known_to_spark()
    settings = {f"spark.{name}" for name in tomllib.loads(Path(CLUSTER).read_text(encoding="utf-8"))["spark"]}
    # A name that ends in a variable's name, as spark.kubernetes.driverEnv.TOLLGATE_HOME does, counts up to it.
    named = {
        re.sub(r"\.(?:TOLLGATE_\w+|…)$", "", one) for one in re.findall(r"(?<![\w.])spark\.[a-zA-Z_.]+[a-zA-Z_…]", page)
    }
    assert len(named) > 20
    unknown = {name for name in {*named, *properties()} - settings - known if not name.startswith(ELSEWHERE)}
    assert not unknown
    [hadoop] = JARS.glob("hadoop-client-api-*.jar")
    version = hadoop.stem.removeprefix("hadoop-client-api-")
    assert set(re.findall(r"org\.apache\.hadoop:[a-z-]+:([\d.]+)", page)) == {version}
    assert f"FROM apache/spark:{pyspark.__version__}-" in page
    [storage] = [jar for jar in read_jars(ROOT / "conf" / "jars.txt") if jar.module == "io.delta:delta-storage"]
    with zipfile.ZipFile(ROOT / ".tollgate" / "jars" / "spark" / storage.file_name) as archive:
        assert "io/delta/storage/S3SingleDriverLogStore.class" in archive.namelist()


def test_every_job_of_the_page_takes_its_arguments() -> None:
    page = section("Clusters").replace("\\\n", " ")
    given = [shlex.split(line, comments=True) for line in re.findall(r"jobs/[a-z_]+\.py.*", page) if "`" not in line]
    assert len(given) > 9
    refused = []
    for script, *argv in given:
        told = io.StringIO()
        parser: argparse.ArgumentParser = importlib.import_module(f"jobs.{Path(script).stem}").parser()
        try:
            with contextlib.redirect_stderr(told):
                parser.parse_args(argv)
        except SystemExit:
            refused.append(f"{script} {argv}: {told.getvalue()}")
    assert not refused
    assert all((ROOT / name).is_file() for name in re.findall(r"conf/[a-z-]+\.(?:conf|toml|txt)", page))


@pytest.mark.covers("OPS-13")
@pytest.mark.parametrize(
    "root", ["s3a://bucket/tollgate/lake", "abfss://lake@account.dfs.core.windows.net/tollgate", "hdfs://name/lake"]
)
def test_a_root_on_an_object_store_and_a_master_are_settings(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_ENV, "a-long-and-private-one")
    monkeypatch.setenv("TOLLGATE_LAKE__ROOT", root)
    monkeypatch.delenv("TOLLGATE_SPARK__MASTER")
    for master in ("spark://master:7077", "yarn", "k8s://https://kubernetes:6443"):
        settings = load_settings(CLUSTER, {"spark.master": master})
        assert (settings.lake.root, settings.spark.master) == (root, master)
        assert settings.mediation.checkpoint == f"{root}/_checkpoint/mediate_usage"
    lake = Lake(None, root)  # type: ignore[arg-type]
    assert lake.path("raw_cdr") == f"{root}/raw_cdr"
    with lake.alone("raw_cdr"):
        pass  # No lock file is asked for, which would need a session and a disk.
