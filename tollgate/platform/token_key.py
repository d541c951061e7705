"""The secret that numbers become tokens by: from the environment only."""

from __future__ import annotations

import os

from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

TOKEN_KEY_ENV = "TOLLGATE_TOKEN_KEY"
SHORTEST_KEY = 32
# Known to everyone, so good for invented customers only.
LOCAL_KEY = b"tollgate: tokens of profile local"


def token_key(settings: Settings) -> bytes | None:
    """The key as bytes of its text; in profile local a known one when the environment has none, elsewhere None.

    TollgateError for a short one: the numbers of a country are few, so a key that can be guessed gives them all away.
    """
    text = os.environ.get(TOKEN_KEY_ENV, "")
    if text and len(text) < SHORTEST_KEY:
        raise TollgateError(
            "the key of the tokens is short",
            where=TOKEN_KEY_ENV,
            expected=f"at least {SHORTEST_KEY} characters",
            found=f"{len(text)}",
            way_out="make one with `openssl rand -hex 32` and keep it: another key gives other tokens",
        )
    if text:
        return text.encode()
    return LOCAL_KEY if settings.profile == "local" else None
