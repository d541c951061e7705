"""Commands and environments of the services: each program exists and takes its arguments; nothing is run."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyspark
import typer
from container_files import ContainerFiles, differs, words

from tollgate import cli
from tollgate.platform.settings import known_keys

ROOT = Path(__file__).resolve().parents[1]
# Where Spark reads variables and properties; the names stand in the compiled classes.
READ_BY_SPARK = {
    "launcher": ["org/apache/spark/launcher/SparkClassCommandBuilder"],
    "core": [
        "org/apache/spark/deploy/master/MasterArguments",
        "org/apache/spark/deploy/worker/WorkerArguments",
        "org/apache/spark/deploy/SparkSubmitArguments",
        "org/apache/spark/internal/config/Deploy$",
        "org/apache/spark/internal/config/Worker$",
    ],
}
POSTGRES_IMAGE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"}


def commands(files: ContainerFiles) -> Iterator[str]:
    """Every command of the project's image, and every health check, is one that exists and takes its arguments."""
    for name, service in files.own().items():
        check = service.get("healthcheck", {}).get("test", ["CMD"])
        yield from differs(f"{name}: health check without a shell", check[0], "CMD")
        for argv in (words(service.get("command", [])), check[1:]):
            reason = refused(argv, files.root) if argv else ""
            if reason:
                yield f"{name}: {' '.join(argv)}: {reason}"
    for name in ("seed", "generate"):
        yield from differs(f"{name}: profiles of invented data", files.services[name]["profiles"], ["sample"])
    job = files.services["mediate-usage"]
    yield from differs("mediate-usage: health of", job["healthcheck"]["test"][-1], " ".join(words(job["command"])))


def environment(files: ContainerFiles) -> Iterator[str]:
    """Every variable is one that the program reads."""
    read = set(re.findall(r"\"(TOLLGATE_[A-Z]+(?:_[A-Z]+)*)\"", _sources()))
    script = set(re.findall(r"\$\{([A-Z_]+):\?", files.text("conf/scheduler.sh")))
    for name, service in files.services.items():
        given = service.get("environment", {})
        if service["image"].startswith("postgres:"):
            yield from (f"{name}: {key} is unknown to the image" for key in sorted(set(given) - POSTGRES_IMAGE))
        if name not in files.own():
            continue
        runs_script = "conf/scheduler.sh" in words(service["command"])
        if runs_script and script - set(given):
            yield f"{name}: conf/scheduler.sh needs {sorted(script - set(given))}"
        for key, value in given.items():
            setting = key.removeprefix("TOLLGATE_").lower().replace("__", ".")
            is_read = key in read if "__" not in key else setting in known_keys()
            if key.startswith("SPARK_"):
                is_read = key in in_spark()
                for found in re.findall(r"-D(\S+?)=", value):
                    if found not in in_spark():
                        yield f"{name}: {key}: {found} is no property of Spark's daemons"
            if not is_read and not (runs_script and key in script):
                yield f"{name}: {key} is read by nothing"


def refused(argv: list[str], root: Path = ROOT) -> str:
    """Why a command line cannot run in the image; empty when it can."""
    program, *rest = argv
    if program == "tollgate":
        return _refused_by_tollgate(rest)
    if program == "spark-class":
        return _refused_by_spark(*rest)
    if argv == ["python", "-m", "pytest"]:
        return ""
    if program in ("sh", "python"):
        return "" if rest and (root / rest[0]).is_file() else "no such script"
    return "unknown program"


def _refused_by_tollgate(argv: list[str]) -> str:
    group = typer.main.get_command(cli.app)
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            name, command, rest = group.resolve_command(typer.Context(group), list(argv))  # type: ignore[attr-defined]
            if command.name in cli.PASSED_ON:
                module = importlib.import_module(cli.PASSED_ON[command.name][0])
                args = module.parser().parse_args(rest)
                getattr(module, "check_args", lambda _: None)(args)
            else:
                command.make_context(name, rest)
    # typer ends by exceptions of a library that is not ours to import, argparse by SystemExit.
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__} {error} {told.getvalue()}".strip()
    return ""


def _refused_by_spark(name: str, *argv: str) -> str:
    arguments = f"{name.replace('.', '/')}Arguments"
    try:
        known = set(_names("core", arguments))
    except KeyError:
        return "no such class"
    # Spark's own parser takes `--host HOST`, never `--host=HOST`.
    return ", ".join(f"unknown {word}" for word in argv if word.startswith("--") and word not in known)


@functools.cache
def in_spark() -> frozenset[str]:
    """Names of variables and properties that Spark's launcher and daemons read."""
    return frozenset(found for jar, classes in READ_BY_SPARK.items() for one in classes for found in _names(jar, one))


def _names(jar: str, name: str) -> list[str]:
    [path] = (Path(pyspark.__path__[0]) / "jars").glob(f"spark-{jar}_*.jar")
    with zipfile.ZipFile(path) as archive:
        text = archive.read(f"{name}.class").decode("latin-1")
    return re.findall(r"SPARK_[A-Z_]+|spark\.[A-Za-z.]+|--[a-z-]+", text)


@functools.cache
def _sources() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tollgate").rglob("*.py"))
