"""Each notebook runs from its first cell to its last on a lake with a posted month, and is kept without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from faults.route import ROOT, Route
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_begins_with_what_it_is(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None, f"{path.name}: strip the outputs"


# With a Spark session of its own.
LONG = {"1_tour_with_spark"}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.long if path.stem in LONG else (), id=path.stem) for path in NOTEBOOKS],
)
def test_a_notebook_runs(path: Path, undisturbed: Route) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT / "notebooks")}})
    client.execute(env={**os.environ, **undisturbed.environment()})
    shown = [cell for cell in code_cells(notebook) if cell.outputs]
    # Cells that only define or assert say nothing; most show something.
    assert 2 * len(shown) > len(code_cells(notebook))
