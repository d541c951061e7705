"""What the demo shows, gathered once everything was played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.assurance.views import VIEWS
from tollgate.demo import figures
from tollgate.demo.run_figures import bill_run
from tollgate.platform.lake import Lake
from tollgate.platform.places import project_root
from tollgate.platform.postgres import connect
from tollgate.platform.reports import read_report
from tollgate.platform.settings import Settings

POSTED = """
SELECT run_id, substr(cycle, 1, 7) || '-01' AS cycle_start, rating_no, snapshot_id,
  coalesce(nullif(substr(cycle, 9), ''), '1')::integer AS cycle_number
FROM ops.bill_run WHERE status = 'posted' ORDER BY cycle, sequence
"""
PREVIEW_RUN = "preview"


def figures_of_usage(spark: SparkSession, settings: Settings, folder: Path) -> dict[str, Any]:
    """What came in, what was injected, and what was rated; asked once the last night has ended."""
    lake = _with_views(spark, settings, figures.OF_USAGE)
    return {
        "records": figures.records(spark),
        "truth": figures.truth_figures(lake.read("usage_event"), spark.read.parquet(str(folder / "truth"))),
        "rating": figures.report(spark, "rating_by_reason"),
        "services": figures.report(spark, "revenue_by_service"),
    }


def figures_of_bills(spark: SparkSession, settings: Settings) -> dict[str, Any]:
    """What was billed and what was left, an invoice in full, and charges explained; asked once the month is posted."""
    lake = _with_views(spark, settings, figures.EXPLAINED)
    session = connect(settings)
    try:
        posted = [
            row["run_id"] for row in figures.asked(session, "SELECT run_id FROM ops.bill_run WHERE status = 'posted'")
        ]
        return {
            "invoices": figures.invoices(session),
            "bill_run": bill_run(session, lake.read("rated_usage"), posted[0]),
            "leakage": figures.leakage(lake.read("rated_usage"), figures.posted_usage(lake, posted)),
            "invoice_in_full": figures.invoice_in_full(session),
            "charges_explained": figures.charges_explained(spark, settings),
        }
    finally:
        session.close()


def _with_views(spark: SparkSession, settings: Settings, reports: Sequence[str]) -> Lake:
    """The lake, and in the session the views that these reports ask."""
    lake = Lake(spark, settings.lake.root)
    lake.register_views(VIEWS, " ".join(read_report(name).sql for name in reports))
    return lake


def oracle_runs(spark: SparkSession, settings: Settings, preview_cycle: str) -> list[dict[str, Any]]:
    """The posted runs and the preview with their pins, for the oracle to repeat in this order."""
    lake = Lake(spark, settings.lake.root)
    session = connect(settings)
    try:
        posted = figures.asked(session, POSTED)
    finally:
        session.close()
    rating_no = lake.read("control_rating").agg(F.max("rating_no")).collect()[0][0]
    snapshot_id = lake.read("control_snapshot").agg(F.max("snapshot_id")).collect()[0][0]
    names = ("run_id", "cycle_start", "rating_no", "snapshot_id")
    preview = dict(zip(names, (PREVIEW_RUN, f"{preview_cycle}-01", rating_no, snapshot_id), strict=True))
    return [*posted, {**preview, "is_preview": True}]


def places(settings: Settings) -> dict[str, str]:
    """Where to look on, for the end of the page."""
    root = Path(settings.lake.root)
    shown = str(root.relative_to(project_root())) if root.is_relative_to(project_root()) else str(root)
    return {
        "Delta tables": f"{shown}/<table>; schemas/ says what each column means",
        "page, summary, truth, oracle's report": "build/demo/",
        "start broker and database again": "tollgate up",
        "what the quality gates found": "tollgate quality-docs, then build/quality_docs/index.html",
        "ask the lake": 'tollgate sql "SELECT * FROM revenue_by_service"',
        "why one event costs what it costs": "tollgate explain EVENT_ID",
        "stop, and remove everything": "tollgate down, tollgate clean",
    }
