"""Prepared splits by name: what ``prepare`` has resolved of a split, so that no later stage needs its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.files import file_hash, read_json, write_json
from pipeline.common.labels import ClassSet, id_table
from pipeline.common.tiling import Tiling
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoding import Decoder
from pipeline.datasets.loading import Crop, Size, SplitImages, SplitLabels
from pipeline.datasets.manifest import AGAIN, Manifest, manifest_path
from pipeline.datasets.problems import DataError

SPLIT = "split.json"
HELD_BACK = "source-held-back"
"""The part of the source that no training reads; it may be missing."""
PREPARED = ("source", "target", "target-labelled", "evaluation", HELD_BACK)
"""Splits that `prepare` writes; every other one is a translation."""
_VERSION = 1


class LabelFormat(NamedTuple):
    """How the label files of a split become classes."""

    crop: Crop | None
    decoder: Decoder
    class_of_id: dict[int, str]
    """Name of a class or "ignore"; ids that are missing are errors in a label."""
    folds: int = 1
    """Into how many runs an evaluation cuts the images (folds.py)."""


class PreparedSplit(NamedTuple):
    """What is true of all files of a prepared split."""

    class_names: tuple[str, ...]
    """The classes that params.yaml named when it was prepared."""
    size: Size | None
    """Height, width of its own; None for that of all images."""
    crop: Crop | None
    labels: LabelFormat | None
    """None in a split that keeps labels private."""
    reading: ImageReading = AS_THEY_ARE
    """Which bands and which range of its images become red, green and blue."""
    tiling: Tiling | None = None
    """How its pictures are cut into the images of the manifest; None where each is one image."""


def images_of(name: str, size: Size) -> SplitImages:
    """Open the images of a prepared split at its own size, or else at ``size``."""
    manifest, split = Manifest(manifest_path(name)), prepared_split(name)
    return SplitImages(manifest, crop=split.crop, size=split.size or size, reading=split.reading)


def labels_of(name: str, classes: ClassSet, size: Size | None) -> SplitLabels:
    """Open the labels of a prepared split, resized to ``size``, or at their own resolution where it is None.

    Raises:
        DataError: the split keeps its labels private, or was prepared by another version or for other classes.
    """
    require_classes(name, classes)
    manifest, labels = Manifest(manifest_path(name)), prepared_split(name).labels
    if labels is None:
        raise DataError(f"{manifest.path}: is a manifest without labels; labels of a target are kept from training")
    table = id_table(labels.class_of_id, classes)
    return SplitLabels(manifest, crop=labels.crop, size=size, table=table, read=labels.decoder.reader())


def require_classes(name: str, classes: ClassSet) -> None:
    """Raise DataError where a split was prepared for other classes than these: DVC would have prepared it again."""
    prepared = prepared_split(name).class_names
    if prepared != classes.names:
        raise DataError(f"{manifest_path(name)}: {_other_classes(prepared, classes.names)}; run `dvc repro`")


def _other_classes(prepared: tuple[str, ...], chosen: tuple[str, ...]) -> str:
    here = [name for name in prepared if name not in chosen]
    there = [name for name in chosen if name not in prepared]
    if not here and not there:
        return "was prepared for the same classes in another order than those of params.yaml"
    only = [f"{', '.join(names)} only {where}" for names, where in ((here, "here"), (there, "there")) if names]
    return f"was prepared for other classes than those of params.yaml ({'; '.join(only)})"


def prepared_split(name: str) -> PreparedSplit:
    """Read what ``prepare`` has written beside the manifest of a split.

    Raises:
        DataError: it was prepared by another version of this program, which did not write it or wrote it otherwise.
    """
    path = manifest_path(name).with_name(SPLIT)
    try:
        read = read_json(path)
        if read.pop("version") == _VERSION:
            return _split_of(**read)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    again = AGAIN if name in PREPARED else f"run `dvc repro -f translate@{name}`"
    raise DataError(f"{path}: is missing or of another version of this program; {again}")


def write_split(folder: Path, split: PreparedSplit) -> None:
    """Write what ``prepared_split`` reads into the folder of a split."""
    labels = split.labels and {**split.labels._asdict(), "decoder": split.labels.decoder._asdict()}
    read = {"version": _VERSION, **split._asdict(), "labels": labels, "reading": split.reading._asdict()}
    read["tiling"] = split.tiling and split.tiling._asdict()
    if split.reading == AS_THEY_ARE:
        del read["reading"]
    if split.tiling is None:
        del read["tiling"]
    write_json(folder / SPLIT, read)


def content_of(name: str) -> list[str]:
    """Return hashes of what a prepared split names and says: equal hashes, equal images."""
    manifest = manifest_path(name)
    return [file_hash(manifest), file_hash(manifest.with_name(SPLIT))]


def _split_of(
    class_names: list[str],
    size: Any,
    crop: Any,
    labels: dict[str, Any] | None,
    reading: dict[str, Any] | None = None,
    tiling: dict[str, Any] | None = None,
) -> PreparedSplit:
    format_ = None if labels is None else _labels(**labels)
    cut = None if tiling is None else Tiling(_tuple(tiling["tile"]), tiling["overlap"])
    return PreparedSplit(tuple(class_names), _tuple(size), _tuple(crop), format_, _reading(**(reading or {})), cut)


def _reading(bands: Any = None, range: Any = None) -> ImageReading:
    return ImageReading(_tuple(bands), _tuple(range))


def _labels(crop: Any, decoder: dict[str, Any], class_of_id: dict[str, str], folds: int) -> LabelFormat:
    by_id = {int(identity): name for identity, name in class_of_id.items()}
    return LabelFormat(_tuple(crop), Decoder(**decoder), by_id, folds)


def _tuple(values: list[int] | None) -> Any:
    return None if values is None else tuple(values)
