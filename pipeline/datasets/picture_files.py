"""Image files before their pixels: kind, damage, size, bits, bands, and the turn that the EXIF data asks for.

Every reader of the data sets' files opens them here. Errors do not name the file: the caller does.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from pipeline.datasets.problems import DataError

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Pixels of the largest picture that is read whole; Pillow's guard against files that unpack to fill the memory."""
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of half of LIMIT; too_large has words for more
_EXIF_KEYS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
"""Where Pillow keeps what may hold an orientation."""
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LOSSLESS = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000}
"""TIFF's compressions that keep every bit: none, CCITT, LZW, deflate, PackBits, LZMA, Zstandard."""
_MOST_PAGES = 1000

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LIES_DOWN = (5, 6, 7, 8)

_NOT_READ = f"which is not read here (but {', '.join(FORMATS)}); save it as PNG"
_KINDS = (
    (re.compile(rb"....ftyp(avif|avis)", re.DOTALL), f"is an AVIF picture, {_NOT_READ}"),
    (
        re.compile(rb"....ftyp(hei[cfxms]|hev[cxms]|mif1|msf1)", re.DOTALL),
        f"is a HEIF picture (a phone's), {_NOT_READ}",
    ),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), f"is a JPEG 2000 picture, {_NOT_READ}"),
    (re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"), f"is a JPEG XL picture, {_NOT_READ}"),
    (re.compile(rb"GIF8"), f"is a GIF picture, {_NOT_READ}"),
    (re.compile(rb"P[1-7]\s"), f"is a PNM picture, {_NOT_READ}"),
    (re.compile(rb"8BPS"), f"is a Photoshop file, {_NOT_READ}"),
    (re.compile(rb"\x93NUMPY"), f"is a NumPy array, {_NOT_READ}"),
    (
        re.compile(rb"version https://git-lfs"),
        "is not an image but a pointer of Git LFS; fetch the file: `git lfs pull`",
    ),
    (re.compile(rb"\s*<"), f"is not an image ({', '.join(FORMATS)}) but a web page or XML; fetch the file again"),
)


class TiffFacts(NamedTuple):
    """What a TIFF's head says about its first page."""

    bands: int
    bits: int
    is_float: bool
    photometric: int
    """0 and 1 grey, 2 red, green, blue, 3 a palette, 5 CMYK, 6 YCbCr."""
    extra: tuple[int, ...]
    """What the bands after the colours are: 1 and 2 alpha, 0 not said."""
    compression: int
    planar: bool
    """Whether each band is stored by itself."""
    orientation: int
    pixels: int
    pages: int
    """Pictures in the file, without smaller copies of one and masks."""

    @property
    def colours(self) -> int:
        """Return the number of bands that are no alpha."""
        return self.bands - sum(kind in (1, 2) for kind in self.extra)

    @property
    def is_lossless(self) -> bool:
        """Return whether its compression keeps every value."""
        return self.compression in _LOSSLESS


def opened(data: bytes) -> ImageFile.ImageFile:
    """Return a picture whose pixels are not decoded yet.

    Raises:
        DataError: the bytes are not a picture of FORMATS, are cut off, or are of more pixels than LIMIT.
    """
    if not data:
        raise DataError("is an empty file")
    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(_unknown_kind(data)) from None
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(error)) from None
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None
    if picture.format == "PNG" and data.rfind(_PNG_END) < 0:  # Pillow is content once it has all pixels, checked or not
        raise DataError("is truncated or damaged (a PNG without its end); fetch the file again")
    return picture


def require_undamaged_png(data: bytes) -> None:
    """Compare the checksums of a PNG's pixel data; other formats pass.

    Pillow stops once it has all pixels, before the checksum of what they were unpacked from: zeros in the last part of
    a label become other ids. `prepare` compares; later, the file's hash says that nothing has changed.

    Raises:
        DataError: a checksum differs.
    """
    at = len(_PNG_HEAD)
    if not data.startswith(_PNG_HEAD):
        return
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 8 + length
        if kind == b"IDAT" and zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise DataError("is damaged (the checksum of its pixels differs); fetch the file again")
        if kind == b"IEND":
            return
        at = end + 4


def load(picture: Image.Image) -> None:
    """Decode a picture to its end; raise DataError where that fails."""
    try:
        picture.load()
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(error)) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, zlib.error and others
        raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None


def turned(picture: Image.Image) -> Image.Image:
    """Return a loaded picture as its EXIF orientation (2 to 8) says that it is upright."""
    return turned_by(orientation_of(picture), picture)


def turned_by(orientation: int, picture: Image.Image) -> Image.Image:
    """Return a picture turned or mirrored by an EXIF orientation."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def upright_size(picture: Image.Image, stored: tuple[int, int]) -> tuple[int, int]:
    """Return height and width after the turn, of a loaded picture that the file stores in (width, height)."""
    width, height = stored
    return (width, height) if orientation_of(picture) in _LIES_DOWN else (height, width)


def orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation of a loaded picture that is still to be applied (Pillow turns TIFFs by itself), or 1.

    EXIF data may stand in a PNG behind the pixels, so the picture must be loaded.
    """
    if picture.format == "TIFF" or not any(key in picture.info for key in _EXIF_KEYS):
        return 1
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF data that cannot be parsed name no orientation; the pixels are sound
        return 1


def bits_of_png(data: bytes) -> int:
    """Return the bits of one channel of a PNG, as its header says; 0 where the bytes are not a PNG."""
    return data[24] if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24 else 0


def bits_of(data: bytes) -> int:
    """Return the bits of one channel where they may be more than 8 (PNG, TIFF), as the file's head says; else 8.

    Pillow decodes many deeper files, too, and keeps the upper 8 bits without a word.
    """
    facts = tiff_facts(data)
    return facts.bits if facts is not None else bits_of_png(data) or 8


def tiff_facts(data: bytes) -> TiffFacts | None:
    """Return what a TIFF's head says, also where Pillow cannot open it; None for other files and damaged heads."""
    return None if data[:4] not in TIFF_HEADS else facts_of_tiff(BytesIO(data))


def facts_of_tiff(file: BinaryIO) -> TiffFacts | None:
    """Return the same of an open TIFF, of which only the heads of its pages are read."""
    try:
        pages = list(islice(_pages(file), _MOST_PAGES))
        return _facts(pages[0], sum(index == 0 or not page.get(254, 0) & 5 for index, page in enumerate(pages)))
    except Exception:  # a damaged head; whoever opens the file names the damage
        return None


def _facts(tags: TiffImagePlugin.ImageFileDirectory_v2, pages: int) -> TiffFacts:
    bits, formats = tags.get(258, (1,)), tags.get(339, (1,))
    return TiffFacts(
        bands=int(tags.get(277, 1)),
        bits=max(bits),
        is_float=3 in formats,
        photometric=int(tags.get(262, 1)),
        extra=tuple(tags.get(338, ())),
        compression=int(tags.get(259, 1)),
        planar=tags.get(284, 1) == 2,
        orientation=int(tags.get(274, 1)),
        pixels=int(tags[256]) * int(tags[257]),
        pages=pages,
    )


def _pages(file: BinaryIO) -> Iterator[TiffImagePlugin.ImageFileDirectory_v2]:
    head = file.read(8)
    head += file.read(8) if 43 in head[2:4] else b""
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    seen: set[int] = set()
    while tags.next and tags.next not in seen:
        seen.add(tags.next)
        file.seek(tags.next)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        tags.load(file)
        yield tags


def _unknown_kind(data: bytes) -> str:
    known = next((message for pattern, message in _KINDS if pattern.match(data)), None)
    return known or f"is not an image ({', '.join(FORMATS)}), or is truncated at its head"


def _too_large(error: Exception) -> str:
    """The message, of what Pillow says; it opens no such file, so that the size is only there."""
    return too_large(next((int(number) for number in re.findall(r"\d+", str(error))), 0))


def too_large(pixels: int) -> str:
    """Return the message about a picture of more pixels than LIMIT."""
    return (
        f"is a picture of {pixels / 1e6:.0f} megapixels, and pictures of more than {LIMIT / 1e6:.0f} are not read"
        " whole; cut it into tiles (e.g. `gdal_retile.py -ps 2048 2048`, or `vips dzsave`) and use these; an image that"
        " `tile` cuts may be a larger TIFF in tiles, too (`gdal_translate -co TILED=YES`)"
    )
