"""The images to be predicted, and the names of their predictions: a folder's, or a prepared split's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.listing import IMAGE_SUFFIXES, files_below, without_suffix
from pipeline.datasets.loading import Crop
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.walking import passed_over


class Picture(NamedTuple):
    """One image, and the path of its prediction below the folder of predictions."""

    path: Path
    name: str
    crop: Crop | None
    reading: ImageReading = AS_THEY_ARE


class Pictures(Sequence[Picture]):
    """Images that are opened one by one."""

    source: str
    """Where they come from: distinguishes them from others of the same names."""
    left_out: Mapping[str, int] = {}
    """How many files beside them are not predicted, by what they are."""


class FolderPictures(Pictures):
    """All images below a folder; a prediction has its image's relative path, as a PNG.

    Raises:
        ReadableError: there is no image, or two images differ in their suffix only.
    """

    def __init__(self, folder: Path, apart_from: Path) -> None:
        self._folder, self.source = folder, str(folder.resolve())
        inside = apart_from if apart_from.is_dir() and not apart_from.samefile(folder) else None
        with passed_over() as self.left_out:
            self._names = sorted(files_below(folder, IMAGE_SUFFIXES, apart_from=inside))
        if not self._names:
            raise ReadableError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
        stems = sorted(self._names, key=without_suffix)
        for first, second in pairwise(stems):
            if without_suffix(first) == without_suffix(second):
                raise ReadableError(f"{folder}: {first} and {second} would have one prediction; move one of them")

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: int) -> Picture:  # type: ignore[override]
        name = self._names[position]
        return Picture(self._folder / name, f"{without_suffix(name)}.png", None)


class SplitPictures(Pictures):
    """The images of a prepared split, cropped; a prediction is named after its image's id."""

    def __init__(self, manifest: Path, crop: Crop | None, reading: ImageReading = AS_THEY_ARE) -> None:
        self._manifest, self._crop, self._reading = Manifest(manifest), crop, reading
        window = "" if crop is None else f", crop {', '.join(map(str, crop))}"
        self.source = f"{manifest} of hash {file_hash(manifest)}{window}"

    def __len__(self) -> int:
        return len(self._manifest)

    def __getitem__(self, position: int) -> Picture:  # type: ignore[override]
        row = self._manifest[position]
        return Picture(Path(row.image), f"{row.id}.png", self._crop, self._reading)
