from __future__ import annotations

import pytest

from tollgate.demo.emptying import check_emptying, empty
from tollgate.platform.errors import TollgateError
from tollgate.platform.places import state_dir


def changed(settings, **sections):
    return settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    )


def test_the_demo_empties_only_its_own_unless_told(settings):
    own = changed(settings, lake={"root": str(state_dir() / "lake")})
    check_emptying(own, False)
    given = changed(
        own,
        kafka={"bootstrap": "broker:9092"},
        postgres={"url": "postgresql://me@host/db"},
        lake={"root": "/data/lake"},
    )
    check_emptying(given, True)
    with pytest.raises(TollgateError) as refused:
        check_emptying(given, False)
    for named in ("broker:9092", "postgresql://me@host/db", "/data/lake", "--empty-what-is-given"):
        assert named in str(refused.value)
    with pytest.raises(TollgateError, match="profile local only"):
        check_emptying(own.model_copy(update={"profile": "cluster"}), True)


def test_nothing_is_removed_while_the_database_is_out_of_reach(settings, tmp_path):
    lake = tmp_path / "lake"
    lake.mkdir()
    unreachable = changed(settings, postgres={"url": "postgresql://me@127.0.0.1:1/db"}, lake={"root": str(lake)})
    with pytest.raises(TollgateError, match="PostgreSQL does not answer"):
        empty(unreachable, tmp_path / "demo")
    assert lake.exists()
