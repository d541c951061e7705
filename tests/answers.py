"""What PostgreSQL answers, for tests that look into it."""

from __future__ import annotations

from typing import Any

from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings


def ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """The rows of one statement, in a transaction of its own; none where it gives none."""
    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        session.close()
