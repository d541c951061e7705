"""Settings: file < environment < arguments, and every mistake named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import PASSWORD_ENV, known_keys, load_settings

CONF = Path(__file__).resolve().parents[2] / "conf"


def written(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = (CONF / "local.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "changed.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_arguments_come_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = written(tmp_path)
    monkeypatch.delenv("TOLLGATE_LAKE__ROOT")
    assert load_settings(conf).lake.root.endswith("/.tollgate/lake")
    monkeypatch.setenv("TOLLGATE_LAKE__ROOT", "/data/a")
    assert load_settings(conf).lake.root == "/data/a"
    chosen = load_settings(conf, {"lake.root": "s3a://bucket/lake", "kafka.partitions": "7"})
    assert (chosen.lake.root, chosen.kafka.partitions) == ("s3a://bucket/lake", 7)
    assert chosen.mediation.checkpoint == "s3a://bucket/lake/_checkpoint/mediate_usage"


def test_every_mistake_is_named_at_once_with_the_nearest_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_KAFKA__TOPICS", "x")
    monkeypatch.delenv("TOLLGATE_LAKE__ROOT")
    conf = written(tmp_path, ("root = ", "pth = "), ("shuffle_partitions = 2 ", 'shuffle_partitions = "two" '))
    with pytest.raises(TollgateError) as raised:
        load_settings(conf, {"spark.mastre": "local[1]"})
    message = str(raised.value)
    for said in (
        "missing key lake.root",
        "unknown key lake.pth",
        "unknown key kafka.topics; did you mean kafka.topic?",
        "unknown key spark.mastre; did you mean spark.master?",
        "spark.shuffle_partitions: ",
        "found 'two'",
        "changed.toml: 5 setting(s) are wrong",
    ):
        assert said in message


def test_a_variable_with_one_underscore_for_two_is_named_with_its_right_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = written(tmp_path)
    monkeypatch.setenv("TOLLGATE_LAKE_ROOT", "/data/a")
    monkeypatch.setenv("TOLLGATE_SPARK_SHUFFLE_PARTITIONS", "4")
    with pytest.raises(TollgateError) as raised:
        load_settings(conf)
    assert "TOLLGATE_LAKE_ROOT: two underscores stand for the dot of lake.root" in str(raised.value)
    assert "did you mean TOLLGATE_SPARK__SHUFFLE_PARTITIONS?" in str(raised.value)
    for name in ("TOLLGATE_LAKE_ROOT", "TOLLGATE_SPARK_SHUFFLE_PARTITIONS"):
        monkeypatch.delenv(name)
    # A key without a section has no dot; the password and the folders of tollgate itself are no keys.
    monkeypatch.setenv("TOLLGATE_PROFILE", "cluster")
    monkeypatch.setenv(PASSWORD_ENV, "a-long-and-private-one")
    with pytest.raises(TollgateError, match="approver = auto is for profile local only"):
        load_settings(conf)


def test_a_missing_and_a_broken_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(TollgateError, match="cannot read the settings file"):
        load_settings(str(tmp_path / "none.toml"))
    (tmp_path / "broken.toml").write_text("a = = 1")
    with pytest.raises(TollgateError, match="not valid TOML"):
        load_settings(str(tmp_path / "broken.toml"))


@pytest.mark.parametrize("profile", ["compose", "cluster"])
def test_outside_local_a_missing_default_or_short_secret_and_an_automatic_approver_stop_the_start(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = str(CONF / f"{profile}.toml")
    monkeypatch.delenv(PASSWORD_ENV, raising=False)
    with pytest.raises(TollgateError, match=f"{PASSWORD_ENV} is not set"):
        load_settings(conf)
    for weak in ("postgres", "short"):
        monkeypatch.setenv(PASSWORD_ENV, weak)
        with pytest.raises(TollgateError, match="default or shorter than 12"):
            load_settings(conf)
    monkeypatch.setenv(PASSWORD_ENV, "a-long-and-private-one")
    assert load_settings(conf).profile == profile
    assert "a-long-and-private-one" not in repr(load_settings(conf))
    with pytest.raises(TollgateError, match="approver = auto is for profile local only"):
        load_settings(conf, {"billing.approver": "auto"})


def test_a_password_in_a_file_is_refused(tmp_path: Path) -> None:
    conf = written(tmp_path, ("[postgres]\n", '[postgres]\npassword = "x"\n'))
    with pytest.raises(TollgateError, match="does not belong in a file"):
        load_settings(conf)


def test_the_files_hold_the_same_keys() -> None:
    assert "generator.late_ppm" in known_keys()
    assert load_settings(str(CONF / "local.toml")).profile == "local"
