"""The population: the same for a seed, consistent in itself, with every kind of life in it."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from generators.customers import FIRST_MONTH, STORIES, Population, build_population, local_midnight_ms, months_later
from generators.network import OWN_PREFIXES, TIME_ZONE, cells, own_number
from generators.people import people
from generators.seed_crm import COLUMNS, crm_rows


@pytest.fixture(scope="module")
def population() -> Population:
    return build_population(7, 2000)


@pytest.mark.covers("GEN-20", "GEN-19")
def test_the_same_seed_gives_the_same_people_and_rows(population: Population) -> None:
    assert crm_rows(population) == crm_rows(build_population(7, 2000))
    assert crm_rows(population) != crm_rows(build_population(8, 2000))
    assert len({person.email for person in people(population)}) == len(population.customers)


@pytest.mark.covers("GEN-03")
def test_customers_have_one_to_four_lines(population: Population) -> None:
    lines = [line.customer for line in population.lines]
    sizes = {lines.count(customer) for customer in range(len(population.customers))}
    assert sizes == {1, 2, 3, 4}
    assert len(lines) == 2000


def test_every_life_is_lived(population: Population) -> None:
    assert {line.story for line in population.lines} == {"steady", *STORIES}
    assert {line.story for line in build_population(3, 40).lines} == {"steady", *STORIES}
    students = sum(customer.facts[0][0] for customer in population.customers) / len(population.customers)
    assert 0.09 < students < 0.16
    twelfth = [c for c in population.customers if date(2025, 10, 2) <= c.customer_since <= date(2025, 11, 8)]
    over = [c for c in population.customers if c.customer_since < date(2025, 10, 1)]
    assert len(twelfth) > 20 and len(over) > 200
    assert {customer.tax_jurisdiction for customer in population.customers} == {"CA-ON", "GB", "MA"}
    assert any(customer.tax_exempt for customer in population.customers)


def test_contracts_begin_and_end_inside_the_demo_months(population: Population) -> None:
    contracts = [contract for line in population.lines for contract in line.contracts]
    assert {contract.plan_id for contract in contracts} == {"term", "month_to_month", "prepaid"}
    for contract in contracts:
        assert (contract.term_ends_on is not None) == (contract.plan_id == "term")
        assert contract.cancelled_on is None or contract.starts_on < contract.cancelled_on
    cancelled = [contract for contract in contracts if contract.cancelled_on]
    early = [c for c in cancelled if c.term_ends_on and c.cancelled_on and c.cancelled_on < c.term_ends_on]
    at_end = [c for c in cancelled if c.cancelled_on == c.term_ends_on]
    for chosen in (early, at_end, [c for c in contracts if c.starts_on > FIRST_MONTH]):
        assert {(c.cancelled_on if c.cancelled_on else c.starts_on).month for c in chosen} == {10, 11}


def test_a_number_has_one_holder_at_a_time_and_some_are_given_again(population: Population) -> None:
    spans: dict[str, list[tuple[int, int]]] = {}
    for line in population.lines:
        for held in line.numbers:
            assert held.msisdn[1:7] in OWN_PREFIXES
            spans.setdefault(held.msisdn, []).append((held.from_ms, held.to_ms or 2**62))
    again = 0
    for held_spans in spans.values():
        held_spans.sort()
        again += len(held_spans) > 1
        assert all(before[1] <= after[0] for before, after in pairwise(held_spans))
    assert again > 3
    assert not set(population.unheld_numbers) & set(spans)
    imsis = [held.imsi for line in population.lines for held in line.numbers]
    assert len(imsis) == len(set(imsis))
    assert len({own_number(serial) for serial in range(50_000)}) == 50_000


def test_accounts_of_a_contract_cover_it(population: Population) -> None:
    for line in population.lines:
        customer = population.customers[line.customer]
        first = line.contracts[0].starts_on
        assert customer.customer_since <= first
        assert customer.first_cycle_start <= max(FIRST_MONTH, first) and customer.first_cycle_start.day == 1
        assert line.numbers[0].from_ms == line.states[0].from_ms == local_midnight_ms(first)


@pytest.mark.covers("GEN-22")
def test_cells_are_a_grid_over_toronto_and_the_visited_networks() -> None:
    home = [cell for cell in cells() if cell.country == "CA"]
    assert len({cell.cell_id for cell in cells()}) == len(cells())
    for cell in home:
        assert -79.697878 <= float(cell.lon) <= -79.196382 and 43.576959 <= float(cell.lat) <= 43.799568
    assert len({(cell.lon, cell.lat) for cell in home}) == 60
    assert {cell.technology for cell in home} == {"2G", "3G", "4G", "5G"}
    assert len({cell.region for cell in home}) == 6
    assert len({cell.country for cell in cells()} - {"CA"}) >= 8


def test_rows_have_the_columns_of_their_table(population: Population) -> None:
    for table, rows in crm_rows(population).items():
        assert rows and {len(row) for row in rows} == {COLUMNS[table].count(",") + 1}, table


def test_days_are_local(population: Population) -> None:
    assert TIME_ZONE == "America/Toronto"
    assert local_midnight_ms(date(2026, 10, 1)) == 1_790_827_200_000
    assert local_midnight_ms(date(2026, 11, 2)) - local_midnight_ms(date(2026, 11, 1)) == 25 * 3_600_000
    assert months_later(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert months_later(date(2026, 12, 15), -12) == date(2025, 12, 15)
