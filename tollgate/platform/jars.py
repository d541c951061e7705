"""Fetch the jars of conf/jars.txt through the Ivy that PySpark carries: no Maven, and no network after it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tollgate.platform.errors import TollgateError
from tollgate.platform.java import java_binary
from tollgate.platform.job import guarded
from tollgate.platform.places import jars_dir, project_root


@dataclass(frozen=True)
class Jar:
    """One line of conf/jars.txt."""

    part: str
    module: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """How Ivy names the file."""
        return f"{self.module.replace(':', '_')}-{self.version}.jar"


@dataclass(frozen=True)
class Resolution:
    """Modules that are resolved together, and what must not come along with them."""

    part: str
    roots: tuple[str, ...]
    without: tuple[str, ...]


# Spark has these already, in versions of its own.
_OF_SPARK = (
    "org.apache.hadoop:hadoop-client-api", "org.apache.hadoop:hadoop-client-runtime", "org.xerial.snappy:snappy-java",
    "org.lz4:lz4-java", "at.yawk.lz4:lz4-java", "org.roaringbitmap:RoaringBitmap", "com.google.code.findbugs:jsr305",
    "org.scala-lang.modules:scala-parallel-collections_2.13", "org.slf4j:slf4j-api",
)  # fmt: skip
_TOKEN_PROVIDER = "org.apache.spark:spark-token-provider-kafka-0-10_2.13"
RESOLUTIONS = (
    Resolution(
        "spark",
        (
            "io.delta:delta-spark_4.1_2.13",
            "org.apache.spark:spark-sql-kafka-0-10_2.13",
            "org.postgresql:postgresql",
        ),
        # The connector asks for a token provider of its own version, which is not published: see docs/decisions.
        (*_OF_SPARK, _TOKEN_PROVIDER, "io.unitycatalog:unitycatalog-client", "io.unitycatalog:unitycatalog-hadoop"),
    ),
    Resolution("spark", (_TOKEN_PROVIDER,), (*_OF_SPARK, "org.apache.kafka:kafka-clients")),
    Resolution(
        "kafka",
        (
            "org.apache.kafka:kafka_2.13",
            "org.apache.logging.log4j:log4j-slf4j2-impl",
            "org.apache.logging.log4j:log4j-core",
        ),
        ("org.scala-lang:scala-library",),
    ),
)


def read_jars(path: Path) -> list[Jar]:
    """The lines of conf/jars.txt; raises TollgateError for a line that is none."""
    jars = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        if len(words) != 3 or words[1].count(":") != 2 or len(words[2]) != 64:
            raise TollgateError(
                "not a jar", where=f"{path.name}:{number}", expected="part group:artifact:version sha256", found=line
            )
        module, _, version = words[1].rpartition(":")
        jars.append(Jar(words[0], module, version, words[2]))
    return jars


def fetch(jars: list[Jar]) -> int:
    """Bring every jar that is missing or differs into its part's folder, checked; how many were brought."""
    missing = [jar for jar in jars if not _is_right(jars_dir(jar.part) / jar.file_name, jar)]
    if not missing:
        return 0
    java_binary()
    versions = {(jar.part, jar.module): jar.version for jar in jars}
    with tempfile.TemporaryDirectory(prefix="tollgate-jars-") as name:
        for number, resolution in enumerate(RESOLUTIONS):
            if any(jar.part == resolution.part for jar in missing):
                roots = [f"{root}:{versions[resolution.part, root]}" for root in resolution.roots]
                _resolve(roots, resolution.without, Path(name) / str(number))
        for jar in missing:
            _keep(jar, Path(name))
    for part in {jar.part for jar in jars}:
        listed = {jar.file_name for jar in jars if jar.part == part}
        for stale in jars_dir(part).glob("*.jar"):
            if stale.name not in listed:
                stale.unlink()
    return len(missing)


def _resolve(roots: list[str], without: tuple[str, ...], folder: Path) -> None:
    """Let spark-submit of an empty script resolve `roots` into `folder`/jars."""
    import pyspark

    folder.mkdir()
    empty = folder / "empty.py"
    empty.write_text("", encoding="utf-8")
    command = [
        str(Path(pyspark.__path__[0]) / "bin" / "spark-submit"), "--master", "local[1]", "--packages", ",".join(roots),
        "--conf", f"spark.jars.ivy={folder}", "--conf", f"spark.jars.excludes={','.join(without)}", str(empty),
    ]  # fmt: skip
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_CONF_DIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        told = [line for line in lines if "UNRESOLVED" in line or "not found" in line or "rror" in line]
        raise TollgateError(
            "the jars cannot be fetched",
            where=", ".join(roots),
            found="; ".join((told or lines)[-4:]),
            way_out="check the network; a repository of your own is named in DEFAULT_ARTIFACT_REPOSITORY",
        )


def _keep(jar: Jar, folder: Path) -> None:
    fetched = sorted(folder.glob(f"*/jars/{jar.file_name}"))
    if not fetched:
        raise TollgateError("a jar was not among those resolved", where="conf/jars.txt", found=jar.file_name)
    right = [path for path in fetched if _is_right(path, jar)]
    if not right:
        raise TollgateError(
            f"{jar.file_name} is not the jar that was pinned",
            where="conf/jars.txt",
            expected=f"SHA-256 {jar.sha256}",
            found=f"SHA-256 {_sha256(fetched[0])}",
            way_out="find out who changed it before you use it",
        )
    target = jars_dir(jar.part)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(right[0], target / f"{jar.file_name}.part")
    os.replace(target / f"{jar.file_name}.part", target / jar.file_name)


def _is_right(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Fetch what conf/jars.txt lists."""

    def bring() -> None:
        brought = fetch(read_jars(project_root() / "conf" / "jars.txt"))
        print(f"jars: {brought} fetched and verified" if brought else "jars: all there")

    return guarded(bring)


if __name__ == "__main__":
    sys.exit(main())
