"""Bytes of image files to pixels: images, and labels by one of four decoders, which ``prepare`` names for each split.

Errors do not name the file: the caller does, because it knows the name.
"""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.datasets.colour_table import ColourTable
from pipeline.datasets.problems import DataError

LabelReader = Callable[[bytes], Image.Image]
"""From a label file's bytes to ids in mode L or P; raises DataError."""

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_LOSSY = ("JPEG", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"
_GREY_AND_ALPHA = 4  # a colour type of PNG
_INSTEAD = "a label is an 8-bit PNG of one channel (mode L or P) whose values are class ids"


def read_image(data: bytes) -> Image.Image:
    """Return the picture in mode RGB; raise DataError where the bytes are not a complete 8-bit image."""
    picture = _opened_image(data)
    _load(picture)
    return picture.convert("RGB")


def check_image(data: bytes) -> tuple[int, int]:
    """Return height and width of a picture that decodes to its end; raises what read_image raises, and is faster."""
    picture = _opened_image(data)
    width, height = picture.size
    picture.draft("RGB", (1, 1))  # JPEG only: all bytes are still decoded, but at an eighth of the size
    _load(picture)
    return height, width


def read_label(data: bytes) -> Image.Image:
    """Return the label in mode L or P: its pixels are the ids in the file, never a palette's colours.

    Raises:
        DataError: the bytes are not a complete image of 8-bit ids in one channel.
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
        raise DataError(f"is not an image ({', '.join(FORMATS)}), or is truncated at its head") from None
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
    """Return the bits of one channel of a PNG, as its header says; 0 where the bytes are not a PNG."""
    return data[24] if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24 else 0


def first_deep_channel(data: bytes) -> np.ndarray:
    """Return the first channel (H,W) uint16 of a PNG with 16 bits a channel, with nothing cut off.

    Pillow decodes such files and keeps the upper eight bits of each channel. Its unpackers for the other byte order
    keep the lower eight, so it decodes twice; torchvision's decoder has all bits at once, but takes the process with it
    where a file is damaged.

    Raises:
        DataError: the file is damaged.
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
    """Return whether the file has one channel (grey, or indices of a palette)."""
    return _opened(data).mode in ("1", "L", "P", "I", "I;16", "F")


def read_colours(data: bytes) -> np.ndarray:
    """Return (H,W,3) uint8 of a label that holds colours.

    Raises:
        DataError: it is not a lossless colour image of 8 bits a channel.
    """
    picture = _opened(data)
    if picture.format in _LOSSY:
        raise DataError(f"is a {picture.format} label, whose compression changes colours; a PNG is needed")
    if picture.mode not in ("P", "RGB", "RGBA") or bits_of_png(data) > 8:
        raise DataError(f"is a label in mode {picture.mode}, not in colours of 8 bits a channel")
    _load(picture)
    return np.asarray(picture if picture.mode != "P" else picture.convert("RGB"))[..., :3]


def read_deep_label(data: bytes) -> Image.Image:
    """Return ids in mode L or P: the first channel of a 16-bit PNG (SYNTHIA), or the one channel of an 8-bit copy.

    A reader that keeps the upper eight bits (Pillow, and OpenCV without IMREAD_UNCHANGED) sees 0 to 3 instead.

    Raises:
        DataError: the bytes are not such a label.
    """
    if bits_of_png(data) == 16:
        class_HW = first_deep_channel(data)
        largest = int(class_HW.max())
        if largest > 255:
            raise DataError(f"holds {largest} in its first channel, where a class id should be (instances?)")
        return Image.fromarray(class_HW.astype(np.uint8))
    try:
        return read_label(data)
    except DataError as error:
        if "label in mode RGB" not in str(error):
            raise
        raise DataError(
            "is a colour image of 8 bits, not ids in 16 bits: either a picture to look at (SYNTHIA's GT/COLOR), or a"
            " label that a program saved again and cut to its upper bits; unpack GT/LABELS again"
        ) from None


def read_red_channel(data: bytes, largest: int) -> Image.Image:
    """Return ids in mode L: the red channel of a raw picture (CARLA), or the one channel of a copy.

    Raises:
        DataError: the bytes are not such a picture, or hold more than ``largest``, the largest id.
    """
    if is_grey(data):
        return read_label(data)
    red_HW = read_colours(data)[..., 0]
    if red_HW.max() > largest:
        raise DataError(
            f"holds {red_HW.max()} in its red channel, and ids end at {largest}: it was saved through the"
            " CityScapesPalette; save the camera's pictures raw (carla.ColorConverter.Raw)"
        )
    return Image.fromarray(np.ascontiguousarray(red_HW))


def read_colour_ids(data: bytes, colours: list[list[int]], ids: list[int] | None = None) -> Image.Image:
    """Return ids in mode L of a label that holds colours: of ``ids``, else positions in ``colours`` (CamVid).

    Raises:
        DataError: the bytes are not a colour image, or hold a colour that is not in the list.
    """
    given = tuple(range(len(colours)) if ids is None else ids)
    return Image.fromarray(
        _colour_table(tuple((red, green, blue) for red, green, blue in colours), given).ids(read_colours(data))
    )


@lru_cache(maxsize=4)
def _colour_table(colours: tuple[tuple[int, int, int], ...], ids: tuple[int, ...]) -> ColourTable:
    return ColourTable(colours, ids)


class Decoder(NamedTuple):
    """How the label files of a split become ids: a name of DECODERS, and its settings, which JSON can hold."""

    name: str
    settings: dict[str, Any]

    def reader(self) -> LabelReader:
        """Return the function that decodes a file's bytes."""
        return partial(DECODERS[self.name], **self.settings)


DECODERS: dict[str, Callable[..., Image.Image]] = {
    "ids": read_label,
    "sixteen-bit": read_deep_label,
    "red-channel": read_red_channel,
    "colours": read_colour_ids,
}

IDS = Decoder("ids", {})
"""What most data sets have: ids in one channel of 8 bits."""
