"""Write the last results of the quality gates as pages that open offline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from tollgate.assurance.quality_pages import pages
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.places import project_root
from tollgate.platform.settings import Settings

# Results of each suite on the first page.
SHOWN = 20


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="quality_docs", description=__doc__)
    found.add_argument("--to", metavar="FOLDER", help="where the pages are written (default: build/quality_docs)")
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Write index.html and a page for the last result of each suite; returns {index, pages, results}."""
    lake = Lake(spark, settings.lake.root)
    latest = Window.partitionBy("suite").orderBy(
        F.desc("to_no"), F.desc_nulls_last("run_id"), F.desc_nulls_last("attempt"), F.desc("passed")
    )
    numbered = lake.read("quality_result").withColumn("place", F.row_number().over(latest))
    # Findings are large and shown of the last result alone.
    rows = numbered.where(F.col("place") <= SHOWN).withColumn("findings", F.expr("IF(place = 1, findings, NULL)"))
    results = [row.asDict() for row in rows.orderBy("suite", "place").collect()]
    folder = Path(args.to) if args.to else project_root() / "build" / "quality_docs"
    written = pages(results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise TollgateError("the pages cannot be written", where=str(folder), found=error.strerror or "") from None
    return {"index": str(folder / "index.html"), "pages": len(written), "results": len(results)}


if __name__ == "__main__":
    sys.exit(main(parser(), run))
