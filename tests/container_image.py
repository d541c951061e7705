"""What the Dockerfile builds, and the versions of every image, held against the lock, conf/ and the code."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator

from container_files import ContainerFiles, differs

from tollgate.platform import java, local_postgres
from tollgate.platform.jars import read_jars
from tollgate.platform.settings import tomllib

JAVA_OF_BOOKWORM = "17"


def versions(files: ContainerFiles) -> Iterator[str]:
    """Broker, database, Python and Java are those of the lock and the local programs."""
    jars = {(jar.part, jar.module): jar.version for jar in read_jars(files.root / "conf" / "jars.txt")}
    broker = f"apache/kafka:{jars['kafka', 'org.apache.kafka:kafka_2.13']}"
    for name in ("kafka", "topics"):
        yield from differs(f"{name}: image", files.services[name]["image"], broker)
    local = local_postgres._INSTALLATION.removeprefix("pginstall")
    yield from differs("postgres: image", files.services["postgres"]["image"], f"postgres:{local}")
    # Text sorts and instants read as in the local server, which says so in the code that makes it.
    made = inspect.getsource(local_postgres)
    for word in files.services["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split():
        if f'"{word}"' not in made:
            yield f"postgres: {word} is not how the local server is made"
    yield from differs("postgres: command", files.command("postgres"), ["postgres", "-c", "timezone=UTC"])
    python = files.built(r"^FROM python:(\d+\.\d+)-slim-bookworm$")
    known = re.search(r"^ +(3\.\d+(?: \| 3\.\d+)*)\)$", files.text("conf/find_python.sh"), re.MULTILINE)
    supported = known[1].split(" | ") if known else []
    lowest = tomllib.loads(files.text("pyproject.toml"))["project"]["requires-python"]
    yield from differs("pyproject.toml: requires-python", lowest, f">={supported[0]}")
    if python not in supported:
        yield f"Dockerfile: Python {python!r}, expected one of {supported} on bookworm"
    found = files.built(r"openjdk-(\d+)-jre-headless")
    if found != JAVA_OF_BOOKWORM or int(found) not in java.VERSIONS:
        yield f"Dockerfile: Java {found!r}, expected {JAVA_OF_BOOKWORM}, the one of bookworm and of {java.VERSIONS}"
    home = f"/usr/local/lib/python{python}/site-packages/pyspark"
    yield from differs("Dockerfile: SPARK_HOME", files.built(r"SPARK_HOME=(\S+)"), home)


def image(files: ContainerFiles) -> Iterator[str]:
    """The image has what is locked, runs as a user, and hands signals on."""
    for pattern, what in (
        (r"pip install [^\n]*--require-hashes [^\n]*requirements\.txt", "installs the lock with its hashes"),
        (r"^RUN python -m tollgate\.platform\.jars$", "fetches and verifies the jars"),
        (r"apt-get install [^\n]*\btini\b", "installs tini"),
    ):
        if not re.search(pattern, files.dockerfile, re.MULTILINE):
            yield f"Dockerfile: no line that {what}"
    builders = [name for name, service in files.services.items() if "build" in service]
    yield from differs("the service that builds the image", builders, ["migrate"])
    pulled = [name for name, service in files.own().items() if service["pull_policy"] != "never"]
    yield from differs("services that would pull the image", pulled, [])
    users = re.findall(r"^USER (\S+)$", files.dockerfile, re.MULTILINE)
    if not users or users[-1] in ("root", "0"):
        yield "Dockerfile: the last USER is root"
    for word in ("ENTRYPOINT", "CMD"):
        written = files.built(rf"^{word} (.*)$")
        try:
            first = json.loads(written)[0]
        except ValueError:
            yield f"Dockerfile: {word} is no list, so a shell would stand between it and the signals"
        else:
            yield from differs(f"Dockerfile: {word}", first, {"ENTRYPOINT": "tini", "CMD": "tollgate"}[word])
    conf = f"{files.built(r'^WORKDIR (.*)$')}/conf"
    yield from differs("Dockerfile: SPARK_CONF_DIR", files.built(r"SPARK_CONF_DIR=(\S+)"), conf)
    ignored = {line.removeprefix("**/").strip("/") for line in files.text(".dockerignore").splitlines()}
    made = {line.strip("/") for line in files.text(".gitignore").splitlines() if line} | {".git"}
    yield from (f".dockerignore: {name} would be part of the image" for name in sorted(made - ignored))
