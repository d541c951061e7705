"""What the environment says: TOLLGATE_SECTION__KEY for a setting, and the names that Tollgate reads besides.

Any other TOLLGATE_ name stops the start: misspelt, it would be passed over without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tollgate.platform.errors import nearest

PREFIX = "TOLLGATE_"
# Every name that is no setting, and what it says; a test compares the list with what the code reads.
NAMES = {
    "TOLLGATE_CONF_FILE": "settings file, where `--conf-file` names none",
    "TOLLGATE_POSTGRES_PASSWORD": "the database's password",
    "TOLLGATE_TOKEN_KEY": "secret from which the tokens of numbers are made",
    "TOLLGATE_RUN_ID": "name of the process in its lines",
    "TOLLGATE_HOME": "folder that holds `conf/`",
    "TOLLGATE_STATE": "folder of the local broker, database and lake, in place of `.tollgate`",
    "TOLLGATE_JARS": "folder of the jars, in place of `.tollgate/jars`",
    "TOLLGATE_PG_FSYNC": "`off` lets the local database forget its last writes in a power cut: for tests",
    "TOLLGATE_JAVA_OPTIONS": "more options for the JVM of a local session, such as `-XX:TieredStopAtLevel=1`",
    "TOLLGATE_CRASH_AT": "where a job kills itself: for tests",
}
# Kubernetes gives every container such variables for each service of its namespace; one may be called tollgate.
_OF_A_SERVICE = re.compile(r"\w+_SERVICE_(HOST|PORT(_\w+)?)=.*|\w+_PORT_\d+_(TCP|UDP|SCTP)\w*=.*|\w+_PORT=\w+://.*")


def settings_in(
    environment: Mapping[str, str], keys: Collection[str], mistakes: list[str]
) -> list[tuple[str, str, str]]:
    """The settings of the environment, as (variable, dotted key, text) in the order of their names.

    keys: every dotted key. What looks like a setting is given back, also with a key that there is not; a name that is
    nothing known is added to `mistakes`, with the one that was probably meant.
    """
    found = []
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or name in NAMES:
            continue
        told = name[len(PREFIX) :].lower()
        if "__" in told or told in keys:
            found.append((name, told.replace("__", "."), text))
        elif not _OF_A_SERVICE.fullmatch(f"_{name}={text}"):
            mistakes.append(f"{name}: {_mistake(name, keys)}")
    return found


def variable_of(key: str) -> str:
    """The variable of a dotted key."""
    return PREFIX + key.replace(".", "__").upper()


def _mistake(name: str, keys: Collection[str]) -> str:
    told = name.removeprefix(PREFIX)
    for key in keys:
        if key.replace(".", "_").upper() == told:
            return f"two underscores stand for the dot of {key}; did you mean {variable_of(key)}?"
    # Without what all of them begin with, which would make any two alike.
    near = nearest(told, [one.removeprefix(PREFIX) for one in (*NAMES, *map(variable_of, keys))])
    return f"nothing reads this variable; did you mean {PREFIX}{near}?" if near else "nothing reads this variable"
