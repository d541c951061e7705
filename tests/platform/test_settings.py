"""Settings: file < environment < arguments, and every mistake named at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tollgate.platform.environment import NAMES, variable_of
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import PASSWORD_ENV, known_keys, load_settings

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


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


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("TOLLGATE_LAKEROOT", "/data/a", "nothing reads this variable; did you mean TOLLGATE_LAKE__ROOT?"),
        ("TOLLGATE_TOKENKEY", "x", "nothing reads this variable; did you mean TOLLGATE_TOKEN_KEY?"),
        ("TOLLGATE_POSTGRES_PASWORD", "x", "nothing reads this variable; did you mean TOLLGATE_POSTGRES_PASSWORD?"),
        ("TOLLGATE_KAFKA_PORT", "9092", "nothing reads this variable; did you mean TOLLGATE_LOCAL__KAFKA_PORT?"),
        ("TOLLGATE_METRICS_PORT", "9464", "two underscores stand for the dot of metrics.port"),
        ("TOLLGATE_WHATEVER", "x", "nothing reads this variable\n"),
        ("TOLLGATE_LAKE__ROOTS", "x", "unknown key lake.roots; did you mean lake.root?"),
    ],
)
def test_a_variable_that_nothing_reads_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str
) -> None:
    conf = written(tmp_path)
    load_settings(conf)
    monkeypatch.setenv(name, text)
    with pytest.raises(TollgateError) as raised:
        load_settings(conf)
    assert f"1 setting(s) are wrong:\n  - {name}: {said}" in str(raised.value)


def test_names_of_tollgate_and_variables_that_kubernetes_gives_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = written(tmp_path)
    for name in set(NAMES) - {"TOLLGATE_CONF_FILE", "TOLLGATE_STATE"}:
        monkeypatch.setenv(name, "off")
    monkeypatch.setenv("TOLLGATE_HOME", str(ROOT))
    # Of a service called tollgate, and of one called tollgate-metrics, in the same namespace.
    for name, text in {
        "TOLLGATE_SERVICE_HOST": "10.0.0.1", "TOLLGATE_SERVICE_PORT": "9464", "TOLLGATE_SERVICE_PORT_HTTP": "9464",
        "TOLLGATE_PORT": "tcp://10.0.0.1:9464", "TOLLGATE_PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "TOLLGATE_PORT_9464_TCP_PROTO": "tcp", "TOLLGATE_PORT_9464_TCP_ADDR": "10.0.0.1",
        "TOLLGATE_METRICS_PORT": "tcp://10.0.0.1:9464", "TOLLGATE_METRICS_SERVICE_HOST": "10.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, text)
    load_settings(conf)


def test_the_list_of_names_is_what_the_code_reads_and_the_page_says() -> None:
    folders = ("tollgate", "jobs", "generators", "benchmarks")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.name != "environment.py"]
    texts = [path.read_text(encoding="utf-8") for path in sources]
    read = {name for text in texts for name in re.findall(r'"(TOLLGATE_[A-Z_]+)"', text)}
    assert read - set(map(variable_of, known_keys())) == set(NAMES)
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines()
    assert [name for name, told in NAMES.items() if f"| `{name}` | {told} |" not in page] == []


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


def test_no_two_kinds_of_work_share_a_lock_of_the_database() -> None:
    sources = [path for folder in ("tollgate", "jobs", "generators") for path in (ROOT / folder).rglob("*.py")]
    numbers = re.findall(r"LOCK = (7_414_\d+)", "\n".join(path.read_text(encoding="utf-8") for path in sources))
    assert len(numbers) == len(set(numbers)) > 3
