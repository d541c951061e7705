"""The lake without a JVM: every table as a DuckDB view, read through `deltalake`. For looking; the jobs use Spark."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import contract_names

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def open_lake(root: str) -> DuckDBPyConnection:
    """A DuckDB connection with a view for each table under `root`, named as the table, as it stands now.

    root: folder or URL of the lake. Instants are in UTC. TollgateError when no table stands there.

    DuckDB's `.df()` turns DECIMAL into float; `.to_arrow_table().to_pandas()` and `.fetchall()` keep it exact.
    """
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    # Without its ICU extension, which is fetched from the network, it knows no other zone anyway.
    with contextlib.suppress(duckdb.Error):
        connection.execute("SET TimeZone = 'UTC'")
    names = [name for name in contract_names() if DeltaTable.is_deltatable(f"{root}/{name}")]
    if not names:
        raise TollgateError(
            "no table stands under the lake's root",
            where=root,
            expected="the tables of schemas/, as `make demo` or the jobs leave them",
            way_out="run `make demo`, or set TOLLGATE_LAKE__ROOT to the lake",
        )
    for name in names:
        connection.register(name, DeltaTable(f"{root}/{name}").to_pyarrow_dataset())
    return connection
