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


def decode_deep_png(data: bytes) -> np.ndarray:
    """The channels (C,H,W) uint16 of a PNG with 16 bits a channel, in the file's order, with nothing cut off.

    torchvision's decoder, since Pillow keeps the upper eight bits of such files. Raises DataError where the file is
    damaged.
    """
    import torch  # here, for no other layout needs it
    from torchvision.io import ImageReadMode, decode_png

    _opened(data)
    try:
        channel_CHW = decode_png(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    except RuntimeError as error:
        raise DataError(f"is truncated or damaged ({str(error).splitlines()[0]}); fetch the file again") from None
    decoded_CHW: np.ndarray = channel_CHW.numpy()
    return decoded_CHW


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
