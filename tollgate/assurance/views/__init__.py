"""Views over the tables of a lake, as SQL: what analysts, notebooks, reports and the page of the demo read."""

from __future__ import annotations

from tollgate.assurance.views import billing, control, rating, usage, value
from tollgate.assurance.views.view import View

# In the order in which they stand on each other.
DESCRIBED: dict[str, View] = {**control.VIEWS, **usage.VIEWS, **rating.VIEWS, **value.VIEWS, **billing.VIEWS}
VIEWS: dict[str, str] = {name: view.sql for name, view in DESCRIBED.items()}
# Made of what PostgreSQL says; whoever registers the views gives it as a frame.
POSTED_RUN = billing.POSTED_RUN
