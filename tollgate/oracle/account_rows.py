"""What a reference snapshot says of an account beside its contracts: one-off charges, where it is taxed, exemptions."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple


class Adjustment(NamedTuple):
    """A one-off charge or credit of an account; amount in millionths, below 0 a credit."""

    adjustment_id: str
    account_id: str
    subscription_id: str | None
    amount: int
    tax_category: str
    effective_on: date
    instalments: int


class Jurisdiction(NamedTuple):
    """Where an account is taxed on the local days [starts_on, ends_on), in place of what its own row says."""

    account_id: str
    tax_jurisdiction: str
    starts_on: date
    ends_on: date


class Exemption(NamedTuple):
    """What of an account is exempt from tax on the local days [starts_on, ends_on): a category, or * for all."""

    account_id: str
    tax_category: str
    reason: str
    starts_on: date
    ends_on: date
