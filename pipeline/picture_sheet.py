"""Parts of a sheet of pictures: rows with captions, a legend of class colours, a scale of entropies. In pixels."""

# W pixels

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.common.labels import ClassSet

Colour = tuple[int, int, int]
Position = tuple[int, int]
"""Left and top."""

_SWATCH, _POINTS, _RAMP_HEIGHT = 12, 12, 12


class CaptionStyle(NamedTuple):
    """Captions of a row of pictures."""

    height: int
    """Of the line above the pictures."""
    top: int
    """Of the text within that line."""
    points: int
    ink: Colour


class LegendStyle(NamedTuple):
    """Entries of a legend: a swatch and a name each."""

    line: int
    swatch_top: int
    text_left: int
    gap: int
    """Between a name and the next swatch."""
    ink: Colour
    outline: Colour


def font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which is the same on every machine."""
    return ImageFont.load_default(points)


def draw_row(
    sheet: Image.Image, position: Position, tiles: Sequence[tuple[str, Image.Image]], gap: int, style: CaptionStyle
) -> None:
    """Draw pictures of one size side by side, each below its caption."""
    draw, (left, top) = ImageDraw.Draw(sheet), position
    for caption, picture in tiles:
        draw.text((left, top + style.top), caption, style.ink, font(style.points))
        sheet.paste(picture, (left, top + style.height))
        left += picture.width + gap


def class_entries(classes: ClassSet) -> list[tuple[str, Colour]]:
    """Return name and colour of each class."""
    return list(zip(classes.names, classes.palette, strict=True))


def legend_widths(entries: list[tuple[str, Colour]], style: LegendStyle) -> list[int]:
    """Return the width of each entry, with the gap to the next one."""
    return [style.text_left + int(font(_POINTS).getlength(name)) + style.gap for name, _ in entries]


def flow(widths: list[int], left: int, right: int, line: int) -> list[Position]:
    """Return where each of several entries begins, line by line; an entry that would pass ``right`` begins a line."""
    positions, x, y = [], left, 0
    for width in widths:
        if x > left and x + width > right:
            x, y = left, y + line
        positions.append((x, y))
        x += width
    return positions


def draw_legend(
    sheet: Image.Image, top: int, entries: list[tuple[str, Colour]], positions: list[Position], style: LegendStyle
) -> None:
    """Draw each entry at its position below ``top`` (`flow` with the style's line height)."""
    draw = ImageDraw.Draw(sheet)
    for (name, colour), (left, below) in zip(entries, positions, strict=True):
        swatch_top = top + below + style.swatch_top
        draw.rectangle((left, swatch_top, left + _SWATCH, swatch_top + _SWATCH), fill=colour, outline=style.outline)
        draw.text((left + style.text_left, top + below + 2), name, style.ink, font(_POINTS))


def draw_scale(
    sheet: Image.Image, position: Position, ends: tuple[str, str], indent: int, ramp_W3: np.ndarray, ink: Colour
) -> None:
    """Draw the words of the lower end, after ``indent`` pixels the colours (W,3) uint8, the words of the upper end."""
    draw, (left, top) = ImageDraw.Draw(sheet), position
    draw.text((left, top), ends[0], ink, font(_POINTS))
    sheet.paste(Image.fromarray(np.tile(ramp_W3[None], (_RAMP_HEIGHT, 1, 1))), (left + indent, top + 2))
    draw.text((left + indent + len(ramp_W3) + 6, top), ends[1], ink, font(_POINTS))
