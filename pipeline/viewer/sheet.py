"""One image of a round as a sheet of pictures, for papers and terminals without a browser."""

# H/W pixels

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.common.errors import ReadableError
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.layers import DROPPED, LAYERS, LayerRequest, entropy_colours, layer
from pipeline.viewer.run_view import OpenRun

SHEET = ("input", "prediction", "entropy", "mask", "pseudo", "label")
_TITLES = {
    "input": "target image",
    "prediction": "prediction",
    "entropy": "entropy",
    "mask": "selection (dark: dropped)",
    "pseudo": "pseudo-label",
    "label": "label (unseen)",
    "errors": "errors (orange)",
    "change": "change",
    "entropy-change": "change of entropy (blue: surer)",
}
_WIDTH, _CAPTION, _GAP, _LINE = 480, 22, 8, 18
_COLUMNS = 2


class _Picture(NamedTuple):
    title: str
    picture: Image.Image


def show_sheet(
    run: OpenRun, image_id: str, inputs: Inputs, against: OpenRun | None = None, only: tuple[str, ...] = ()
) -> Image.Image:
    """Draw all layers that the image has, or those named, with titles, patches, the entropy scale and a legend.

    Raises:
        ReadableError: if the cache does not have the image, or the image does not have a named layer.
    """
    run.index.number(image_id)
    request = LayerRequest(run, image_id, inputs, against)
    pictures = [_picture(name, request) for name in only or SHEET if only or _is_there(name, request)]
    return _sheet(_heading(run, image_id), pictures, run)


def _is_there(name: str, request: LayerRequest) -> bool:
    if name == "input":
        return not request.inputs.problem
    if name == "label":
        return request.inputs.label(request.image_id, request.run.index.spec) is not None
    return name in ("prediction", "entropy") or request.run.selection is not None


def _picture(name: str, request: LayerRequest) -> _Picture:
    if name not in LAYERS:
        raise ReadableError(f"there is no layer {name!r}; choose of {', '.join(LAYERS)}")
    height, width = request.run.index.spec.size
    below_HW3 = np.full((height, width, 3), 255 if request.inputs.problem else 0, np.uint8)
    if not request.inputs.problem:
        below_HW3 = request.inputs.image(request.image_id, (height, width))
    drawn = Image.fromarray(layer(name, request).over(below_HW3))
    scale = max(1, round(_WIDTH / width))
    drawn = drawn.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    if name in ("input", "mask", "pseudo"):
        _draw_patches(drawn, request, scale)
    return _Picture(_TITLES[name], drawn)


def _draw_patches(drawn: Image.Image, request: LayerRequest, scale: int) -> None:
    draw = ImageDraw.Draw(drawn)
    for number, box in enumerate(request.run.patches(request.image_id), start=1):
        left, top = box.left * scale, box.top * scale
        corners = (left, top, left + box.width * scale - 1, top + box.height * scale - 1)
        draw.rectangle(corners, outline=(0, 0, 0), width=4)
        draw.rectangle(corners, outline=(255, 255, 255), width=2)
        draw.text((left + 6, top + 4), str(number), "white", _font(14), stroke_width=2, stroke_fill="black")


def _heading(run: OpenRun, image_id: str) -> str:
    number = run.index.number(image_id)
    share = run.index.statistic("entropy_mean")[number] / math.log(run.index.spec.classes)
    chosen = run.chosen(image_id)
    cache = f"  ·  cache of {run.network}" if run.network else ""
    return f"{run.name}{cache}  ·  {image_id}  ·  mean entropy {100 * share:.1f} %{f'  ·  {chosen}' if chosen else ''}"


def _sheet(heading: str, pictures: list[_Picture], run: OpenRun) -> Image.Image:
    width, height = pictures[0].picture.size
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    total = columns * (width + _GAP) + _GAP
    entries = _legend_entries(run)
    legend = _flow(entries, total)
    top, row = _GAP + _LINE + 4, height + _CAPTION + _GAP
    sheet = Image.new("RGB", (total, top + rows * row + (legend[-1][1] + _LINE) + _LINE + 2 * _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), heading, "black", _font(15))
    for number, (title, picture) in enumerate(pictures):
        left, upper = _GAP + (number % columns) * (width + _GAP), top + (number // columns) * row
        draw.text((left, upper + 3), title, "black", _font(13))
        sheet.paste(picture, (left, upper + _CAPTION))
    _draw_legend(draw, entries, legend, top + rows * row)
    _draw_scale(sheet, top + rows * row + legend[-1][1] + _LINE + _GAP // 2, run.index.spec.classes)
    return sheet


def _legend_entries(run: OpenRun) -> list[tuple[str, tuple[int, int, int]]]:
    return [*zip(run.classes.names, run.classes.palette, strict=True), ("dropped", DROPPED)]


def _flow(entries: list[tuple[str, tuple[int, int, int]]], width: int) -> list[tuple[int, int]]:
    """Where each entry of the legend stands, line by line."""
    places, left, top = [], _GAP, 0
    for name, _ in entries:
        needs = 22 + math.ceil(_font(12).getlength(name)) + 12
        if left + needs > width:
            left, top = _GAP, top + _LINE
        places.append((left, top))
        left += needs
    return places


def _draw_legend(
    draw: ImageDraw.ImageDraw, entries: list[tuple[str, tuple[int, int, int]]], places: list[tuple[int, int]], top: int
) -> None:
    for (name, colour), (left, below) in zip(entries, places, strict=True):
        draw.rectangle((left, top + below + 3, left + 12, top + below + 15), fill=colour, outline="black")
        draw.text((left + 18, top + below + 2), name, "black", _font(12))


def _draw_scale(sheet: Image.Image, top: int, classes: int) -> None:
    """Entropy's colours from certain to ln C."""
    draw, left, width = ImageDraw.Draw(sheet), _GAP, 160
    label: Callable[[int, str], None] = lambda x, text: draw.text((x, top), text, "black", _font(12))  # noqa: E731
    label(left, "entropy 0")
    for place in range(width):
        colour = entropy_colours()[place * 255 // (width - 1)]
        draw.line((left + 64 + place, top + 2, left + 64 + place, top + 13), fill=colour)
    label(left + 64 + width + 6, f"ln C = {math.log(classes):.2f} nats")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
