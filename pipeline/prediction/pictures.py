"""The images to be predicted, and the names of their predictions: of a folder, a file, a list, a prepared split."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, reduce
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.common.tiling import Window, picture_of
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.listing import IMAGE_SUFFIXES, files_below, without_suffix
from pipeline.datasets.loading import Crop, window
from pipeline.datasets.manifest import Manifest, Row
from pipeline.datasets.walking import passed_over

LIST_SUFFIXES = (".txt", ".lst")
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")
_FRAMES = "write its frames into a folder first: `mkdir frames; ffmpeg -i VIDEO frames/%06d.png`"


class Picture(NamedTuple):
    """One image, and the path of its prediction below the folder of predictions."""

    path: Path
    name: str
    crop: Crop | None
    reading: ImageReading = AS_THEY_ARE
    size: tuple[int, int] | None = None
    """(H,W) of the whole upright image, where a manifest knows it."""
    own: Window | None = None
    """Of a tile, the window of the image that no other tile answers for."""


class Pictures(Sequence[Picture]):
    """Images that are opened one by one."""

    source: str
    """Where they come from: distinguishes them from others of the same names."""
    folder: Path
    """All images are below it."""
    left_out: Mapping[str, int] = {}
    """How many files beside them are not predicted, by what they are."""


class NamedPictures(Pictures):
    """Images below a folder, by their names; a prediction has its image's relative path, as a PNG.

    Raises:
        ReadableError: there is no image, or two images differ in their suffix only.
    """

    def __init__(self, folder: Path, names: Sequence[str], source: str) -> None:
        self.folder, self._names, self.source = folder, sorted(names, key=natural), source
        if not self._names:
            raise ReadableError(f"{source}: holds no image ({', '.join(IMAGE_SUFFIXES)}){_videos_in(folder)}")
        stems = sorted(self._names, key=without_suffix)
        for first, second in pairwise(stems):
            if without_suffix(first) == without_suffix(second):
                raise ReadableError(f"{source}: {first} and {second} would have one prediction; move one of them")

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: int) -> Picture:  # type: ignore[override]
        name = self._names[position]
        return Picture(self.folder / name, f"{without_suffix(name)}.png", None)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sorting key by which frame2 comes before frame10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def folder_pictures(folder: Path, apart_from: Path) -> Pictures:
    """Return all images below a folder, without the folder ``apart_from`` of predictions.

    Raises:
        ReadableError: there is no image, or two images differ in their suffix only.
    """
    inside = apart_from if apart_from.is_dir() and not apart_from.samefile(folder) else None
    with passed_over() as left_out:
        names = list(files_below(folder, IMAGE_SUFFIXES, apart_from=inside))
    if not names:
        raise ReadableError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)}){_videos_in(folder)}")
    pictures = NamedPictures(folder, names, str(folder.resolve()))
    pictures.left_out = left_out
    return pictures


def file_pictures(path: Path) -> Pictures:
    """Return the image, or the images that a list (.txt) names, one a line.

    A line is a path, absolute or relative to the list's folder or to the current one; of several columns the first
    counts; empty lines and lines that begin with # are passed over.

    Raises:
        ReadableError: it is a video or neither an image nor a list, or a line of the list names no file.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return NamedPictures(path.parent, [path.name], str(path.resolve()))
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise ReadableError(f"{path}: is a video; {_FRAMES}")
    if path.suffix.lower() not in LIST_SUFFIXES:
        known = ", ".join((*IMAGE_SUFFIXES, *LIST_SUFFIXES))
        raise ReadableError(f"{path}: is neither an image nor a list of images ({known})")
    listed = _listed(path)
    folder = Path(os.path.commonpath([item.parent for item in listed]))
    return NamedPictures(folder, [str(item.relative_to(folder)) for item in listed], f"{path.resolve()}")


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ReadableError(f"{path}: is not a text file (UTF-8)") from None
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise ReadableError(f"{path}: names no image")
    files = [_file_of(line, path.parent) for line in named]
    missing = [line for line, file in zip(named, files, strict=True) if file is None]
    if missing:
        raise ReadableError(
            f"{path}: {len(missing)} of {len(named)} lines name no file, relative to {path.parent} or to the current "
            f"folder, such as {missing[0]!r}"
        )
    return list(dict.fromkeys(file for file in files if file is not None))


def _file_of(line: str, folder: Path) -> Path | None:
    """Return the file that a line names: the whole line, or its first column."""
    candidates = [base / name for name in (line, line.split()[0]) for base in (folder, Path())]
    return next((Path(os.path.normpath(file.absolute())) for file in candidates if file.is_file()), None)


def _videos_in(folder: Path) -> str:
    """Return what to do where a folder holds videos."""
    video = next(iter(sorted(files_below(folder, VIDEO_SUFFIXES))), None)
    return "" if video is None else f", but a video ({video}); {_FRAMES}"


class SplitPictures(Pictures):
    """The images of a prepared split, cropped; a prediction is named after its image's id.

    Of a split that is cut into tiles these are the whole pictures.
    """

    def __init__(self, manifest: Path, crop: Crop | None, reading: ImageReading = AS_THEY_ARE) -> None:
        self._manifest, self._crop, self._reading = Manifest(manifest), crop, reading
        window = "" if crop is None else f", crop {', '.join(map(str, crop))}"
        self.source = f"{manifest} of hash {file_hash(manifest)}{window}"
        self._positions = _first_rows(self._manifest)

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> Picture:  # type: ignore[override]
        row = self._manifest[self._positions[position]]
        name = row.id if row.image_box is None else picture_of(row.id)
        return self._picture(row)._replace(name=f"{name}.png")

    def of_id(self, identity: str) -> Picture:
        """Return the image of an id, or the tile as a window of its picture; raise DataError where there is none."""
        row = self._manifest[self._manifest.index_of(identity)]
        picture = self._picture(row)
        if row.image_box is None or row.own is None:
            return picture
        return picture._replace(crop=window(row.image_box), own=window(row.own))

    def _picture(self, row: Row) -> Picture:
        return Picture(Path(row.image), f"{row.id}.png", self._crop, self._reading, (row.height, row.width))

    @cached_property
    def folder(self) -> Path:  # type: ignore[override]
        """The folder below which all images are; the manifest is read through for it."""
        return Path(reduce(lambda one, other: os.path.commonpath([one, other]), map(_folder_of, self._manifest)))


def _folder_of(row: Row) -> str:
    return str(Path(row.image).parent)


def _first_rows(manifest: Manifest) -> Sequence[int]:
    """Return the position of each picture's only row, or of its first tile's; tiles of a picture are neighbours."""
    if manifest[0].image_box is None:
        return range(len(manifest))
    pictures = groupby(enumerate(manifest), key=lambda item: item[1].image)
    return [next(tiles)[0] for _, tiles in pictures]
