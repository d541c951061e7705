"""The zip of our own code, contracts and migrations that travels with a job to a cluster: `spark-submit --py-files`."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from tollgate.platform.errors import TollgateError

# As the wheel has them. Third-party packages are installed where jobs run: native code cannot load from a zip.
PACKAGES = ("tollgate", "jobs", "generators", "schemas", "sql")
SUFFIXES = {".py", ".ddl", ".j2", ".json", ".sql"}
# The first day that a zip can name: the same files give the same bytes.
_DAY_ONE = (1980, 1, 1, 0, 0, 0)


def write_zip(target: Path) -> tuple[int, str]:
    """Write the zip to `target`, whole or not at all; how many files it holds, and its SHA-256."""
    tree = Path(__file__).resolve().parents[2]
    files = sorted(path for package in PACKAGES for path in (tree / package).rglob("*") if path.suffix in SUFFIXES)
    if not files:
        raise TollgateError("there is nothing to pack", where=str(tree), expected=f"folders {', '.join(PACKAGES)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        begun = target.with_name(f"{target.name}.part")
        with zipfile.ZipFile(begun, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in files:
                entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _DAY_ONE)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                packed.writestr(entry, path.read_bytes())
        os.replace(begun, target)
    except OSError as error:
        raise TollgateError(f"the zip cannot be written: {error.strerror}", where=str(target)) from None
    return len(files), hashlib.sha256(target.read_bytes()).hexdigest()
