"""One image of a round as a sheet of pictures, for papers and terminals without a browser."""

# H/W pixels

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from pipeline.common.box import Box
from pipeline.common.errors import ReadableError
from pipeline.picture_sheet import (
    CaptionStyle,
    LegendStyle,
    class_entries,
    draw_legend,
    draw_row,
    draw_scale,
    flow,
    font,
    legend_widths,
)
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.layers import DROPPED, LAYERS, LayerRequest, entropy_colours, layer
from pipeline.viewer.run_view import RunView

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
_WIDTH, _GAP, _COLUMNS, _RAMP, _BLACK = 480, 8, 2, 160, (0, 0, 0)
_CAPTION = CaptionStyle(22, 3, 13, _BLACK)
_LEGEND = LegendStyle(line=18, swatch_top=3, text_left=18, gap=16, ink=_BLACK, outline=_BLACK)


class _Picture(NamedTuple):
    title: str
    picture: Image.Image


def show_sheet(
    run: RunView, image_id: str, inputs: Inputs, against: RunView | None = None, only: tuple[str, ...] = ()
) -> Image.Image:
    """Draw all layers that the image has, or those named, with titles, patches, the entropy scale and a legend.

    Raises:
        ReadableError: if the cache does not have the image, or the image does not have a named layer.
    """
    run.index.number(image_id)
    request = LayerRequest(run, image_id, inputs, against)
    pictures = [_picture(name, request, run) for name in only or SHEET if only or _is_there(name, request, run)]
    return _sheet(_heading(run, image_id), pictures, run)


def _is_there(name: str, request: LayerRequest, run: RunView) -> bool:
    if name == "input":
        return not request.inputs.problems.get("target")
    if name == "label":
        return run.truth(request.image_id, request.inputs) is not None
    return name in ("prediction", "entropy") or run.selection is not None


def _picture(name: str, request: LayerRequest, run: RunView) -> _Picture:
    if name not in LAYERS:
        raise ReadableError(f"there is no layer {name!r}; choose of {', '.join(LAYERS)}")
    height, width = run.size
    below_HW3 = np.full((height, width, 3), 255 if request.inputs.problems.get("target") else 0, np.uint8)
    if not request.inputs.problems.get("target"):
        below_HW3 = request.inputs.image(request.image_id, (height, width))
    drawn = Image.fromarray(layer(name, request).over(below_HW3))
    scale = max(1, round(_WIDTH / width))
    drawn = drawn.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    if name in ("input", "mask", "pseudo"):
        _draw_patches(drawn, run.patches(request.image_id), scale)
    return _Picture(_TITLES[name], drawn)


def _draw_patches(drawn: Image.Image, boxes: list[Box], scale: int) -> None:
    draw = ImageDraw.Draw(drawn)
    for number, box in enumerate(boxes, start=1):
        left, top = box.left * scale, box.top * scale
        corners = (left, top, left + box.width * scale - 1, top + box.height * scale - 1)
        draw.rectangle(corners, outline=(0, 0, 0), width=4)
        draw.rectangle(corners, outline=(255, 255, 255), width=2)
        draw.text((left + 6, top + 4), str(number), "white", font(14), stroke_width=2, stroke_fill="black")


def _heading(run: RunView, image_id: str) -> str:
    number = run.index.number(image_id)
    share = run.index.statistic("entropy_mean")[number] / math.log(run.index.spec.classes)
    chosen = run.chosen(image_id)
    cache = f"predictions of {run.network}, with which {run.name} began" if run.network else run.name
    return f"{cache}  ·  {image_id}  ·  mean entropy {100 * share:.1f} % of ln C{f'  ·  {chosen}' if chosen else ''}"


def _sheet(heading: str, pictures: list[_Picture], run: RunView) -> Image.Image:
    width, height = pictures[0].picture.size
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    total = columns * (width + _GAP) + _GAP
    entries = [*class_entries(run.classes), ("dropped", DROPPED)]
    positions = flow(legend_widths(entries, _LEGEND), _GAP, total, _LEGEND.line)
    top, row = _GAP + _LEGEND.line + 4, height + _CAPTION.height + _GAP
    legend_top = top + rows * row
    scale_top = legend_top + positions[-1][1] + _LEGEND.line
    sheet = Image.new("RGB", (total, scale_top + _LEGEND.line + 2 * _GAP), "white")
    ImageDraw.Draw(sheet).text((_GAP, _GAP), heading, _BLACK, font(15))
    for number in range(rows):
        tiles = pictures[number * columns :][:columns]
        draw_row(sheet, (_GAP, top + number * row), tiles, _GAP, _CAPTION)
    draw_legend(sheet, legend_top, entries, positions, _LEGEND)
    ends = ("entropy 0", f"ln C = {math.log(run.index.spec.classes):.2f} nats")
    ramp_W3 = np.array(entropy_colours(), np.uint8)[np.arange(_RAMP) * 255 // (_RAMP - 1)]
    draw_scale(sheet, (_GAP, scale_top + _GAP // 2), ends, 64, ramp_W3, _BLACK)
    return sheet
