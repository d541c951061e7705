"""An empty lake and an empty database for one test, on the shared services."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

from tollgate.platform.postgres import connect, jdbc
from tollgate.platform.settings import Settings


def own_places(services: Settings, folder: Path) -> Settings:
    """The settings of the services with a lake under `folder` and a new database named after it."""
    database = "reference_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    session = connect(services)
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
    session.close()
    known = jdbc(services)
    server = known["url"].removeprefix("jdbc:postgresql://").partition("/")[0]
    url = f"postgresql://{quote(known['user'])}:{quote(known['password'])}@{server}/{database}"
    lake = services.lake.model_copy(update={"root": str(folder / "lake")})
    return services.model_copy(update={"lake": lake, "postgres": services.postgres.model_copy(update={"url": url})})
