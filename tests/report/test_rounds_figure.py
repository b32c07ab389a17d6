"""The picture of the rounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19
from pipeline.evaluation.results import Result
from pipeline.report.rounds_figure import draw_rounds

GREEN, BLUE = (0, 255, 0), (0, 0, 255)


def write_gallery(folder: Path, colour: tuple[int, int, int]) -> None:
    folder.mkdir(parents=True)
    for what in ("input", "label", "prediction", "entropy"):
        Image.fromarray(np.full((40, 240, 3), colour, np.uint8)).save(folder / f"0-{what}.png")


def result(name: str, value: float | None) -> Result:
    return Result(name, "lse", {"mIoU": value}, {}, {}, {})


def test_each_run_has_its_column_beside_the_input(tmp_path: Path) -> None:
    for name, colour in (("a", GREEN), ("b", BLUE)):
        write_gallery(tmp_path / name / "gallery", colour)
    results = [result("a", 0.5), result("not-drawn", 0.6), result("b", None)]
    strip = draw_rounds(tmp_path, results, "mIoU", CITYSCAPES_19, 0)
    assert strip is not None
    pixels = np.asarray(strip)
    assert pixels.shape[1] == 3 * 240 + 2 * 6
    row = pixels[30]
    assert [tuple(row[x].tolist()) for x in (5, 251, 497)] == [
        GREEN,
        GREEN,
        BLUE,
    ]  # input and label are the first run's
    assert (pixels[-60:] == CITYSCAPES_19.palette[-1]).all(axis=-1).any()  # the legend names every class


def test_without_a_gallery_there_is_no_strip(tmp_path: Path) -> None:
    assert draw_rounds(tmp_path, [result("a", 0.5)], "mIoU", CITYSCAPES_19, 0) is None
