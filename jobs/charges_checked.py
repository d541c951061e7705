"""Whether one-off charges are billed once each, to the last digit: an equation of `reconcile`, asked of PostgreSQL."""

from __future__ import annotations

from decimal import Decimal

from tollgate.assurance.conservation import NO_PART, Equation, Measures
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

EQUATIONS = tuple(
    Equation("billing", f"{what} are billed or awaited", (f"{name}_entered",), (f"{name}_billed", f"{name}_awaited"))
    for what, name in (("one-off charges", "one_off"), ("instalments", "instalments"))
)
# The instalments of each charge, split here once more: an invoice that had another share would not add up.
_MEASURES = """
WITH whole AS (
    SELECT *, power(10::numeric, minor_digits) AS coins FROM crm.adjustment
), part AS (
    SELECT adjustment_id || CASE WHEN instalments > 1 THEN '/' || n ELSE '' END AS ref,
           sign(amount) * (div(abs(amount) * coins, instalments)
             + (n <= mod(abs(amount) * coins, instalments))::int) / coins AS amount
    FROM whole, generate_series(1, instalments) AS n
), billed AS (
    SELECT split_part(line_key, '|', 8) AS ref, amount FROM billing.invoice_line
    WHERE kind IN ('one_off', 'one_off_credit')
)
SELECT 'one_off_entered', coalesce(sum(amount), 0) FROM crm.adjustment
UNION ALL SELECT 'one_off_billed', coalesce(sum(amount), 0) FROM billed
UNION ALL SELECT 'one_off_awaited', coalesce(sum(amount), 0) FROM part WHERE ref NOT IN (SELECT ref FROM billed)
UNION ALL SELECT 'instalments_entered', coalesce(sum(instalments), 0) FROM crm.adjustment
UNION ALL SELECT 'instalments_billed', count(*) FROM billed
UNION ALL SELECT 'instalments_awaited', count(*) FROM part WHERE ref NOT IN (SELECT ref FROM billed)
"""


def charges_checked(settings: Settings) -> tuple[tuple[Equation, ...], Measures]:
    """The equations of one-off charges and their measures; nothing where none was ever entered."""
    connection = connect(settings)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('crm.adjustment') IS NOT NULL")
            if cursor.fetchone() != (True,):
                return (), {}
            cursor.execute("SELECT EXISTS (SELECT FROM crm.adjustment)")
            if cursor.fetchone() != (True,):
                return (), {}
            cursor.execute(_MEASURES)
            return EQUATIONS, {(measure, NO_PART): Decimal(value) for measure, value in cursor.fetchall()}
    finally:
        connection.close()
