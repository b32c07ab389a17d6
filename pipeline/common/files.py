"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well, it is flushed to disk and takes the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except Exception as error:
        _name_file(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all: one temporary file, flushed to disk, then the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105 - beside os.write: what a test interrupts is together
        _flush_folder(path.parent)
    except BaseException as error:
        _name_file(error, path)
        temporary.unlink(missing_ok=True)
        raise


def _name_file(error: BaseException | None, path: Path) -> None:
    """Let the errors of the system that name no file, as of a full disk, name the one that was written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        error = error.__cause__ or error.__context__


def _flush_folder(folder: Path) -> None:
    """So that a new name survives a power failure, too; where the file system knows how to."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def forget_partial_files(folder: Path, name: str = "*") -> None:
    """Delete what killed writers of the files of that name left. Only where nobody else writes them."""
    for ending in ("partial", "tmp"):  # tmp: models/state.py
        for path in folder.glob(f".{name}.*.{ending}"):
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with a stable layout, so that equal results are equal bytes; NaN is refused (it is not JSON)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def file_hash(path: Path) -> str:
    """Return BLAKE2b (16 bytes, hex) of a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def fingerprint(**parts: Any) -> str:
    """Return one short hash of named values (anything that JSON can hold): equal values, equal fingerprint."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
