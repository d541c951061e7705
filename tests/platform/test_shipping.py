"""What is shipped fits together: lock, jars, packages, the zip for a cluster. Containers have a test of their own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tollgate.platform.errors import TollgateError
from tollgate.platform.jars import RESOLUTIONS, Jar, fetch, read_jars
from tollgate.platform.settings import tomllib
from tollgate.platform.shipping import PACKAGES, write_zip

ROOT = Path(__file__).resolve().parents[2]


def locked(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{name} is not in requirements.txt"
    return found[1]


def pinned(part: str, module: str) -> str:
    return next(
        jar.version for jar in read_jars(ROOT / "conf" / "jars.txt") if (jar.part, jar.module) == (part, module)
    )


def test_the_jars_fit_the_python_packages() -> None:
    assert pinned("spark", "org.apache.spark:spark-sql-kafka-0-10_2.13") == locked("pyspark")
    assert pinned("spark", "io.delta:delta-spark_4.1_2.13") == locked("delta-spark")
    jars = read_jars(ROOT / "conf" / "jars.txt")
    assert all(
        (part.part, root) in {(jar.part, jar.module) for jar in jars} for part in RESOLUTIONS for root in part.roots
    )
    assert len({jar.file_name for jar in jars if jar.part == "spark"}) == sum(jar.part == "spark" for jar in jars)


@pytest.mark.covers("OPS-04")
def test_the_lock_pins_every_package_with_a_hash_and_names_no_host() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--index-url" not in text
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if "==" in entry]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    direct = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(locked(name) for name in direct)


def test_every_import_is_a_direct_dependency() -> None:
    modules = {"yaml": "pyyaml", "psycopg2": "psycopg2-binary", "kafka": "kafka-python", "delta": "delta-spark",
               "great_expectations": "great-expectations", "py4j": "pyspark",
               "dateutil": "python-dateutil", "xdist": "pytest-xdist"}  # fmt: skip
    own = {path.stem for folder in (".", "tests") for path in (ROOT / folder).iterdir()}
    direct = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    missing = set()
    for folder in ("tollgate", "jobs", "generators", "benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            beside = {other.stem for other in path.parent.iterdir()}
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
                for name in {name.partition(".")[0] for name in names} - own - beside - set(sys.stdlib_module_names):
                    if modules.get(name, name.replace("_", "-")) not in direct:
                        missing.add(f"{path.relative_to(ROOT)}: {name}")
    assert not missing, f"imported and not in requirements.in: {sorted(missing)}"


def test_a_wrong_line_and_a_wrong_checksum_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jars.txt").write_text("spark a:b 123\n")
    with pytest.raises(TollgateError, match=r"jars.txt:1: not a jar"):
        read_jars(tmp_path / "jars.txt")
    monkeypatch.setenv("TOLLGATE_JARS", str(tmp_path))

    def resolve(roots: list[str], without: tuple[str, ...], folder: Path) -> None:
        (folder / "jars").mkdir(parents=True)
        (folder / "jars" / "io.delta_delta-spark_4.1_2.13-1.jar").write_bytes(b"another")

    monkeypatch.setattr("tollgate.platform.jars._resolve", resolve)
    roots = [module for part in RESOLUTIONS if part.part == "spark" for module in part.roots]
    with pytest.raises(TollgateError, match="not the jar that was pinned"):
        fetch([Jar("spark", module, "1", "0" * 64) for module in roots])
    assert not list(tmp_path.glob("spark/*.jar"))


def test_contracts_and_migrations_are_inside_the_packages() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {"*.ddl", "*.j2", "*.json", "*.sql"} <= set(config["package-data"]["*"])
    listed = "from setuptools import find_namespace_packages as find; print(*find('.', include={}))"
    include = config["packages"]["find"]["include"]
    found = subprocess.run(
        [sys.executable, "-c", listed.format(include)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"tollgate.platform", "tollgate.oracle", "jobs", "generators", "schemas", "sql", "sql.migrations"} <= set(
        found
    )


def test_the_zip_holds_what_the_wheel_holds_and_works_alone(tmp_path: Path) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {f"{name}*" for name in PACKAGES} == set(config["packages"]["find"]["include"])
    files, digest = write_zip(tmp_path / "tollgate.zip")
    assert write_zip(tmp_path / "again" / "tollgate.zip") == (files, digest)
    with zipfile.ZipFile(tmp_path / "tollgate.zip") as packed:
        assert len(packed.namelist()) == files
        assert not [name for name in packed.namelist() if "__pycache__" in name or name.startswith(("tests", "conf"))]
    # -S: without site-packages, where an editable install would lead to the tree.
    script = (
        "import sys; sys.path.insert(0, 'tollgate.zip'); from importlib import resources; import tollgate;"
        "print(tollgate.__file__, sum(f.name.endswith('.ddl') for f in resources.files('schemas').iterdir()),"
        "sum(f.name.endswith('.sql') for f in (resources.files('sql') / 'migrations').iterdir()))"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[0].startswith("tollgate.zip")
    assert int(told[1]) == len(list((ROOT / "schemas").glob("*.ddl")))
    assert int(told[2]) == len(list((ROOT / "sql" / "migrations").glob("*.sql")))
