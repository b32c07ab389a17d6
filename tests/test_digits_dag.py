"""The digit track from archives to the report, by `dvc repro`, with the preset's own stages and settings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.pipeline import stages_run
from bench.workspace import make_workspace, preset, run
from pipeline.common.files import read_json
from pipeline.patches.file import HARD, PATCHES, PatchFile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]


def bars(path: Path, count: int, size: int, seed: int) -> None:
    """Ten classes of bars: rows of the upper half for even digits, columns for odd ones, with noise."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 60, (count, size, size))
    y = np.arange(count) % 10
    for image, digit in zip(x, y, strict=True):
        start = 1 + (digit // 2) * (size - 4) // 5
        image[(slice(start, start + 3), slice(None)) if digit % 2 else (slice(None), slice(start, start + 3))] += 180
    np.savez_compressed(path, x=x.astype(np.uint8), y=y)


@pytest.mark.parametrize("name", ["digits-mnist-usps", "digits-usps-mnist"])
def test_the_preset_runs_from_archives_to_the_report_and_then_is_up_to_date(tmp_path: Path, name: str) -> None:
    params = preset(name)
    for seed, (split, count, size) in enumerate((("source", 60, 28), ("target", 45, 16), ("evaluation", 20, 16))):
        bars(tmp_path / f"{split}.npz", count, size, seed)
        params["data"][split] |= {"root": str(tmp_path), "archive": f"{split}.npz"}
    params["pretrain"]["steps"], params["adapt"]["steps"] = 40, 5
    folder = tmp_path / "main"
    make_workspace(folder, params)
    run(folder, "dvc", "repro")
    metrics = {run_name: read_json(folder / "runs" / run_name / "metrics.json") for run_name in RUNS}
    assert metrics["oracle"]["pixel_accuracy"] > 0.5  # ten classes; chance is 0.1
    assert metrics["intrada-1"]["pseudo_labels"]["images"] == 36  # λ = 0.8
    assert metrics["intrada-1"]["pseudo_labels"]["coverage"] == 1.0
    patches = folder / "runs" / "intrada-1" / "patches"
    assert (len(PatchFile(patches / PATCHES)), len(PatchFile(patches / HARD))) == (36, 9)
    assert "Δ pixel accuracy" in (folder / "report" / "index.html").read_text(encoding="utf-8")
    with Image.open(folder / "report" / "rounds-0.png") as picture:
        assert picture.width > 5 * 190  # small pictures are enlarged
    assert stages_run(run(folder, "dvc", "repro").stdout) == []


RUNS = ("source-only", "advent", "oracle", "intrada-1")
