"""Starting from empty, and refusing to empty what is not the demo's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tollgate.platform.errors import TollgateError
from tollgate.platform.kafka import recreate_topic
from tollgate.platform.places import STATE_FOLDER, project_root, state_dir
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

SCHEMAS = ("rating", "billing", "ops", "catalog", "crm")


def check_emptying(settings: Settings, is_allowed: bool) -> None:
    """Raise TollgateError before anything starts when the settings name a topic, database or lake that may be
    somebody's."""
    if settings.profile != "local":
        raise TollgateError(
            "the demo plays on profile local only",
            where="profile",
            found=settings.profile,
            way_out="use conf/local.toml",
        )
    own_folders = (state_dir(), project_root() / STATE_FOLDER)
    is_own_lake = any(Path(settings.lake.root).is_relative_to(folder) for folder in own_folders)
    given = [
        f"{name} = {value}"
        for name, value, is_own in (
            ("kafka.bootstrap", settings.kafka.bootstrap, not settings.kafka.bootstrap),
            ("postgres.url", settings.postgres.url, not settings.postgres.url),
            ("lake.root", settings.lake.root, is_own_lake),
        )
        if not is_own
    ]
    if given and not is_allowed:
        raise TollgateError(
            "the demo starts from empty, and these are not its own",
            found=", ".join(given),
            expected=f"no address of a broker or database, and a lake under {state_dir()}",
            way_out="leave them out, or say --empty-what-is-given to remove their topic, schemas and tables",
        )


def empty(settings: Settings, folder: Path) -> None:
    """Remove what an earlier demo left: its files, the lake and its checkpoint, the topic's records, the schemas."""
    if "://" in settings.lake.root:
        raise TollgateError("the demo's lake is a folder", where="lake.root", found=settings.lake.root)
    # What can be out of reach comes first: then nothing is removed rather than a half.
    session = connect(settings)
    try:
        recreate_topic(settings)
        for left in (folder, Path(settings.lake.root), Path(settings.mediation.checkpoint)):
            shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(parents=True)
        with session, session.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {', '.join(SCHEMAS)} CASCADE")
    finally:
        session.close()
