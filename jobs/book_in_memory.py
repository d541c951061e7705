"""A price book folder as the frames that rating is given, compiled as publishing does and stored nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollgate.platform.lake import contract, few_rows
from tollgate.reference.compiled_book import compile_price_book
from tollgate.reference.frames import PRICE_TABLES, PriceBook, price_book
from tollgate.reference.pricebook_files import SourceBook

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# It is no published version, and versions begin at 1.
NO_VERSION = 0


def book_in_memory(spark: SparkSession, source: SourceBook) -> PriceBook:
    """The book under version 0. source: without findings."""
    book = compile_price_book(source)
    tables = {name: few_rows(spark, book.numbered(name, NO_VERSION), contract(name)) for name in PRICE_TABLES}
    return price_book(tables, {**vars(book), "pricebook_version": NO_VERSION})
