"""The pictures of a report: images that gained and lost most, the most uncertain ones, and a plain sample."""

# h/w pixels of the network's input

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.colours import entropy_picture
from pipeline.common.files import write_bytes
from pipeline.common.labels import IGNORE, ClassSet, colour_label
from pipeline.evaluation.images import PER_IMAGE, PREDICTIONS, ImageScore, PredictionsReader, Seen, read_scores
from pipeline.report.chains import Chain

PICTURES = "pictures"
EACH = 3
"""Images of each kind."""
WIDEST = 384  # pixels: the page must stay small enough to be mailed
# Okabe and Ito (2008) blue and vermilion: distinct with every kind of colour vision.
NEWLY_RIGHT, NEWLY_WRONG, STILL_RIGHT, STILL_WRONG = (0, 114, 178), (213, 94, 0), (226, 230, 234), (128, 134, 140)

ImageOf = Callable[[str], np.ndarray]


class Pick(NamedTuple):
    """An image of the gallery, and the reason for it."""

    why: str
    """``improved``, ``worsened`` or ``uncertain``."""
    image: str
    before: float | None
    """Pixel accuracy with the initial model."""
    after: float | None
    """Pixel accuracy with the chain's last round."""
    entropy: float
    """Mean of the last round's, nats."""


def choose(before: list[ImageScore], after: list[ImageScore], each: int = EACH) -> list[Pick]:
    """Return the images whose share of right pixels grew most, fell most, and those of the largest mean entropy.

    Only images that grew are among the improved, only those that fell among the worsened; ties keep the images' order.
    """
    first = {score.image: score.pixel_accuracy for score in before}
    pairs = [(score, first[score.image]) for score in after if score.image in first]
    changes = [
        (score.pixel_accuracy - earlier, score, earlier)
        for score, earlier in pairs
        if earlier is not None and score.pixel_accuracy is not None
    ]
    improved = sorted((row for row in changes if row[0] > 0), key=lambda row: -row[0])[:each]
    worsened = sorted((row for row in changes if row[0] < 0), key=lambda row: row[0])[:each]
    uncertain = sorted(pairs, key=lambda pair: -pair[0].entropy)[:each]
    return [
        *(_pick("improved", score, earlier) for _, score, earlier in improved),
        *(_pick("worsened", score, earlier) for _, score, earlier in worsened),
        *(_pick("uncertain", score, earlier) for score, earlier in uncertain),
    ]


def _pick(why: str, score: ImageScore, before: float | None) -> Pick:
    return Pick(why, score.image, before, score.pixel_accuracy, score.entropy)


def draw_gallery(
    runs: Path, chains: list[Chain], image_of: ImageOf, classes: ClassSet, destination: Path
) -> list[dict[str, Any]]:
    """Write the chosen images of each chain into ``destination``; return one row for each, with its files' names."""
    rows: list[dict[str, Any]] = []
    for chain in chains:
        initial, last = runs / chain.initial, runs / chain.last
        if not all((folder / name).exists() for folder in (initial, last) for name in (PER_IMAGE, PREDICTIONS)):
            continue
        with PredictionsReader(initial / PREDICTIONS) as earlier, PredictionsReader(last / PREDICTIONS) as later:
            for pick in choose(read_scores(initial / PER_IMAGE), read_scores(last / PER_IMAGE)):
                files = {"input": photograph(image_of(pick.image))}
                files |= compared(earlier.image(pick.image), later.image(pick.image), classes)
                stem = f"{chain.last}-{len(rows)}"
                names = {what: _write(destination, f"{stem}-{what}", data) for what, data in files.items()}
                rows.append({"run": chain.last, "initial": chain.initial, **pick._asdict(), "files": names})
    return rows


def draw_sample(runs: Path, names: list[str], destination: Path) -> list[dict[str, Any]]:
    """Write the runs' galleries (a few images spread evenly over the split) as small pictures; return the files."""
    folders = {name: runs / name / "gallery" for name in names if (runs / name / "gallery").is_dir()}
    if not folders:
        return []
    first = next(iter(folders.values()))
    numbers = sorted((path.name.split("-")[0] for path in first.glob("*-input.png")), key=int)
    return [
        {
            "input": _write(destination, f"sample-{number}-input", photograph(_opened(first / f"{number}-input.png"))),
            "label": _write(destination, f"sample-{number}-label", drawing(_opened(first / f"{number}-label.png"))),
            "runs": {
                name: {
                    what: _write(
                        destination, f"sample-{number}-{name}-{what}", drawing(_opened(folder / f"{number}-{what}.png"))
                    )
                    for what in ("prediction", "entropy")
                }
                for name, folder in folders.items()
                if (folder / f"{number}-prediction.png").exists()
            },
        }
        for number in numbers
    ]


def compared(before: Seen, after: Seen, classes: ClassSet) -> dict[str, bytes]:
    """Return PNGs of one image: truth, both predictions, where they differ, and the later entropy."""
    return {
        "truth": drawing(colour_label(after.truth_hw, classes)),
        "before": drawing(colour_label(before.label_hw, classes)),
        "after": drawing(colour_label(after.label_hw, classes)),
        "change": drawing(change_picture(after.truth_hw, before.label_hw, after.label_hw)),
        "entropy": drawing(entropy_picture(after.entropy_share_hw)),
    }


def change_picture(truth_hw: np.ndarray, before_hw: np.ndarray, after_hw: np.ndarray) -> np.ndarray:
    """Return (h,w,3) uint8: blue newly right, orange newly wrong, light right, dark wrong in both, white ignored."""
    was, is_ = before_hw == truth_hw, after_hw == truth_hw
    picture_hw3 = np.full((*truth_hw.shape, 3), 255, dtype=np.uint8)
    for mask_hw, colour in (
        (~was & is_, NEWLY_RIGHT),
        (was & ~is_, NEWLY_WRONG),
        (was & is_, STILL_RIGHT),
        (~was & ~is_, STILL_WRONG),
    ):
        picture_hw3[mask_hw & (truth_hw != IGNORE)] = colour
    return picture_hw3


def photograph(image_hw3: np.ndarray) -> bytes:
    """Return a small JPEG."""
    return _encoded(_small(Image.fromarray(image_hw3), Image.Resampling.BOX), "JPEG", quality=88)


def drawing(image_hw3: np.ndarray) -> bytes:
    """Return a small PNG of at most 64 colours, exact if the picture has no more."""
    small = _small(Image.fromarray(image_hw3), Image.Resampling.NEAREST)
    return _encoded(small.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def _small(picture: Image.Image, filter_: Image.Resampling) -> Image.Image:
    if picture.width <= WIDEST:
        return picture
    return picture.resize((WIDEST, max(1, round(picture.height * WIDEST / picture.width))), filter_)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _opened(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _write(destination: Path, stem: str, data: bytes) -> str:
    name = stem + (".jpg" if data.startswith(b"\xff\xd8") else ".png")
    write_bytes(destination / name, data)
    return name


def forget_pictures(destination: Path) -> None:
    """Delete the pictures of an earlier report."""
    shutil.rmtree(destination, ignore_errors=True)
