"""Files that are in the place of weights: web pages, pointers, archives; each by its name, with what to do."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

HEAD = 4096
"""bytes of a file by which it is known"""
SHOWN = 4
_PACKED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"),
    b"Rar!": ("RAR", "unrar x"),
}
_FOREIGN = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Keras writes weights so), which is not read here",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def other_than_weights(path: Path, head: bytes) -> str | None:
    """Return what a file is that holds no weights, and what to do; None where it may hold some.

    Args:
        path: the file; only archives are looked into.
        head: its first `HEAD` bytes.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return (
            f"is a web page{_title(head)}, not weights: the server wanted a login or a confirmation (Google Drive does "
            "so with large files). Fetch the file with a browser, or with `gdown`"
        )
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the weights themselves: run `git lfs pull` where it was cloned"
    if text.startswith(b"{"):
        return _json(path, text)
    for magic, (name, program) in _PACKED.items():
        if head.startswith(magic):
            return f"is packed with {name}: unpack it (`{program} {path.name}`) and name the file that was in it"
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            return f"is {what}; a checkpoint of torch, safetensors or MXNet (.params) is needed"
    return _archive(path)


def _title(head: bytes) -> str:
    """Return a page's title in brackets, where it has one."""
    _, begun, rest = head.partition(b"<title>")
    title, ended, _ = rest.partition(b"</title>")
    words = " ".join(title.decode(errors="replace").split())
    return f" ({words!r})" if begun and ended and words else ""


def _json(path: Path, text: bytes) -> str:
    if b'"weight_map"' in text or path.name.endswith(".index.json"):
        return (
            "is the index of safetensors in several files, not the weights: name one of the files, or save the whole "
            "with safetensors.torch.save_file"
        )
    return "is JSON, not weights (a server's error, or settings): look into it, and fetch the weights again"


def _archive(path: Path) -> str | None:
    """Return which files a zip or tar archive holds, unless it is one of torch's own."""
    try:
        return _in_archive(path)
    except Exception as error:  # a damaged directory raises BadZipFile, UnicodeDecodeError, TarError and others
        return f"is an archive (torch's are zip) that is truncated or damaged ({error}); fetch it again"


def _in_archive(path: Path) -> str | None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
            return None
        return f"is a zip archive{_holding(names)}, not weights: unpack it, and name the file in it"
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as archive_:
            names = archive_.getnames()
        if {"pickle", "sys_info", "storages", "tensors"} & set(names):
            return None
        return (
            f"is a tar archive{_holding(names)}, not weights: unpack it (`tar xf {path.name}`), and name the file in it"
        )
    return None


def _holding(names: list[str]) -> str:
    files = [name for name in names if not name.endswith("/")]
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return f" that holds {', '.join(files[:SHOWN])}{more}" if files else " that is empty"
