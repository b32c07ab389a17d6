"""Bytes of image files to pixels. Errors do not name the file: the caller does, for it knows the name."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.datasets.problems import DataError

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_LOSSY = ("JPEG", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"
_GREY_AND_ALPHA = 4  # a colour type of PNG
_INSTEAD = "a label is an 8-bit PNG of one channel (mode L or P) whose values are class ids"


def read_image(data: bytes) -> Image.Image:
    """The picture in mode RGB. Raises DataError where the bytes are no complete 8-bit image."""
    picture = _opened_image(data)
    _load(picture)
    return picture.convert("RGB")


def check_image(data: bytes) -> tuple[int, int]:
    """Height and width of a picture that decodes to its end; raises what read_image raises, and is faster."""
    picture = _opened_image(data)
    width, height = picture.size
    picture.draft("RGB", (1, 1))  # JPEG only: all bytes are still decoded, but at an eighth of the size
    _load(picture)
    return height, width


def read_label(data: bytes) -> Image.Image:
    """The label in mode L or P: its pixels are the ids in the file, never a palette's colours.

    Raises DataError where the bytes are no complete image of 8-bit ids in one channel.
    """
    picture = _opened(data)
    if picture.format in _LOSSY:
        raise DataError(f"is a {picture.format} label, whose compression changes ids; {_INSTEAD}")
    if picture.mode.startswith("I") or picture.mode == "F":
        raise DataError(f"is a 16-bit (or wider) label (mode {picture.mode}); {_INSTEAD}")
    if picture.mode not in ("L", "P"):
        raise DataError(f"is a label in mode {picture.mode}, not ids in one channel of 8 bits; {_INSTEAD}")
    packed = _packing(picture)
    if packed.startswith("L;"):  # Pillow stretches these over 0 … 255: id 1 of four bits would be read as 17
        raise DataError(f"is a grey label packed as {packed}, not 8-bit; {_INSTEAD}")
    _load(picture)
    return picture


def _packing(picture: ImageFile.ImageFile) -> str:
    """How the file stores pixels, in Pillow's words (its "raw mode"): L for 8-bit grey, L;4 for 4-bit grey."""
    arguments = picture.tile[0].args if picture.tile else None
    first = arguments[0] if isinstance(arguments, tuple) else arguments
    return str(first)


def _opened_image(data: bytes) -> ImageFile.ImageFile:
    picture = _opened(data)
    if picture.mode not in _EIGHT_BIT:
        raise DataError(f"is an image in mode {picture.mode}; save it with 8 bits a channel")
    return picture


def _opened(data: bytes) -> ImageFile.ImageFile:
    if not data:
        raise DataError("is an empty file")
    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(f"is no image ({', '.join(FORMATS)}), or is truncated at its head") from None
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None
    if picture.format == "PNG" and data.rfind(_PNG_END) < 0:  # Pillow is content once it has all pixels, checked or not
        raise DataError("is truncated or damaged (a PNG without its end); fetch the file again")
    return picture


def _load(picture: Image.Image) -> None:
    try:
        picture.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, zlib.error and others
        raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None


def bits_of_png(data: bytes) -> int:
    """Bits of one channel of a PNG, as its head says; 0 where the bytes are no PNG."""
    return data[24] if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24 else 0


def first_deep_channel(data: bytes) -> np.ndarray:
    """The first channel (H,W) uint16 of a PNG with 16 bits a channel, with nothing cut off.

    Pillow decodes such files and keeps the upper eight bits of each channel. Its unpackers for the other byte order
    keep the lower eight, so it decodes twice; torchvision's decoder has all bits at once, but takes the process with it
    where a file is damaged. Raises DataError where it is.
    """
    mode = _opened(data).mode
    if mode == "I;16":
        grey_HW: np.ndarray = np.asarray(_unpacked(data, "I;16B")).astype(np.uint16)
        return grey_HW
    if data[25] == _GREY_AND_ALPHA:  # four bytes a pixel, as RGBA: upper and lower half of grey come first
        half_HW4 = np.asarray(_unpacked(data, "RGBA")).astype(np.uint16)
        return half_HW4[..., 0] << 8 | half_HW4[..., 1]
    upper_HW, lower_HW = (
        np.asarray(_unpacked(data, f"{mode};16{order}"))[..., 0].astype(np.uint16) for order in ("B", "L")
    )
    return upper_HW << 8 | lower_HW


def _unpacked(data: bytes, packing: str) -> Image.Image:
    """A PNG whose pixels are taken to be packed so (Pillow's "raw mode"), whatever its head says."""
    picture = _opened(data)
    picture.tile = [picture.tile[0]._replace(args=packing)]
    _load(picture)
    return picture


def is_grey(data: bytes) -> bool:
    """Whether the file has one channel (grey, or indices of a palette)."""
    return _opened(data).mode in ("1", "L", "P", "I", "I;16", "F")


def read_colours(data: bytes) -> np.ndarray:
    """(H,W,3) uint8 of a label whose ids stand in colours; raises DataError where it is no lossless colour image."""
    picture = _opened(data)
    if picture.format in _LOSSY:
        raise DataError(f"is a {picture.format} label, whose compression changes colours; a PNG is needed")
    if picture.mode not in ("RGB", "RGBA") or bits_of_png(data) > 8:
        raise DataError(f"is a label in mode {picture.mode}, not in colours of 8 bits a channel")
    _load(picture)
    return np.asarray(picture)[..., :3]
