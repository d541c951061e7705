"""The container files agree with conf/ and the code; no engine is needed, and none has run them here."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import container_commands
import container_files
import container_image
import pytest
from container_files import ContainerFiles, read_containers

from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import PASSWORD_ENV, load_settings

ROOT = Path(__file__).resolve().parents[2]
COPIED = ["docker-compose.yml", "Dockerfile", ".dockerignore", ".gitignore", "pyproject.toml"]
CHECKS = (
    container_image.versions, container_image.image, container_files.settings, container_files.addresses,
    container_files.topic, container_files.secrets, container_files.health, container_files.volumes,
    container_files.room, container_commands.commands, container_commands.environment,
)  # fmt: skip
COMPOSE, DOCKERFILE, CONF = "docker-compose.yml", "Dockerfile", "conf/compose.toml"
PASSWORD = "${TOLLGATE_POSTGRES_PASSWORD:?set a password of at least 12 characters}"
POSTGRES_READY = "test: [CMD, pg_isready, --host=127.0.0.1, --port=5432, --username=tollgate, --dbname=tollgate]"
MASTER_HEALTH = "    healthcheck:\n      <<: *often\n      test: [CMD, python, conf/spark_health.py, master]\n"
# File, what stands there, what is put in its place, and what the finding must say.
MUTATIONS = [
    (COMPOSE, "image: apache/kafka:4.3.1", "image: apache/kafka:4.3.0", "kafka: image"),
    (COMPOSE, "image: postgres:18", "image: postgres:17", "postgres: image"),
    (COMPOSE, "--builtin-locale=C.UTF-8", "--builtin-locale=PG_UNICODE_FAST", "not how the local server is made"),
    (COMPOSE, "timezone=UTC", "timezone=Canada/Eastern", "postgres: command"),
    (DOCKERFILE, "FROM python:3.12-slim-bookworm", "FROM python:3.9-slim-bookworm", "Python '3.9'"),
    (DOCKERFILE, "FROM python:3.12-slim-bookworm", "FROM python:3.13-slim-bookworm", "SPARK_HOME"),
    (DOCKERFILE, "openjdk-17-jre-headless", "openjdk-21-jre-headless", "Java '21'"),
    (DOCKERFILE, " --require-hashes", "", "installs the lock with its hashes"),
    (DOCKERFILE, "RUN python -m tollgate.platform.jars\n", "", "verifies the jars"),
    (DOCKERFILE, "\nUSER tollgate\n\n#", "\n#", "last USER is root"),
    (DOCKERFILE, '["tini", "-g", "--"]', "tini -g --", "ENTRYPOINT is no list"),
    (DOCKERFILE, "tollgate /opt/tollgate /data", "tollgate /opt/tollgate", "/data is not made for the user"),
    (DOCKERFILE, "ENV SPARK_HOME", "ENV POSTGRES_PASSWORD=forgotten SPARK_HOME", "Dockerfile: a secret"),
    (COMPOSE, "  image: tollgate\n", "  image: tollgate\n  build: .\n", "the service that builds the image"),
    (COMPOSE, "pull_policy: never", "pull_policy: missing", "would pull the image"),
    (".dockerignore", ".env\n", "", ".env would be part of the image"),
    (COMPOSE, "PLAINTEXT://kafka:9092", "PLAINTEXT://kafka:9094", "kafka: advertised"),
    (COMPOSE, "--bootstrap-server kafka:9092", "--bootstrap-server kafka:9093", "topics: bootstrap"),
    (COMPOSE, "1@kafka:9093", "1@kafka:9094", "kafka: listeners"),
    (COMPOSE, "--port 7077", "--port 7078", "spark.master"),
    (COMPOSE, "--webui-port 8080", "--webui-port 8090", "conf/spark_health.py: page"),
    (COMPOSE, "--host spark-worker-2", "--host spark-worker-1", "spark-worker-2: host"),
    (COMPOSE, "    shm_size:", '    ports: ["5432:5432"]\n    shm_size:', "publishes a port"),
    (CONF, "late_ppm = 100000\n", "", "conf/compose.toml: keys"),
    (CONF, 'profile = "compose"', 'profile = "local"', "conf/compose.toml: profile"),
    (CONF, "@postgres:5432", "@postgres:5433", "postgres.url"),
    (CONF, "partitions = 2\n", "partitions = 4\n", "topics: partitions"),
    (COMPOSE, "--topic cdr.raw", "--topic cdr", "topics: topic"),
    (COMPOSE, "retention.ms=-1", "retention.ms=604800000", "topics: settings"),
    (COMPOSE, 'TOPICS_ENABLE: "false"', 'TOPICS_ENABLE: "true"', "KAFKA_AUTO_CREATE_TOPICS_ENABLE"),
    (COMPOSE, "KAFKA_LOG_DIRS", "KAFKA_LOG_DIR", "KAFKA_LOG_DIR is no property"),
    (COMPOSE, f"x-password: &password {PASSWORD}", "x-password: &password a-literal-secret", "does not come from"),
    (COMPOSE, "PASSWORD:?set a password of at least 12 characters", "PASSWORD:-tollgate-1234", "does not come from"),
    (COMPOSE, "spark://spark-master:7077\n", "spark://u:hidden@spark-master:7077\n", "a secret in"),
    (COMPOSE, MASTER_HEALTH, "", "spark-master: a health check belongs"),
    (COMPOSE, f"      {POSTGRES_READY}\n", "      test: [CMD, 'true']\n", "postgres: health check"),
    (COMPOSE, "restart: unless-stopped", "restart: always", "restart is neither"),
    (COMPOSE, "kafka: {condition: service_healthy}", "kafka: {condition: service_completed_successfully}", "never"),
    (COMPOSE, "kafka: {condition: service_healthy}", "broker: {condition: service_healthy}", "no service"),
    (COMPOSE, "    profiles: [jobs, scheduler]\n    command: tollgate snap", "    command: tollgate snap", "profiles"),
    (COMPOSE, "stop_signal:", "stop_signall:", "unknown word stop_signall"),
    (COMPOSE, '["postgres:/var/lib/postgresql"]', '["postgres:/var/lib/postgresql/data"]', "postgres: volume"),
    (COMPOSE, "  lake:\n", "", "volumes"),
    (CONF, 'root = "/data/lake"', 'root = "/lake/data"', "volume of /lake/data"),
    (COMPOSE, "defaultCores=2", "defaultCores=4", "cores of a job"),
    (COMPOSE, "SPARK_WORKER_MEMORY: 4g", "SPARK_WORKER_MEMORY: 3g", "memory of two jobs"),
    (COMPOSE, "tollgate check-quality", "tollgate check-qualities", "unknown command check-qualities"),
    (COMPOSE, "--action list", "--action settle", "invalid choice: 'settle'"),
    (COMPOSE, "tollgate seed", "tollgate seed --people 7", "unrecognized arguments: --people"),
    (COMPOSE, "tollgate migrate", "tollgate migrate --all", "No such option: --all"),
    (COMPOSE, "deploy.master.Master", "deploy.Master", "no such class"),
    (COMPOSE, "--work-dir /tmp/spark", "--work-folder /tmp/spark", "unknown --work-folder"),
    (COMPOSE, "conf/scheduler.sh\n", "conf/schedule.sh\n", "no such script"),
    (COMPOSE, "job, tollgate mediate-usage", "job, mediate_usage", "mediate-usage: health of"),
    (COMPOSE, "TOLLGATE_CONF_FILE:", "TOLLGATE_CONFFILE:", "TOLLGATE_CONFFILE is read by nothing"),
    (COMPOSE, "TOLLGATE_CONF_FILE:", "TOLLGATE_LAKE__PATH:", "TOLLGATE_LAKE__PATH is read by nothing"),
    (COMPOSE, "cleanup.appDataTtl", "cleanup.dataTtl", "spark.worker.cleanup.dataTtl is no property"),
    (COMPOSE, "SPARK_WORKER_CORES", "SPARK_CORES", "SPARK_CORES is read by nothing"),
    (COMPOSE, "      BILLING_DAY:", "      BILLING_DATE:", "needs ['BILLING_DAY']"),
    (COMPOSE, "POSTGRES_DB:", "POSTGRES_DATABASE:", "POSTGRES_DATABASE is unknown"),
]  # fmt: skip


def findings(files: ContainerFiles) -> Iterator[str]:
    """What is wrong; a file so broken that a check cannot read it is wrong as well."""
    for check in CHECKS:
        try:
            yield from check(files)
        except (KeyError, IndexError) as error:
            yield f"{check.__name__} cannot read the files: {error}"


@pytest.mark.covers("OPS-02", "OPS-15")
def test_the_container_files_agree_with_conf_and_code() -> None:
    assert not list(findings(read_containers(ROOT)))


@pytest.mark.covers("OPS-02")
@pytest.mark.parametrize(("name", "old", "new", "said"), MUTATIONS, ids=[f"{m[0]}: {m[2]!r}" for m in MUTATIONS])
def test_a_container_file_that_says_otherwise_is_caught(
    name: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    for copied in COPIED:
        shutil.copy(ROOT / copied, tmp_path / copied)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
    assert any(said in finding for finding in findings(read_containers(tmp_path))), "nothing was found"


@pytest.mark.covers("OPS-02")
def test_the_settings_of_the_services_stop_the_start_without_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TOLLGATE_LAKE__ROOT", "TOLLGATE_SPARK__MASTER", "TOLLGATE_SPARK__DRIVER_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    drivers = [service for service in read_containers(ROOT).own().values() if "TOLLGATE_CONF_FILE" in str(service)]
    assert len(drivers) > 8
    for service in drivers:
        for key, value in service["environment"].items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv(PASSWORD_ENV, "long-enough-for-anyone")
        assert load_settings().profile == "compose"
        for password in ("", "tollgate", "short"):
            monkeypatch.setenv(PASSWORD_ENV, password)
            with pytest.raises(TollgateError, match=PASSWORD_ENV):
                load_settings()


def test_the_page_about_containers_names_every_service_and_gives_commands_that_are_taken() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    services = read_containers(ROOT).services
    assert [name for name in services if f"`{name}`" not in page] == []
    given = re.findall(r"docker compose run --rm ([a-z-]+)(?: (tollgate [^`\n]+))?", page)
    assert len(given) > 8 and {name for name, _ in given} <= set(services)
    assert [container_commands.refused(shlex.split(argv)) for _, argv in given if argv] == [""] * 8


def test_a_price_book_is_published_by_somebody_for_a_reason() -> None:
    command = "\0".join(read_containers(ROOT).command("publish-pricebook"))
    for author, reason, is_taken in (("ann", "new tariff of May", True), ("", "", False), ("ann", "", False)):
        given = command.replace("${PRICEBOOK_AUTHOR-}", author).replace("${PRICEBOOK_REASON-}", reason)
        assert "$" not in given
        assert (container_commands.refused(given.split("\0")) == "") is is_taken
