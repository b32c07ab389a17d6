"""A picture of the rounds: one target image, and what each network makes of it.

# H/W pixels
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.common.colours import entropy_picture
from pipeline.common.labels import ClassSet
from pipeline.evaluation.results import Result

_GAP, _CAPTION, _LABEL, _LINE = 6, 24, 18, 20
_INK, _QUIET, _PAPER = (27, 31, 36), (87, 96, 106), "white"
_NARROWEST = 224
"""Smaller pictures (digits) are enlarged by a whole number, so that the captions have room."""


class Column(NamedTuple):
    """Two pictures, one above the other."""

    caption: str
    upper: Path
    lower: Path


def draw_strip(runs: Path, results: list[Result], headline: str, classes: ClassSet, place: int) -> Image.Image | None:
    """Input above label, then prediction above entropy of each run; None where the runs have no gallery."""
    folders = [(result, runs / result.name / "gallery") for result in results]
    folders = [(result, folder) for result, folder in folders if (folder / f"{place}-input.png").exists()]
    if not folders:
        return None
    first = folders[0][1]
    columns = [Column("target image", first / f"{place}-input.png", first / f"{place}-label.png")]
    columns += [
        Column(_caption(result, headline), folder / f"{place}-prediction.png", folder / f"{place}-entropy.png")
        for result, folder in folders
    ]
    return _sheet(columns, classes)


def _caption(result: Result, headline: str) -> str:
    value = result.metrics.get(headline)
    return result.name + ("" if value is None else f"  {headline} {100 * value:.1f}")


def _sheet(columns: list[Column], classes: ClassSet) -> Image.Image:
    with Image.open(columns[0].upper) as example:
        factor = -(-_NARROWEST // example.width)
        width, height = example.width * factor, example.height * factor
    across = len(columns) * (width + _GAP) - _GAP
    legend = _legend(classes, across)
    top = _CAPTION + 2 * height + 2 * _LABEL
    sheet = Image.new("RGB", (across, top + legend.height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, column in enumerate(columns):
        left = number * (width + _GAP)
        draw.text((left, 2), column.caption, fill=_INK, font=ImageFont.load_default(15))
        lower = _CAPTION + height + _LABEL
        words = "entropy" if number else "its label, unseen"
        draw.text((left, _CAPTION + height + 1), words, fill=_QUIET, font=ImageFont.load_default(12))
        for y, path in ((_CAPTION, column.upper), (lower, column.lower)):
            with Image.open(path) as picture:
                enlarged = picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
                sheet.paste(enlarged, (left, y))
    sheet.paste(legend, (0, top))
    return sheet


def _legend(classes: ClassSet, width: int) -> Image.Image:
    """The palette and the scale of the entropies, in as many lines as the width needs."""
    font = ImageFont.load_default(12)
    entries = [
        (name, colour, 20 + int(font.getlength(name)) + 12)
        for name, colour in zip(classes.names, classes.palette, strict=True)
    ]
    scale = 64 + 120 + 76
    lines: list[list[tuple[str, tuple[int, int, int], int]]] = [[]]
    for entry in entries:
        if lines[-1] and sum(taken for _, _, taken in lines[-1]) + entry[2] > width:
            lines.append([])
        lines[-1].append(entry)
    fits = sum(taken for _, _, taken in lines[-1]) + scale <= width
    picture = Image.new("RGB", (width, _LINE * (len(lines) + (not fits)) + 2), _PAPER)
    draw, x, y = ImageDraw.Draw(picture), 0, 0
    for number, line in enumerate(lines):
        x, y = 0, number * _LINE
        for name, colour, taken in line:
            draw.rectangle((x, y + 4, x + 12, y + 16), fill=colour, outline=_QUIET)
            draw.text((x + 17, y + 2), name, fill=_INK, font=font)
            x += taken
    x, y = (x, y) if fits else (0, y + _LINE)
    draw.text((x, y + 2), "certain", fill=_INK, font=font)
    ramp_HW = np.tile(np.linspace(0, 1, 120), (12, 1))
    picture.paste(Image.fromarray(entropy_picture(ramp_HW)), (x + 48, y + 4))
    draw.text((x + 174, y + 2), "undecided", fill=_INK, font=font)
    return picture
