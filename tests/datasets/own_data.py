"""One's own data as tests write it: files of any bytes in the layout `folder`, and the public loader."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.common.labels import CLASS_SETS
from pipeline.datasets.entries import entries, image_reading, label_reader, label_table
from pipeline.datasets.index import Problem, index_split
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.params import FolderSplit

CLASSES = CLASS_SETS["carla-camvid-9"]


def encoded(picture: Image.Image | np.ndarray, format_: str = "PNG", **how) -> bytes:
    """Return the bytes of a file."""
    file = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, format_, **how)
    return file.getvalue()


def png_of_16_bits(value_HWB: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel: grey, red-green-blue or with alpha, by the number of bands."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, bands = value_HWB.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in value_HWB)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(value_HWB: np.ndarray, photometric: int = 2, extra: tuple[int, ...] = (), orientation: int = 1) -> bytes:
    """Return an uncompressed TIFF of any number of bands, of 8 or 16 bits or of 32-bit floating point."""
    height, width, bands = value_HWB.shape
    bits, kind = 8 * value_HWB.dtype.itemsize, 3 if value_HWB.dtype.kind == "f" else 1
    body = value_HWB.astype(value_HWB.dtype.newbyteorder("<")).tobytes()
    tags = [
        (256, 4, (width,)), (257, 4, (height,)), (258, 3, (bits,) * bands), (259, 3, (1,)), (262, 3, (photometric,)),
        (273, 4, (8,)), (274, 3, (orientation,)), (277, 3, (bands,)), (278, 4, (height,)), (279, 4, (len(body),)),
        (284, 3, (1,)), *([(338, 3, extra)] if extra else []), (339, 3, (kind,) * bands),
    ]  # fmt: skip
    body += b"\0" * (len(body) % 2)
    outside_at = 8 + len(body) + 2 + 12 * len(tags) + 4
    directory, outside = struct.pack("<H", len(tags)), b""
    for tag, type_, values in tags:
        packed = struct.pack(f"<{len(values)}{'I' if type_ == 4 else 'H'}", *values)
        where = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", outside_at + len(outside))
        outside += packed if len(packed) > 4 else b""
        directory += struct.pack("<HHI", tag, type_, len(values)) + where
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + struct.pack("<I", 0) + outside


class OwnData:
    """A folder of images and one of labels with the ids 0 (road) to 8 (car), and the split that reads them."""

    def __init__(self, root: Path, **settings) -> None:
        self.root, self.notes = root, Counter[str]()
        self.split = FolderSplit(
            layout="folder", root=str(root), **({"class_map": dict(enumerate(CLASSES.names))} | settings)
        )

    def image(self, name: str, data: bytes | None = None) -> Path:
        """Write an image, by default of 8 × 16 pixels of noise."""
        noise_HW3 = np.random.default_rng(len(name)).integers(0, 255, (8, 16, 3), np.uint8)
        return self._write(self.split.images, name, encoded(noise_HW3) if data is None else data)

    def label(self, name: str, data: bytes | None = None) -> Path:
        """Write a label, by default of 8 × 16 pixels of road."""
        return self._write(str(self.split.labels), name, encoded(np.zeros((8, 16), np.uint8)) if data is None else data)

    def index(self, needs_labels: bool = True) -> list[Problem]:
        """Look at all files, as `prepare` does."""
        self.notes.clear()
        return index_split(
            entries(self.split),
            label_table(self.split, CLASSES),
            self.root / "manifest.jsonl",
            needs_labels=needs_labels,
            crop=None,
            workers=1,
            progress=False,
            read=label_reader(self.split),
            reading=image_reading(self.split),
            notes=self.notes,
        )

    def problem(self, needs_labels: bool = True) -> str:
        """Return the one problem there is, with its file's name."""
        (problem,) = self.index(needs_labels)
        return f"{Path(problem.path).name}: {problem.message}"

    def read_image(self, position: int = 0, size: tuple[int, int] = (8, 16)) -> np.ndarray:
        """Return what training sees of an image."""
        assert self.index(needs_labels=self.split.labels is not None) == []
        manifest = Manifest(self.root / "manifest.jsonl")
        return SplitImages(manifest, crop=None, size=size, reading=image_reading(self.split)).image(position)

    def read_label(self, position: int = 0) -> np.ndarray:
        """Return what training sees of a label."""
        assert self.index() == []
        table = label_table(self.split, CLASSES)
        manifest = Manifest(self.root / "manifest.jsonl")
        return SplitLabels(manifest, crop=None, size=None, table=table, read=label_reader(self.split)).label(position)

    def _write(self, folder: str, name: str, data: bytes) -> Path:
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path
