"""Routes that start alike: one published book, seeded operator and snapshot, copied for each route."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from psycopg2 import sql

from faults.route import AS_OF, Route
from faults.seen import Seen, Watched
from generators.cdr import GeneratedRecord
from generators.customers import Population, build_population
from generators.dirt import DirtRates
from generators.producer import produce
from generators.seed_crm import seed
from generators.usage import plan_usage
from tollgate.platform import kafka, postgres
from tollgate.platform.postgres import _address, connect
from tollgate.platform.progress import job
from tollgate.platform.settings import Settings
from tollgate.platform.watching import figures_of

SEED, SUBSCRIBERS, EVENTS, BATCH = 20261, 120, 3_000, 1_500
SEEDED, TEMPLATE = "route_seeded", "route_prepared"
CUT_OFF_MS = int(datetime.fromisoformat(AS_OF.replace("Z", "+00:00")).timestamp() * 1000)


@pytest.fixture(scope="session")
def population() -> Population:
    return build_population(SEED, SUBSCRIBERS)


@pytest.fixture(scope="session")
def month_of_records(population: Population) -> list[GeneratedRecord]:
    """What arrives of October before its cut-off, in the order of arrival."""
    return list(plan_usage(population, SEED, EVENTS, "2026-10").records(None, CUT_OFF_MS))


@pytest.fixture(scope="session")
def dirty_month(population: Population, settings: Settings) -> list[GeneratedRecord]:
    """The same with the demo's dirt, under other ids."""
    rates = DirtRates.from_settings(settings.generator)
    return list(plan_usage(population, SEED, EVENTS, "2026-10", rates=rates).records(None, CUT_OFF_MS))


@pytest.fixture(scope="session")
def seeded(spark, services: Settings, population: Population, tmp_path_factory) -> Route:
    """The operator's customers in a database, and no lake; tests never add to it."""
    create_database(services, SEEDED, None)
    route = Route(spark, settings_of(services, tmp_path_factory.mktemp("routes") / SEEDED, SEEDED))
    postgres.migrate(route.settings)
    seed(route.settings, population)
    return route


@pytest.fixture(scope="session")
def prepared(spark, services: Settings, seeded: Route) -> Route:
    """The operator before any usage, with a published book and a snapshot; tests never add to it."""
    create_database(services, TEMPLATE, SEEDED)
    route = Route(spark, settings_of(services, Path(seeded.settings.lake.root).with_name("prepared"), TEMPLATE))
    route.prepare()
    return route


@pytest.fixture(scope="session")
def start_route(spark, services: Settings, seeded: Route, prepared: Route) -> Callable[..., Route]:
    """Start a route of its own name with records in its topic; from_nothing: without a published book and snapshot."""

    def start(name: str, records: list[GeneratedRecord], *, from_nothing: bool = False) -> Route:
        root = Path(prepared.settings.lake.root).with_name(name)
        if not from_nothing:
            shutil.copytree(prepared.settings.lake.root, root)
        create_database(services, name, SEEDED if from_nothing else TEMPLATE)
        route = Route(spark, settings_of(services, root, name))
        kafka.ensure_topic(route.settings)
        produce(records, route.settings, root.parent / f"{name}_truth")
        return route

    return start


@pytest.fixture(scope="session")
def watched(start_route, dirty_month) -> Watched:
    """The route that nothing happens to, and what onlookers were told of it."""
    route, seen = start_route("undisturbed", dirty_month), Seen()
    with seen.looking():
        with job("mediate_usage") as running:
            running.note(**figures_of(route.mediate()))
        with job("rate_usage") as running:
            rated = route.night()
            running.note(**figures_of(rated))
        metrics = seen.scrape()
    route.bill()
    return Watched(route, seen, metrics, rated)


@pytest.fixture(scope="session")
def undisturbed(watched) -> Route:
    """The route that nothing happens to: what the others are compared with."""
    return watched.route


@pytest.fixture(scope="session")
def few_batches(start_route, month_of_records, dirty_month) -> Route:
    """A lake of 200 records in batches of about 100, while its topic holds 60 dirty ones more; tests damage copies."""
    route = start_route("few_batches", month_of_records[:200])
    for table in Path(route.settings.lake.root).glob("price_*"):
        shutil.rmtree(table)
    route.mediate(batch=100)
    produce(dirty_month[200:260], route.settings, Path(route.settings.lake.root).with_name("few_batches_more"))
    return route


@pytest.fixture(scope="session")
def copy_of(few_batches) -> Callable[[Path], Route]:
    """Copy `few_batches` with its checkpoint to a folder."""

    def copy(root: Path) -> Route:
        shutil.copytree(few_batches.settings.lake.root, root)
        return few_batches.at(root)

    return copy


@pytest.fixture(scope="session")
def finished(copy_of, tmp_path_factory) -> Route:
    """An undisturbed copy that has taken the rest; tests only read it."""
    route = copy_of(tmp_path_factory.mktemp("whole") / "lake")
    assert route.mediate()["received"] == 60
    return route


@pytest.fixture(scope="session")
def whole(finished) -> list[str]:
    """`Route.records` of it."""
    return finished.records()


def settings_of(services: Settings, root: Path, name: str) -> Settings:
    """Settings of a route: the services' broker and server, and a lake, topic and database of its own."""
    where = _address(services)
    url = f"postgresql://{where['user']}@{where['host']}:{where['port']}/{name}"
    return services.model_copy(
        update={
            "lake": services.lake.model_copy(update={"root": str(root)}),
            "kafka": services.kafka.model_copy(update={"topic": f"cdr.{name}", "bootstrap": kafka.bootstrap(services)}),
            "postgres": services.postgres.model_copy(
                update={"url": url, "password": type(services.postgres.password)(where["password"])}
            ),
            "mediation": services.mediation.model_copy(
                update={"max_offsets_per_trigger": BATCH, "checkpoint": str(root / "_checkpoint")}
            ),
        }
    )


def create_database(services: Settings, name: str, template: str | None) -> None:
    """Make a database on the services' server, a copy of another one or empty."""
    connection = connect(services)
    connection.autocommit = True
    copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
    connection.close()
