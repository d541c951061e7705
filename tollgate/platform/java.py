"""The Java that Spark and the broker run on: found, and new enough."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from tollgate.platform.errors import TollgateError

VERSIONS = (17, 21)
_WAY_OUT = "install a JDK or JRE 17 or 21 and put it on PATH or in JAVA_HOME"


@functools.lru_cache(maxsize=1)
def java_binary() -> str:
    """Path of a Java 17 or 21; raises TollgateError that says what was found instead."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not found or not Path(found).exists():
        raise TollgateError(
            "Java is missing",
            expected="Java 17 or 21",
            found=f"JAVA_HOME={home} without bin/java" if home else "no java on PATH and no JAVA_HOME",
            way_out=_WAY_OUT,
        )
    shown = _version_of(found)
    if _major(shown) not in VERSIONS:
        raise TollgateError(
            "this Java does not fit",
            expected="Java 17 or 21",
            found=f"{shown.splitlines()[0] if shown else 'no version'} ({found})",
            way_out=_WAY_OUT,
        )
    return found


def java_version() -> str:
    """What that Java says of itself, some lines."""
    return _version_of(java_binary())


def java_release() -> int:
    """17 or 21."""
    return _major(java_version())


def _major(shown: str) -> int:
    """Of what a Java says of its version; 0 of what says none."""
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found.group(1)) if found else 0


@functools.lru_cache(maxsize=1)
def _version_of(binary: str) -> str:
    return subprocess.run([binary, "-version"], capture_output=True, text=True, check=False).stderr
