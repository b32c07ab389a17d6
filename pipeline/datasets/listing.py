"""Which files a data set consists of: folders are walked and images are paired with labels by their ids.

Only names are held in memory, one string per file; an Entry is created on demand.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.pairing import pair_labels
from pipeline.datasets.problems import DataError
from pipeline.datasets.split_lists import read_list
from pipeline.datasets.walking import files_below

__all__ = [
    "EVERYTHING",
    "IMAGE_SUFFIXES",
    "SAME_NAME",
    "Choice",
    "Entry",
    "Listing",
    "Naming",
    "counted",
    "expanded",
    "files_below",
    "first_folder",
    "paired",
    "required_folder",
    "without_suffix",
]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Entry(NamedTuple):
    """One image and its label, not opened yet.

    A label without an image is an entry too: ``image`` is then the path at which the image should be, so that
    index_split can report it among the other problems.
    """

    id: str
    image: Path
    label: Path | None


class Listing(Iterator[Entry]):
    """Entries sorted by id, created one at a time; its length hint gives a progress bar its end."""

    def __init__(self, entries: Iterator[Entry], length: int) -> None:
        self._entries, self._left = entries, length

    def __next__(self) -> Entry:
        entry = next(self._entries)
        self._left = max(0, self._left - 1)
        return entry

    def __length_hint__(self) -> int:
        return self._left


def expanded(path: str) -> Path:
    """Return a path of params.yaml with ``~`` expanded; raise DataError where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"{path}: there is no such user here; write the path out") from None


def required_folder(root: Path, inside: str, advice: str) -> Path:
    """Return ``root/inside``; raise DataError where it is not a folder: what was sought, what is there, what to do."""
    return first_folder(root, (inside,), advice)


def first_folder(root: Path, insides: Sequence[str], advice: str) -> Path:
    """Return the first of the folders ``root/inside`` that exists; raise as required_folder where none does."""
    folders = [root / inside for inside in insides]
    existing = next((folder for folder in folders if folder.is_dir()), None)
    if existing is not None:
        return existing
    nearest = next(parent for parent in (folders[0], *folders[0].parents, Path()) if parent.is_dir())
    relative = "" if root.is_absolute() else f" (relative to {Path.cwd()})"
    looked = " or ".join(f"{inside}/" for inside in insides)
    better = _nearby(root, insides)
    hint = f" {better} has it: set `root` to that." if better is not None else ""
    raise DataError(
        f"{root}{relative}: looked for the folder {looked} there; {nearest} holds {_names(nearest)}. {advice}{hint}"
    )


def _nearby(root: Path, insides: Sequence[str], most: int = 200) -> Path | None:
    """A folder up to two levels above or below ``root`` that has what was looked for; the usual slip."""
    if not root.is_dir():
        return None
    below = _folders_in(root, most)
    below += [item for folder in below[:20] for item in _folders_in(folder, most)]
    absolute = root.absolute()
    candidates = (*below, absolute.parent, absolute.parent.parent)
    return next((item for item in candidates if any((item / inside).is_dir() for inside in insides)), None)


def _folders_in(folder: Path, most: int) -> list[Path]:
    try:
        return [item for item in islice(folder.iterdir(), most) if item.is_dir()]
    except OSError:  # such as lost+found
        return []


def without_suffix(name: str) -> str:
    """Return the id of a file: its path below the folder without the suffix; ``/`` is kept."""
    return name.rpartition(".")[0]


def counted(name: str) -> str:
    """Return the id of a file whose name may be a number without zeros in front: padded, so that 2 comes before 10."""
    folder, slash, stem = without_suffix(name).rpartition("/")
    return folder + slash + (stem.zfill(8) if stem.isdecimal() else stem)


class Naming(NamedTuple):
    """How a layout names its files, as functions of a path below the images' or the labels' folder."""

    identity: Callable[[str], str] = without_suffix
    image_of_label: Callable[[str], str] = str  # where the image of a label should be: by default the same name
    identity_of_label: Callable[[str], str] | None = None  # where it is not as images'

    @property
    def of_label(self) -> Callable[[str], str]:
        """Return the function from a label's name to its id."""
        return self.identity_of_label or self.identity


SAME_NAME = Naming()

Take = tuple[int | None, int | None]


class Choice(NamedTuple):
    """Which of a layout's images are used; labels of others are passed over."""

    listed: str | None = None
    """A file of ids, see read_list."""
    take: Take = (None, None)
    """Start and stop of the sorted ids, counted after ``listed``."""


EVERYTHING = Choice()


def paired(
    images: Path,
    image_names: Sequence[str],
    labels: Path | None,
    label_names: Sequence[str],
    naming: Naming,
    choice: Choice = EVERYTHING,
) -> Listing:
    """List entries of images and labels that have the same id, sorted by id.

    Names that differ in letter case or Unicode form are paired, too, and twins of labels left out (pairing.py).

    An image without label has ``label=None``. A label without image is listed (see Entry), and so is every
    combination where an id has several images or labels: index_split reports both.

    Raises:
        DataError: ``choice`` names images that are not there, or leaves none; a label may be of several images.
    """
    label_names, identity_of_label = pair_labels(image_names, naming.identity, label_names, naming.of_label)
    naming = naming._replace(identity_of_label=identity_of_label)
    if choice != EVERYTHING:
        image_names, label_names = _chosen(images, image_names, label_names, naming, choice)
    length = max(len(image_names), len(label_names))
    return Listing(_pairs(images, image_names, labels or images, label_names, naming), length)


def _chosen(
    images: Path, image_names: Sequence[str], label_names: Sequence[str], naming: Naming, choice: Choice
) -> tuple[Sequence[str], Sequence[str]]:
    image_names = sorted(image_names, key=naming.identity)
    label_names = sorted(label_names, key=naming.of_label)
    if choice.listed is not None:
        chosen = read_list(expanded(choice.listed), {naming.identity(name) for name in image_names}, naming.identity)
        image_names = [name for name in image_names if naming.identity(name) in chosen]
        label_names = [name for name in label_names if naming.of_label(name) in chosen]
    if choice.take != (None, None):
        taken = image_names[slice(*choice.take)]
        if not taken:
            raise DataError(f"{images}: `take` {list(choice.take)} keeps none of {len(image_names)} images")
        label_names = _between(label_names, naming.identity(taken[0]), naming.identity(taken[-1]), naming.of_label)
        image_names = taken
    return image_names, label_names


def _between(names: list[str], first: str, last: str, identity: Callable[[str], str]) -> list[str]:
    """Of sorted names those whose ids lie in the range of the images taken: labels outside belong to other splits."""
    start = bisect_left(names, first, key=identity)
    return names[start : bisect_right(names, last, key=identity)]


def _pairs(
    images: Path, image_names: Sequence[str], labels: Path, label_names: Sequence[str], naming: Naming
) -> Iterator[Entry]:
    merged = heapq.merge(
        ((naming.identity(name), 0, name) for name in sorted(image_names, key=naming.identity)),
        ((naming.of_label(name), 1, name) for name in sorted(label_names, key=naming.of_label)),
        key=itemgetter(0),
    )
    for identity, files in groupby(merged, key=itemgetter(0)):
        names: tuple[list[str], list[str]] = ([], [])
        for _, kind, name in files:
            names[kind].append(name)
        image_paths = [images / name for name in sorted(names[0])]
        label_paths: list[Path | None] = [labels / name for name in sorted(names[1])]
        for image in image_paths or [images / naming.image_of_label(names[1][0])]:
            for label in label_paths or [None]:
                yield Entry(identity, image, label)


def _names(folder: Path, most: int = 8) -> str:
    try:
        names = sorted(item.name + "/" * item.is_dir() for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"
    if not names:
        return "nothing"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
