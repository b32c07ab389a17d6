"""A picture of the rounds: one target image, and what each network makes of it.

# H/W pixels
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.inspection.results import Result

_CAPTION, _GAP = 18, 4


def draw_strip(runs: Path, results: list[Result], headline: str, place: int) -> Image.Image | None:
    """Input and label, then prediction above entropy for each run; None where the runs have no gallery."""
    folders = [(result, runs / result.name / "gallery") for result in results]
    folders = [(result, folder) for result, folder in folders if (folder / f"{place}-input.png").exists()]
    if not folders:
        return None
    first = folders[0][1]
    columns = [("target image", first / f"{place}-input.png", "its label (unseen)", first / f"{place}-label.png")]
    for result, folder in folders:
        value = result.metrics.get(headline)
        score = "" if value is None else f"  {headline} {100 * value:.1f}"
        columns.append(
            (result.name + score, folder / f"{place}-prediction.png", "entropy", folder / f"{place}-entropy.png")
        )
    return _sheet(columns)


def _sheet(columns: list[tuple[str, Path, str, Path]]) -> Image.Image:
    with Image.open(columns[0][1]) as example:
        width, height = example.size
    row = height + _CAPTION
    sheet = Image.new("RGB", (len(columns) * (width + _GAP) - _GAP, 2 * row), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (upper_text, upper, lower_text, lower) in enumerate(columns):
        left = number * (width + _GAP)
        for top, text, path in ((0, upper_text, upper), (row, lower_text, lower)):
            draw.text((left, top + 2), text, fill="black", font=font)
            with Image.open(path) as picture:
                sheet.paste(picture.convert("RGB"), (left, top + _CAPTION))
    return sheet
