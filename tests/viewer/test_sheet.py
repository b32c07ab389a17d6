"""`roundabout show`: the sheet of one image, against golden pictures, for every method.

After an intended change: `ROUNDABOUT_GOLDEN=write pytest tests/viewer/test_sheet.py`, and look at the pictures.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app

GOLDEN = Path(__file__).parent / "golden"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["show", *arguments])


def assert_golden(path: Path, name: str) -> None:
    """The same size, and the same pixels but for the edges of letters (fonts are drawn anew by other versions)."""
    golden = GOLDEN / f"{name}.png"
    if os.environ.get("ROUNDABOUT_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        Image.open(path).quantize(256).save(golden, optimize=True)
    drawn, expected = (np.asarray(Image.open(one).convert("RGB")).astype(int) for one in (path, golden))
    assert drawn.shape == expected.shape
    differs = np.abs(drawn - expected).max(axis=-1) > 24  # the golden ones have 256 colours
    assert differs.mean() < 0.01, f"{100 * differs.mean():.2f} % of the pixels differ from {golden.name}"


@pytest.mark.parametrize("name", ["lse-1", "cbst-1", "intrada-1", "cada-1"])
def test_the_sheet_of_every_method_is_golden(project: Path, name: str) -> None:
    image = "000001" if name == "intrada-1" else "000005"  # hard: nothing is kept of it
    answer = call(name, "--image", image, "-o", "out.png")
    assert answer.exit_code == 0, answer.output
    assert "out.png: 1048x" in answer.stdout
    assert_golden(project / "out.png", name)


def test_chosen_layers_and_changes(project: Path) -> None:
    layers = ("--layer", "change", "--layer", "entropy-change")
    assert call("lse-2", "--image", "000000", "-o", "out.png", *layers, "--against", "cbst-1").exit_code == 0
    assert_golden(project / "out.png", "lse-2-change")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lse-9", "--image", "000000"), "there is no run 'lse-9'; there are lse-1"),
        (("../lse-1", "--image", "000000"), "not given as a path"),
        (("lse-1", "--image", "nowhere"), "has no image 'nowhere'"),
        (("lse-1", "--image", "000000", "--layer", "soup"), "there is no layer 'soup'; choose of input"),
        (("lse-1", "--image", "000000", "--layer", "change"), "there is no other run to compare with"),
    ],
)
def test_what_cannot_be_shown_is_said(project: Path, arguments: tuple[str, ...], words: str) -> None:
    answer = call(*arguments, "-o", "out.png")
    assert answer.exit_code == 1 and words in " ".join(answer.stderr.split())
    assert not (project / "out.png").exists()
