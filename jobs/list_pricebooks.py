"""List the published versions of the price book: digest, author, reason, when."""

from __future__ import annotations

import argparse
import sys

from jobs.answer_query import ask
from tollgate.platform.answer_output import add_output, output_from
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings

VERSIONS = """
SELECT pricebook_version, published_at, author, reason, name, currency, amount_type, digest
FROM price_version ORDER BY pricebook_version
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="list_pricebooks", description=__doc__)
    add_output(found)
    return add_common(found)


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Print a row a version, oldest first."""
    seeing = argparse.Namespace(in_clear=False, posted_run=None)
    ask(settings, VERSIONS, output_from(args, settings.lake.root), seeing)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
