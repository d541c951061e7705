"""What docker-compose.yml says, held against conf/ and the code: each check names what differs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tollgate.platform import local_kafka
from tollgate.platform.kafka import TOPIC_SETTINGS
from tollgate.platform.settings import PASSWORD_ENV, tomllib

OWN_IMAGE = "tollgate"
LONG_RUNNING, ONCE = "unless-stopped", "no"
# Properties of the broker that belong to a place; all others are those of the local broker.
PLACES = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
# What compose knows of a service, as far as it is used here: a word misspelt would be ignored or refused.
WORDS = {
    "build", "command", "depends_on", "environment", "healthcheck", "hostname", "image", "logging", "ports", "profiles",
    "pull_policy", "restart", "shm_size", "stop_grace_period", "stop_signal", "volumes",
}  # fmt: skip
FROM_ENVIRONMENT = re.compile(rf"\$\{{{PASSWORD_ENV}:\?[^}}]+\}}")
SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True)
class ContainerFiles:
    """The files of one tree, parsed."""

    root: Path
    services: dict[str, Any]
    volumes: set[str]
    dockerfile: str
    conf: dict[str, Any]

    def command(self, name: str) -> list[str]:
        """The words of a service's command."""
        return words(self.services[name].get("command", []))

    def text(self, name: str) -> str:
        """The text of another file of the tree."""
        return (self.root / name).read_text(encoding="utf-8")

    def built(self, pattern: str) -> str:
        """The first group of a pattern in the Dockerfile; empty when it does not occur."""
        match = re.search(pattern, self.dockerfile, re.MULTILINE)
        return match[1] if match else ""

    def own(self) -> dict[str, Any]:
        """The services that run the project's image."""
        return {name: service for name, service in self.services.items() if service["image"] == OWN_IMAGE}


def read_containers(root: Path) -> ContainerFiles:
    """Read the files under `root`; merge keys and anchors are resolved as compose does."""
    compose = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    conf = tomllib.loads((root / "conf" / "compose.toml").read_text(encoding="utf-8"))
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return ContainerFiles(root, compose["services"], set(compose["volumes"]), dockerfile, conf)


def words(command: str | list[str]) -> list[str]:
    """A command as its words, as compose takes it: a list as it is, a string split without a shell."""
    return shlex.split(command) if isinstance(command, str) else command


def option(command: list[str], name: str) -> str:
    """The word after an option; empty when it is not there."""
    return next((value for flag, value in pairwise(command) if flag == name), "")


def differs(what: str, found: object, expected: object) -> list[str]:
    """One finding unless both are equal."""
    return [] if found == expected else [f"{what}: expected {expected!r}, found {found!r}"]


def settings(files: ContainerFiles) -> Iterator[str]:
    """The settings of the containers have every key, and a profile in which a missing secret stops the start."""
    local = tomllib.loads(files.text("conf/local.toml"))
    yield from differs("conf/compose.toml: keys", _keys(files.conf), _keys(local))
    yield from differs("conf/compose.toml: profile", files.conf["profile"], "compose")


def addresses(files: ContainerFiles) -> Iterator[str]:
    """Who listens where is what conf/compose.toml and the health checks say."""
    services, conf = files.services, files.conf
    given = services["kafka"]["environment"]
    address = conf["kafka"]["bootstrap"]
    yield from differs("kafka: advertised", given["KAFKA_ADVERTISED_LISTENERS"], f"PLAINTEXT://{address}")
    port, controller = address.rpartition(":")[2], given["KAFKA_CONTROLLER_QUORUM_VOTERS"].rpartition(":")[2]
    listeners = f"PLAINTEXT://:{port},CONTROLLER://:{controller}"
    yield from differs("kafka: listeners", given["KAFKA_LISTENERS"], listeners)
    voters = f"{given['KAFKA_NODE_ID']}@kafka:{controller}"
    yield from differs("kafka: voters", given["KAFKA_CONTROLLER_QUORUM_VOTERS"], voters)
    for name, command in (("topics", files.command("topics")), ("kafka", services["kafka"]["healthcheck"]["test"])):
        yield from differs(f"{name}: bootstrap", option(command, "--bootstrap-server"), address)
    given, check = services["postgres"]["environment"], " ".join(services["postgres"]["healthcheck"]["test"])
    user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
    url = f"postgresql://{user}@postgres:5432/{database}"
    yield from differs("postgres.url", conf["postgres"]["url"], url)
    ready = f"CMD pg_isready --host=127.0.0.1 --port=5432 --username={user} --dbname={database}"
    yield from differs("postgres: health check", check, ready)
    master = files.command("spark-master")
    host, page = option(master, "--host"), option(master, "--webui-port")
    url = f"spark://{host}:{option(master, '--port')}"
    yield from differs("spark-master: host", (host, services["spark-master"]["hostname"]), ("spark-master",) * 2)
    yield from differs("spark.master", conf["spark"]["master"], url)
    asked = re.search(r'"(http://[^"]+)"', files.text("conf/spark_health.py"))
    yield from differs("conf/spark_health.py: page", asked and asked[1], f"http://{host}:{page}/json/")
    for name in ("spark-worker-1", "spark-worker-2"):
        command, hostname = files.command(name), services[name]["hostname"]
        yield from differs(f"{name}: host", (option(command, "--host"), hostname), (name, name))
        yield from differs(f"{name}: master", command[-1], url)
    yield from (f"{name}: publishes a port to the host" for name in services if services[name].get("ports"))


def topic(files: ContainerFiles) -> Iterator[str]:
    """The topic and the broker are made as `tollgate` makes them."""
    command = files.command("topics")
    conf = files.conf["kafka"]
    yield from differs("topics: topic", option(command, "--topic"), conf["topic"])
    yield from differs("topics: partitions", option(command, "--partitions"), str(conf["partitions"]))
    pairs = [value.partition("=") for flag, value in pairwise(command) if flag == "--config"]
    yield from differs("topics: settings", {name: value for name, _, value in pairs}, TOPIC_SETTINGS)
    properties = local_kafka._PROPERTIES.splitlines()
    local = dict(line.split("=", 1) for line in properties)
    for name, value in files.services["kafka"]["environment"].items():
        key = name.removeprefix("KAFKA_").lower().replace("_", ".")
        if key not in local:
            yield f"kafka: {name} is no property of the local broker"
        elif key not in PLACES:
            yield from differs(f"kafka: {name}", value, local[key])


def secrets(files: ContainerFiles) -> Iterator[str]:
    """Every secret comes from the environment, and the start stops without it."""
    for name, service in files.services.items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key) and not FROM_ENVIRONMENT.fullmatch(value):
                yield f"{name}: {key} does not come from {PASSWORD_ENV} of the environment, or has a default"
        for text in _strings({key: value for key, value in service.items() if key != "environment"}):
            if SECRET.search(text) or re.search(r"://[^/\s@:]+:[^/\s@]+@", text):
                yield f"{name}: a secret in {text!r}"
    for line in files.dockerfile.splitlines():
        if line.startswith(("ENV", "ARG")) and SECRET.search(line):
            yield f"Dockerfile: a secret in {line!r}"


def health(files: ContainerFiles) -> Iterator[str]:
    """What runs on has a health check, and nothing waits for what cannot come."""
    for name, service in files.services.items():
        yield from (f"{name}: unknown word {word}" for word in sorted(set(service) - WORDS))
        restart, profiles = service.get("restart"), set(service.get("profiles", []))
        if restart not in (LONG_RUNNING, ONCE):
            yield f"{name}: restart is neither {LONG_RUNNING} nor {ONCE}"
        if (restart == LONG_RUNNING) != ("healthcheck" in service):
            yield f"{name}: a health check belongs to what runs on, and to nothing else"
        for other, how in service.get("depends_on", {}).items():
            if other not in files.services:
                yield f"{name}: depends on {other}, which is no service"
                continue
            needed = files.services[other]
            fits = {"service_healthy": LONG_RUNNING, "service_started": LONG_RUNNING}
            if needed.get("restart") != fits.get(how["condition"], ONCE):
                yield f"{name}: {other} never becomes {how['condition']}"
            own = set(needed.get("profiles", []))
            if own and not profiles <= own:
                yield f"{name}: {other} is not in the profiles {sorted(profiles)}"


def volumes(files: ContainerFiles) -> Iterator[str]:
    """What is mounted is declared, and data stand on a volume."""
    mounts = {
        name: dict(mount.split(":", 1)[::-1] for mount in service.get("volumes", []))
        for name, service in files.services.items()
    }
    yield from differs("volumes", {used for mount in mounts.values() for used in mount.values()}, files.volumes)
    data = files.services["kafka"]["environment"]["KAFKA_LOG_DIRS"]
    yield from differs("kafka: volume", mounts["kafka"], {data: "kafka"})
    yield from differs("postgres: volume", mounts["postgres"], {"/var/lib/postgresql": "postgres"})
    lake = files.conf["lake"]["root"]
    folder = lake.rpartition("/")[0]
    if folder not in files.built(r"install --directory (.*)$").split():
        yield f"Dockerfile: {folder} is not made for the user, so a new volume would belong to root"
    # Drivers and workers read and write the tables under one path.
    for name, service in files.own().items():
        if {"SPARK_EXECUTOR_MEMORY", "SPARK_WORKER_CORES"} & set(service.get("environment", {})):
            yield from differs(f"{name}: volume of {lake}", mounts[name], {folder: "lake"})


def room(files: ContainerFiles) -> Iterator[str]:
    """The stream and one other job fit into the cluster beside each other."""
    master, worker = (files.services[name]["environment"] for name in ("spark-master", "spark-worker-1"))
    cores = int(re.search(r"defaultCores=(\d+)", master["SPARK_MASTER_OPTS"])[1])  # type: ignore[index]
    yield from differs("spark.shuffle_partitions, the cores of a job", files.conf["spark"]["shuffle_partitions"], cores)
    if 2 * int(worker["SPARK_WORKER_CORES"]) < 2 * cores:
        yield "two workers have not the cores of two jobs"
    for name, service in files.own().items():
        memory = service.get("environment", {}).get("SPARK_EXECUTOR_MEMORY")
        if memory and _gigabytes(worker["SPARK_WORKER_MEMORY"]) < 2 * _gigabytes(memory):
            yield f"{name}: a worker has not the memory of two jobs"


def _keys(conf: dict[str, Any]) -> list[str]:
    sections = {name: section for name, section in conf.items() if isinstance(section, dict)}
    return sorted([*(conf.keys() - sections), *(f"{name}.{key}" for name in sections for key in sections[name])])


def _gigabytes(text: str) -> int:
    return int(text.removesuffix("g"))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, str):
        yield value
