"""What a folder of images is: a published data set by its structure, or one's own images and labels."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from PIL import Image
from pydantic import TypeAdapter

from pipeline.common.errors import ReadableError
from pipeline.datasets.entries import Entry, entries
from pipeline.datasets.listing import IMAGE_SUFFIXES
from pipeline.params import AnySplit

Part = Literal["source", "target", "evaluation"]
IMAGES = ("images", "image", "imgs", "img", "rgb", "JPEGImages", "photos", "pictures")
LABELS = ("labels", "label", "masks", "mask", "annotations", "gt", "segmentation", "SegmentationClass")
_TRAINING = ("", "train", "training")
_SCORING = ("val", "valid", "validation", "test", "")
_WIDTH_OF_GTA5 = 1914
_NO_MAP = {"class_map": {0: "ignore"}}
"""Stands in until the labels are looked at: nothing is decoded by it."""


class ImageFolder(NamedTuple):
    """A folder, as a section of params.yaml (of one's own data without its ``class_map``)."""

    section: dict[str, Any]
    why: str
    """What was seen."""
    images: int
    has_labels: bool

    @property
    def published(self) -> bool:
        """Whether ids have the meaning that the data set's authors gave them."""
        return bool(self.section["layout"] != "folder")

    def entries(self) -> list[Entry]:
        """Return the images with their labels."""
        return list(entries(_split(self.section)))


def look_at(folder: Path, part: Part) -> ImageFolder:
    """Say what a folder is, for the source, the target or the evaluation.

    Raises:
        ReadableError: there is no such folder, or it has no images that any layout knows: what was looked for.
    """
    if not folder.is_dir():
        raise ReadableError(f"{folder}: there is no such folder")
    section, why = _published(folder, part) or _own(folder, part)
    listing = entries(_split(section))
    images = operator.length_hint(listing)
    return ImageFolder(section, why, images, any(entry.label is not None for entry in listing))


def _split(section: dict[str, Any]) -> AnySplit:
    if section["layout"] == "folder" and section["labels"] is not None:
        section = _NO_MAP | section
    split: AnySplit = TypeAdapter(AnySplit).validate_python(section)
    return split


def _published(folder: Path, part: Part) -> tuple[dict[str, Any], str] | None:
    """Return the section of a published data set that a folder has the structure of; the first that fits."""
    split = "val" if part == "evaluation" else "train"
    known: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
        ("Cityscapes", ("leftImg8bit",), {"layout": "cityscapes", "split": split}),
        ("SYNTHIA", ("RGB", "GT/LABELS"), {"layout": "synthia"}),
        ("Synscapes", ("img/rgb", "img/class"), {"layout": "synscapes"}),
        ("BDD100K", ("images/10k",), {"layout": "bdd100k", "split": split}),
        (
            "SegNet's copy of CamVid",
            ("train", "trainannot"),
            {"layout": "camvid", "edition": "segnet-11", "split": split},
        ),
        ("CamVid", ("701_StillsRaw_full", "LabeledApproved_full"), {"layout": "camvid", "edition": "original-32"}),
    ]
    for name, insides, section in known:
        if all((folder / inside).is_dir() for inside in insides):
            return section | {"root": str(folder)}, f"{name}, by its folders {', '.join(insides)}"
    if _is_gta5(folder):
        return {"layout": "gta5", "root": str(folder)}, "GTA5, by its names and size"
    return None


def _is_gta5(folder: Path) -> bool:
    """Return whether names have five digits and an image GTA5's usual width; CARLA's have such names."""
    images = _some_images(folder / "images") if (folder / "labels").is_dir() else []
    if not images or not all(re.fullmatch(r"\d{5}\.png", path.name) for path in images):
        return False
    with suppress(OSError), Image.open(images[0]) as picture:
        return picture.width == _WIDTH_OF_GTA5
    return False


def _own(folder: Path, part: Part) -> tuple[dict[str, Any], str]:
    """Return the section of one's own images: in a subfolder with a usual name, or in the folder itself."""
    for inside in _SCORING if part == "evaluation" else _TRAINING:
        base = folder / inside
        images = _subfolder(base, IMAGES, lambda path: bool(_some_images(path)))
        if images is None and _some_images(base):
            images = "."
        if images is not None:
            labels = _subfolder(base, LABELS, lambda path: bool(_some_images(path)))
            section = {"layout": "folder", "root": str(base), "images": images, "labels": labels}
            return section, f"one's own images in {base / images}, " + (
                f"labels of the same names in {base / labels}" if labels else "no folder of labels beside them"
            )
    raise ReadableError(
        f"{folder}: no images there; looked for a published data set, for {', '.join(IMAGES)} (with {', '.join(LABELS)}"
        f" beside it), and for image files ({', '.join(IMAGE_SUFFIXES)}); give the folder that holds them"
    )


def _subfolder(base: Path, names: tuple[str, ...], good: Callable[[Path], bool]) -> str | None:
    """Return the name of the first subfolder of a list, in either case."""
    if not base.is_dir():
        return None
    there = {path.name.lower(): path for path in base.iterdir() if path.is_dir()}
    paths: Iterator[Path] = (there[name.lower()] for name in names if name.lower() in there)
    return next((path.name for path in paths if good(path)), None)


def _some_images(folder: Path) -> list[Path]:
    """Return up to eight image files of a folder, or of folders in it where it has none itself."""
    if not folder.is_dir():
        return []
    pattern = "*" if any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir()) else "*/*"
    visible = (path for path in folder.glob(pattern) if not path.name.startswith("."))
    return list(islice((path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES), 8))
