"""The picture files below a folder; what systems leave among them is passed over, and counted for whoever asks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath

from pipeline.datasets.problems import DataError

LEFT_BY_SYSTEMS = frozenset((
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot", "~snapshot",
    "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found", "__macosx", "__pycache__",
    "network trash folder", "temporary items", "thumbnails.dir", "thevolumesettingsfolder",
))  # fmt: skip
"""Folders of thumbnails, of what was deleted, and of snapshots: Synology, QNAP, Windows, macOS; in small letters."""

OTHER_PICTURES = (
    ".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".jfif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd",
    ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".dcm", ".svs", ".npy",
)  # fmt: skip
"""Endings of pictures that are not read: counted, so that nobody believes that they were."""

_passed_over: ContextVar[Counter[str] | None] = ContextVar("passed_over", default=None)


@contextmanager
def passed_over() -> Iterator[Counter[str]]:
    """Count what is passed over below folders that are listed inside the block, by what it is."""
    counter = Counter[str]()
    token = _passed_over.set(counter)
    try:
        yield counter
    finally:
        _passed_over.reset(token)


def pass_over(what: str, times: int = 1) -> None:
    """Count something that is not read."""
    counter = _passed_over.get()
    if counter is not None and times:
        counter[what] += times


def files_below(folder: Path, endings: tuple[str, ...], apart_from: Path | None = None) -> Iterator[str]:
    """Yield paths below a folder, relative to it and with ``/``, of the files whose names end so (in either case).

    Hidden names are passed over (macOS leaves ``._name.png`` beside files), the folders LEFT_BY_SYSTEMS, and the folder
    ``apart_from``: labels may lie below the images' folder.

    Raises:
        DataError: a folder cannot be listed, or a link to a folder points nowhere.
    """
    seen = set() if apart_from is None else {_identity(apart_from)}
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        identity = _identity(folder / inside)
        if identity in seen:  # a link that leads back up would never end
            continue
        seen.add(identity)
        try:
            items = os.scandir(folder / inside)
        except OSError as error:
            raise DataError(f"{folder / inside}: cannot be listed ({error.strerror}); may you read it?") from None
        with items as listed:
            for item in listed:
                if _is_left_by_a_system(item, endings):
                    continue
                if _is_folder(item):
                    waiting.append(f"{inside}{item.name}/")
                elif item.name.lower().endswith(endings):
                    yield inside + item.name
                else:
                    _count_other(item)


def _is_left_by_a_system(item: os.DirEntry[str], endings: tuple[str, ...]) -> bool:
    if item.name.startswith("."):
        if _is_folder(item):
            pass_over("hidden folder")
        elif item.name.lower().endswith(endings):
            pass_over("hidden file")
        return True
    if item.name.lower() not in LEFT_BY_SYSTEMS or not _is_folder(item):
        return False
    pass_over(f"folder {item.name}")
    return True


def _count_other(item: os.DirEntry[str]) -> None:
    suffix = PurePath(item.name).suffix
    if suffix.lower() in OTHER_PICTURES:
        pass_over(f"{suffix.lower()} file (a kind that is not read)")
    elif not suffix and item.is_symlink() and not Path(item.path).exists():  # a folder, likely, and all that is in it
        raise DataError(
            f"{item.path}: is a link to {Path(item.path).readlink()}, where there is nothing; is that disk mounted?"
            " Mend the link or remove it"
        )


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link in a circle: whoever reads it as a file says so
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
