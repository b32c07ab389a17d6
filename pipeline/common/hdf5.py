"""Opening HDF5 files of others: what would read another file, or claims more than it holds, is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
from h5py import h5d, h5l, h5o

from pipeline.common.errors import ReadableError

_DEFLATE = 1032
"""Deflate makes at most so many bytes of one."""

_REMEMBERED = 4096
_sound: set[tuple[int, int, int, int]] = set()
"""Files, as they are, that this process has looked through: loading opens the same parts again and again."""


class ForeignHdf5Error(ReadableError, OSError):
    """An HDF5 file that is not self-contained; handled like one that cannot be read."""


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading, also on file systems without locks.

    Raises:
        FileNotFoundError: the file does not exist.
        ForeignHdf5Error: it links to other files, or a dataset claims more values than its bytes can hold.
        OSError: it cannot be read as HDF5.
    """
    file = h5py.File(path, "r", locking="best-effort")
    status = path.stat()
    state = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    try:
        problem = None if state in _sound else _problem(file)
    except (RuntimeError, KeyError, ValueError) as error:  # what h5py makes of damaged metadata
        file.close()
        raise OSError(f"{path}: {error}") from error
    except BaseException:
        file.close()
        raise
    if problem:
        file.close()
        raise ForeignHdf5Error(f"{path}: {problem}")
    if len(_sound) >= _REMEMBERED:
        _sound.clear()
    _sound.add(state)
    return file


def _problem(file: h5py.File) -> str | None:
    """Return why a file is not self-contained. By HDF5's own calls: h5py's objects take ten times as long."""
    kinds: list[tuple[bytes, int]] = []
    file.id.links.visit(lambda name, info: kinds.append((name, info.type)), info=True)  # h5py uses one info for all
    for name, kind in kinds:
        if kind != h5l.TYPE_HARD:
            return f"{name.decode(errors='replace')} is a link, which may lead to another file; it is not followed"
        item = h5o.open(file.id, name)
        problem = _problem_of(item) if isinstance(item, h5d.DatasetID) else None
        if problem:
            return f"{name.decode(errors='replace')} {problem}"
    return None


def _problem_of(dataset: h5d.DatasetID) -> str | None:
    created = dataset.get_create_plist()
    if created.get_layout() == h5d.VIRTUAL or created.get_external_count():
        return "has its values in another file; nothing was read there"
    # Values that were never written cost nothing in the file and their whole size in memory.
    claimed = dataset.get_space().get_simple_extent_npoints() * dataset.get_type().get_size()
    if claimed > _DEFLATE * dataset.get_storage_size():
        return f"claims {claimed:.3g} bytes and holds far fewer"
    return None
