"""Where the project, its configuration, its jars and its local state stand."""

from __future__ import annotations

import os
from pathlib import Path

STATE_FOLDER = ".tollgate"


def project_root() -> Path:
    """The folder that holds `conf/`: TOLLGATE_HOME, else the source tree of this package, else where we are."""
    home = os.environ.get("TOLLGATE_HOME")
    if home:
        return Path(home).resolve()
    tree = Path(__file__).resolve().parents[2]
    return tree if (tree / "conf").is_dir() else Path.cwd()


def state_dir() -> Path:
    """The one ignored folder with what `tollgate up` keeps: TOLLGATE_STATE, else `.tollgate` under the project."""
    moved = os.environ.get("TOLLGATE_STATE")
    return Path(moved).resolve() if moved else project_root() / STATE_FOLDER


def jars_dir(part: str) -> Path:
    """The folder with the jars of one part, `spark` or `kafka`: under TOLLGATE_JARS, else `.tollgate/jars`."""
    moved = os.environ.get("TOLLGATE_JARS")
    return (Path(moved).resolve() if moved else project_root() / STATE_FOLDER / "jars") / part
