"""A result as one CSV file that has its name once it is whole."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tollgate.platform.errors import TollgateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def write_csv(ordered: DataFrame, file: Path) -> None:
    """The rows, one partition of texts, as one file, which Spark's task writes."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        # Empty is what Spark would write for an empty text, too, and a CSV file has no third thing.
        writer = partial(ordered.write.csv, header=True, escape='"', emptyValue="")
        writer(f"file://{beside}", ignoreLeadingWhiteSpace=False, ignoreTrailingWhiteSpace=False, compression="none")
        written = sorted(beside.glob("part-*.csv"))
        if len(written) != 1:
            raise TollgateError(
                "the result is not on this machine", where=str(beside), expected="one file", found=str(len(written)),
                way_out="run it with --master local[*], or name a folder that all machines share",
            )  # fmt: skip
        os.replace(written[0], file)
    except OSError as error:
        raise TollgateError("the result cannot be written", where=str(file), found=str(error)) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
