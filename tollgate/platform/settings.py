"""Settings: conf/*.toml, overridden by the environment, overridden by arguments; every mistake named at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from tollgate.platform.environment import PREFIX, settings_in
from tollgate.platform.errors import TollgateError, nearest
from tollgate.platform.places import project_root

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PASSWORD_ENV = "TOLLGATE_POSTGRES_PASSWORD"
DEFAULT_PASSWORDS = {"postgres", "password", "tollgate", "changeme", "secret", "admin"}
SHORTEST_PASSWORD = 12


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LakeSettings(_Section):
    """Where the Delta tables stand."""

    root: str = Field(min_length=1)


class SparkSettings(_Section):
    """The session of a job that spark-submit did not prepare."""

    master: str
    shuffle_partitions: int = Field(gt=0)
    driver_memory: str
    generated_code: bool


class KafkaSettings(_Section):
    """Brokers and the topic of raw records."""

    bootstrap: str
    topic: str = Field(min_length=1)
    partitions: int = Field(gt=0)


class PostgresSettings(_Section):
    """The database; its password comes from the environment only."""

    url: str
    password: SecretStr = SecretStr("")


class MediationSettings(_Section):
    """The stream's batches and checkpoint."""

    max_offsets_per_trigger: int = Field(gt=0)
    checkpoint: str


class PricebookSettings(_Section):
    """Where the price book's CSV files are."""

    dir: str


class BillingSettings(_Section):
    """Who approves a bill run, and which invoices that person looks at: percents of what they are compared with."""

    approver: str
    outlier_history_bills: int = Field(gt=0)
    outlier_history_percent: int = Field(ge=100)
    outlier_maximum_percent: int = Field(ge=100)
    outlier_rank_percent: int = Field(ge=1, le=100)
    outlier_run_percent: int = Field(ge=100)


class RetentionSettings(_Section):
    """How long what is personal stays in the lake."""

    payload_days: int = Field(gt=0)
    location_days: int = Field(gt=0)
    itemised_months: int = Field(gt=0)

    @model_validator(mode="after")
    def _payload_leaves_first(self) -> RetentionSettings:
        # A legal hold finds the bytes of a record by the numbers in its usage event.
        if self.payload_days > self.itemised_months * 28:
            raise ValueError("payload_days must end before itemised_months, or a legal hold could not find a payload")
        return self


class GeneratorSettings(_Section):
    """Share of each dirt class among the records, in millionths."""

    missing_field_ppm: int = Field(ge=0, le=1_000_000)
    negative_duration_ppm: int = Field(ge=0, le=1_000_000)
    malformed_number_ppm: int = Field(ge=0, le=1_000_000)
    unknown_type_ppm: int = Field(ge=0, le=1_000_000)
    exact_copy_ppm: int = Field(ge=0, le=1_000_000)
    id_conflict_ppm: int = Field(ge=0, le=1_000_000)
    late_ppm: int = Field(ge=0, le=1_000_000)
    unparseable_ppm: int = Field(ge=0, le=1_000_000)


class LocalSettings(_Section):
    """Ports of the broker and database of `tollgate up`; 0 takes a free one and remembers it."""

    kafka_port: int = Field(ge=0, le=65535)
    postgres_port: int = Field(ge=0, le=65535)


class MetricsSettings(_Section):
    """Where a running process answers Prometheus; port 0: nowhere."""

    port: int = Field(ge=0, le=65535)
    host: str = Field(min_length=1)


class Settings(_Section):
    """All settings of one run; the files in conf/ say what each means."""

    profile: Literal["local", "compose", "cluster"]
    lake: LakeSettings
    spark: SparkSettings
    kafka: KafkaSettings
    postgres: PostgresSettings
    mediation: MediationSettings
    pricebook: PricebookSettings
    billing: BillingSettings
    retention: RetentionSettings
    generator: GeneratorSettings
    local: LocalSettings
    metrics: MetricsSettings


def load_settings(conf_file: str | None = None, overrides: dict[str, str] | None = None) -> Settings:
    """Read `conf_file` (else TOLLGATE_CONF_FILE, else conf/local.toml), then TOLLGATE_SECTION__KEY, then `overrides`.

    overrides: dotted keys to text, as from `--set lake.root=...`. Relative folders are taken from the project's root.
    Raises TollgateError that names every unknown, missing and wrong value, and every TOLLGATE_ variable that nothing
    reads.
    """
    path = _conf_path(conf_file)
    values = _read_toml(path)
    mistakes: list[str] = []
    for origin, dotted, text in [*settings_in(os.environ, known_keys(), mistakes), *_from_arguments(overrides)]:
        _put(values, origin, dotted, text, mistakes)
    if "password" in values.get("postgres", {}):
        mistakes.append(f"postgres.password does not belong in a file; set {PASSWORD_ENV} in the environment")
    elif isinstance(values.get("postgres"), dict) and os.environ.get(PASSWORD_ENV):
        values["postgres"]["password"] = os.environ[PASSWORD_ENV]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        mistakes += [_mistake(dict(item)) for item in error.errors()]
    if settings is not None:
        mistakes += _unsafe_outside_local(settings)
    if mistakes or settings is None:
        raise TollgateError(
            f"{len(mistakes)} setting(s) are wrong:\n" + "\n".join(f"  - {mistake}" for mistake in mistakes),
            where=_shown(path),
            way_out=f"mend the file, the {PREFIX}SECTION__KEY variables or the --set arguments",
        )
    return _with_absolute_folders(settings)


def known_keys() -> list[str]:
    """Every dotted key that a settings file must have."""
    keys = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields if (name, key) != ("postgres", "password")]
        else:
            keys.append(name)
    return keys


def _conf_path(conf_file: str | None) -> Path:
    chosen = Path(conf_file or os.environ.get("TOLLGATE_CONF_FILE") or project_root() / "conf" / "local.toml")
    if not chosen.is_file() and not chosen.is_absolute() and (project_root() / chosen).is_file():
        return project_root() / chosen
    return chosen


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TollgateError(
            f"cannot read the settings file: {error.strerror}", where=str(path), way_out="name another with --conf-file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TollgateError(f"not valid TOML: {error}", where=str(path), way_out="mend that line") from None


def _from_arguments(overrides: dict[str, str] | None) -> list[tuple[str, str, str]]:
    return [(f"--set {key}", key, text) for key, text in (overrides or {}).items()]


def _put(values: dict[str, Any], origin: str, dotted: str, text: str, mistakes: list[str]) -> None:
    if dotted not in known_keys():
        mistakes.append(f"{origin}: unknown key {dotted}{_did_you_mean(dotted)}")
        return
    section, _, key = dotted.rpartition(".")
    target = values.setdefault(section, {}) if section else values
    if isinstance(target, dict):
        target[key] = text


def _mistake(error: dict[str, Any]) -> str:
    dotted = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {dotted}{_did_you_mean(dotted)}"
    if error["type"] == "missing":
        return f"missing key {dotted}"
    return f"{dotted}: {error['msg'][0].lower()}{error['msg'][1:]}, found {error['input']!r}"


def _did_you_mean(dotted: str) -> str:
    near = nearest(dotted, known_keys())
    return f"; did you mean {near}?" if near else ""


def _unsafe_outside_local(settings: Settings) -> list[str]:
    """A forgotten secret or an automatic approver must stop the start wherever real customers may be."""
    if settings.profile == "local":
        return []
    mistakes = []
    password = settings.postgres.password.get_secret_value()
    if not password:
        mistakes.append(f"{PASSWORD_ENV} is not set; profile {settings.profile} needs it in the environment")
    elif password.lower() in DEFAULT_PASSWORDS or len(password) < SHORTEST_PASSWORD:
        mistakes.append(f"{PASSWORD_ENV} is a default or shorter than {SHORTEST_PASSWORD} characters")
    if settings.billing.approver == "auto":
        mistakes.append(f"billing.approver = auto is for profile local only, found profile {settings.profile}")
    for key, value in (("kafka.bootstrap", settings.kafka.bootstrap), ("postgres.url", settings.postgres.url)):
        if not value:
            mistakes.append(f"{key} is empty; profile {settings.profile} needs an address")
    return mistakes


def _with_absolute_folders(settings: Settings) -> Settings:
    root = _absolute(settings.lake.root)
    checkpoint = settings.mediation.checkpoint or f"{root.rstrip('/')}/_checkpoint/mediate_usage"
    return settings.model_copy(
        update={
            "lake": settings.lake.model_copy(update={"root": root}),
            "mediation": settings.mediation.model_copy(update={"checkpoint": _absolute(checkpoint)}),
            "pricebook": settings.pricebook.model_copy(update={"dir": _absolute(settings.pricebook.dir)}),
        }
    )


def _absolute(folder: str) -> str:
    return folder if "://" in folder or folder.startswith("/") else str(project_root() / folder)


def _shown(path: Path) -> str:
    return str(path.relative_to(project_root())) if path.is_relative_to(project_root()) else str(path)
