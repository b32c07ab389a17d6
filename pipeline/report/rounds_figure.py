"""The figure of the rounds: one target image, and the prediction and entropy of each network for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.colours import entropy_picture
from pipeline.common.labels import ClassSet
from pipeline.evaluation.results import Result, metric_in_words
from pipeline.picture_sheet import (
    CaptionStyle,
    LegendStyle,
    class_entries,
    draw_legend,
    draw_row,
    draw_scale,
    flow,
    legend_widths,
)

_GAP, _INK, _GREY = 6, (27, 31, 36), (87, 96, 106)
_UPPER, _LOWER = CaptionStyle(24, 2, 15, _INK), CaptionStyle(18, 1, 12, _GREY)
_LEGEND = LegendStyle(line=20, swatch_top=4, text_left=17, gap=15, ink=_INK, outline=_GREY)
_RAMP, _INDENT, _SCALE = 120, 48, 260
"""Width of the entropies' colours, of the word before them, and of both with the word after them."""
_NARROWEST = 224
"""Smaller pictures (digits) are enlarged by a whole number, so that the captions have room."""


class Column(NamedTuple):
    """Two pictures, one above the other."""

    caption: str
    upper: Path
    lower: Path


def draw_rounds(runs: Path, results: list[Result], headline: str, classes: ClassSet, number: int) -> Image.Image | None:
    """Draw picture ``number`` of the runs' galleries: input above label, then prediction above entropy of each run.

    Returns:
        The figure; None where no run has that picture.
    """
    folders = [(result, runs / result.name / "gallery") for result in results]
    folders = [(result, folder) for result, folder in folders if (folder / f"{number}-input.png").exists()]
    if not folders:
        return None
    first = folders[0][1]
    columns = [Column("target image", first / f"{number}-input.png", first / f"{number}-label.png")]
    columns += [
        Column(_caption(result, headline), folder / f"{number}-prediction.png", folder / f"{number}-entropy.png")
        for result, folder in folders
    ]
    return _figure(columns, classes)


def _caption(result: Result, headline: str) -> str:
    value = result.metrics.get(headline)
    return result.name + ("" if value is None else f"  {metric_in_words(headline)} {100 * value:.1f}")


def _figure(columns: list[Column], classes: ClassSet) -> Image.Image:
    with Image.open(columns[0].upper) as example:
        factor = -(-_NARROWEST // example.width)
        width, height = example.width * factor, example.height * factor
    upper = [(column.caption, _enlarged(column.upper, width, height)) for column in columns]
    words = ["its label, unseen", *["entropy"] * (len(columns) - 1)]
    lower = [(word, _enlarged(column.lower, width, height)) for word, column in zip(words, columns, strict=True)]
    across, second = len(columns) * (width + _GAP) - _GAP, _UPPER.height + height
    entries, top = class_entries(classes), second + height + 2 * _LOWER.height
    *positions, scale = flow([*legend_widths(entries, _LEGEND), _SCALE], 0, across, _LEGEND.line)
    sheet = Image.new("RGB", (across, top + scale[1] + _LEGEND.line + 2), "white")
    draw_row(sheet, (0, 0), upper, _GAP, _UPPER)
    draw_row(sheet, (0, second), lower, _GAP, _LOWER)
    draw_legend(sheet, top, entries, positions, _LEGEND)
    ramp_W3 = entropy_picture(np.linspace(0, 1, _RAMP)[None])[0]
    draw_scale(sheet, (scale[0], top + scale[1] + 2), ("certain", "undecided"), _INDENT, ramp_W3, _INK)
    return sheet


def _enlarged(path: Path, width: int, height: int) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
