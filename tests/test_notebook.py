"""docs/explore.ipynb runs from top to bottom on a small cache, and is kept without its outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from pipeline.cache.dump import dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.schema import CacheSpec
from pipeline.common.labels import CITYSCAPES_19
from pipeline.methods.lse import select_lse
from pipeline.methods.selection_file import write_selection

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "explore.ipynb"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A round's cache and selection, of five random images."""
    names, ids = CITYSCAPES_19.names, [f"image-{number}" for number in range(5)]
    logits_NChw = 3 * torch.randn(5, len(names), 8, 16, generator=torch.Generator().manual_seed(1))
    spec = CacheSpec("a-fingerprint", names, (32, 64), "logits", len(ids), 2, align_corners=True)
    dump(torch.tensor, ids, lambda positions: [logits_NChw[positions]], tmp_path / "cache", spec, batch=2)
    selection, details = select_lse(CacheIndex(tmp_path / "cache"), 0.5, "paper")
    write_selection(tmp_path / "selection" / "selection.json", selection, details)
    return tmp_path


def test_the_notebook_runs_and_draws(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (place,) = [cell for cell in notebook.cells if 'RUN = Path("../runs/lse-1")' in cell.source]
    place.source = f"from pathlib import Path\n\nRUN = Path({str(run_folder)!r})"
    NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert text.startswith("5 images of (32, 64), 19 classes,")
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4


def test_the_notebook_opens_a_cache_in_about_ten_lines_and_is_kept_small() -> None:
    assert NOTEBOOK.stat().st_size < 200_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    (opening,) = [cell.source for cell in code if "CacheReader(" in cell.source]
    assert len([line for line in opening.splitlines() if line.strip()]) <= 11
