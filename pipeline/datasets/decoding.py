"""Bytes of image files to pixels: images, and labels by one of four decoders, which ``prepare`` names for each split.

Errors do not name the file: the caller does, because it knows the name.
"""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFile

from pipeline.datasets.bands import AS_THEY_ARE, ImageReading, select, too_deep, unreadable_as_is
from pipeline.datasets.colour_table import ColourTable
from pipeline.datasets.picture_files import (
    bits_of,
    bits_of_png,
    load,
    opened,
    orientation_of,
    tiff_facts,
    turned,
    turned_by,
    upright_size,
)
from pipeline.datasets.problems import DataError

LabelReader = Callable[[bytes], Image.Image]
"""From a label file's bytes to ids in mode L or P; raises DataError."""

_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_LOSSY = ("JPEG", "MPO", "WEBP")
_GREY_AND_ALPHA = 4  # a colour type of PNG
_INSTEAD = "a label is an 8-bit PNG of one channel (mode L or P) whose values are class ids"
_COLOUR_MODES = ("RGB", "RGBA", "LA")
_LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", *_COLOUR_MODES)
_STRETCHED = {"L;2": 85, "L;4": 17}  # Pillow stretches these over 0 … 255: id 1 of four bits would be read as 17

ALPHA = "alpha (transparency) is left out"
INFRARED = "the fourth band, which the TIFF calls alpha, is left out (is it infrared? then say bands)"
CMYK = "CMYK becomes RGB without the file's colour profile"
GREY = "grey becomes three equal channels"
TURNED = "turned as the EXIF orientation says"
SEVERAL = "of several pictures (pages, frames) in the file, the first is read"
CLIPPED = "more than 1 % of the values are outside `range` and are clipped"


class ImageFacts(NamedTuple):
    """What a look at an image file saw."""

    height: int
    width: int
    notes: tuple[str, ...] = ()
    """What is left out or converted."""


def read_image(data: bytes, reading: ImageReading = AS_THEY_ARE) -> Image.Image:
    """Return the upright picture in mode RGB.

    Raises:
        DataError: the bytes are not a complete image of 8 bits a channel, or not what ``reading`` describes.
    """
    if reading != AS_THEY_ARE:
        return select(data, reading).picture
    picture = _opened_image(data)
    load(picture)
    orientation = orientation_of(picture)
    return turned_by(orientation, picture.convert("RGB"))


def check_image(data: bytes, reading: ImageReading = AS_THEY_ARE) -> tuple[int, int]:
    """Return height and width of a picture that decodes to its end; raises what read_image raises, and is faster."""
    facts = look_at_image(data, reading)
    return facts.height, facts.width


def look_at_image(data: bytes, reading: ImageReading = AS_THEY_ARE) -> ImageFacts:
    """Return the size of an upright picture that decodes to its end, and what reading it leaves out or converts.

    Raises:
        DataError: as read_image does.
    """
    if reading != AS_THEY_ARE:
        picture, clipped = select(data, reading)
        return ImageFacts(picture.height, picture.width, (CLIPPED,) if clipped > 0.01 else ())
    file = _opened_image(data)
    stored, several = file.size, _pictures_in(file, data) > 1
    file.draft("RGB", (1, 1))  # JPEG only: all bytes are still decoded, but at an eighth of the size
    load(file)
    height, width = upright_size(file, stored)
    return ImageFacts(height, width, _notes(file, several))


def _notes(picture: ImageFile.ImageFile, several: bool) -> tuple[str, ...]:
    notes = [SEVERAL] if several else []
    if picture.mode == "CMYK":
        notes.append(CMYK)
    if picture.mode in ("1", "L", "LA"):
        notes.append(GREY)
    if picture.has_transparency_data and not _is_opaque(picture):
        notes.append(INFRARED if picture.format == "TIFF" else ALPHA)
    if orientation_of(picture) in range(2, 9):
        notes.append(TURNED)
    return tuple(notes)


def _is_opaque(picture: Image.Image) -> bool:
    if "A" not in picture.getbands():
        return False  # a transparent colour of a palette
    return picture.getchannel("A").getextrema() == (255, 255)


def _pictures_in(picture: ImageFile.ImageFile, data: bytes) -> int:
    facts = tiff_facts(data)
    return int(getattr(picture, "n_frames", 1)) if facts is None else facts.pages


def read_label(data: bytes) -> Image.Image:
    """Return the label in mode L or P: its pixels are the ids in the file, never a palette's colours.

    Ids of one bit to 32 bits are taken, and colour pictures whose three channels are equal.

    Raises:
        DataError: the bytes are not a complete, lossless image of ids from 0 to 255.
    """
    picture = _opened_label(data)
    packed = _packing(picture)
    load(picture)
    ids = _equal_channels(picture) if picture.mode in _COLOUR_MODES else _ids(picture, packed)
    return turned_by(orientation_of(picture), ids)


def _opened_label(data: bytes) -> ImageFile.ImageFile:
    """A label whose container keeps ids, before it is decoded."""
    facts = tiff_facts(data)
    if facts is not None and facts.bands > 4:
        raise DataError(f"is a label of {facts.bands} bands, not ids in one channel; {_INSTEAD}")
    picture = opened(data)
    if picture.format in _LOSSY:
        raise DataError(f"is a {picture.format} label, whose compression changes ids; {_INSTEAD}")
    if facts is not None and not facts.is_lossless:
        how = f"{picture.info.get('compression', 'number')} ({facts.compression})"
        raise DataError(f"is a label in a TIFF of the lossy compression {how}, which changes ids; {_INSTEAD}")
    if (facts.pages if facts is not None else int(getattr(picture, "n_frames", 1))) > 1:
        raise DataError(f"holds several pictures (one for each class?), of which one is read; {_INSTEAD}")
    if picture.mode not in _LABEL_MODES:
        raise DataError(f"is a label in mode {picture.mode}, not ids in one channel; {_INSTEAD}")
    if picture.mode in _COLOUR_MODES and bits_of(data) > 8:
        raise DataError(f"is a label in mode {picture.mode} of {bits_of(data)} bits a channel, not ids in one channel")
    return picture


def _packing(picture: ImageFile.ImageFile) -> str:
    """How the file stores pixels, in Pillow's words (its "raw mode"): L for 8-bit grey, L;4 for 4-bit grey."""
    arguments = picture.tile[0].args if picture.tile else None
    first = arguments[0] if isinstance(arguments, tuple) else arguments
    return str(first)


def _ids(picture: Image.Image, packed: str) -> Image.Image:
    """The ids of a loaded picture of one channel, as they are in the file."""
    if picture.mode in ("1", "L") and packed not in ("1", "1;R", "L", "L;R", *_STRETCHED):
        raise DataError(f"is a grey label packed as {packed} (0 is white?), not 8-bit; {_INSTEAD}")
    if picture.mode == "1":
        return Image.fromarray(np.asarray(picture).astype(np.uint8))
    if packed in _STRETCHED:
        return Image.fromarray(np.asarray(picture) // _STRETCHED[packed])
    return picture if picture.mode in ("L", "P") else _wide_ids(np.asarray(picture))


def _wide_ids(id_HW: np.ndarray) -> Image.Image:
    """Ids of 16 or 32 bits that fit into 8."""
    smallest, largest = int(id_HW.min()), int(id_HW.max())
    if smallest < 0 or largest > 255:
        wrong = smallest if smallest < 0 else largest
        raise DataError(f"is a 16-bit (or wider) label that holds {wrong}, and ids are 0 to 255 (is it a depth?)")
    return Image.fromarray(id_HW.astype(np.uint8))


def _equal_channels(picture: Image.Image) -> Image.Image:
    """The ids of a label that a program has saved in colours: three times the same value, and opaque."""
    if "A" in picture.getbands() and picture.getchannel("A").getextrema() != (255, 255):
        raise DataError(
            f"is a label in mode {picture.mode} with transparent pixels, whose ids are in doubt; {_INSTEAD}"
        )
    first, *others = [channel for band, channel in zip(picture.getbands(), picture.split(), strict=True) if band != "A"]
    if any(ImageChops.difference(first, other).getbbox() is not None for other in others):
        raise DataError(
            f"is a label in mode {picture.mode} that holds colours, not ids in one channel (or three equal ones);"
            f" {_INSTEAD}"
        )
    return first


def _opened_image(data: bytes) -> ImageFile.ImageFile:
    facts = tiff_facts(data)
    problem = None if facts is None else unreadable_as_is(facts)
    if problem is not None:
        raise DataError(problem)
    picture = opened(data)
    if facts is None and bits_of_png(data) > 8:  # Pillow would keep the upper 8
        raise DataError(too_deep(bits_of_png(data)))
    if picture.mode not in _EIGHT_BIT:
        raise DataError(f"is an image in mode {picture.mode}; save it as RGB with 8 bits a channel")
    return picture


def first_deep_channel(data: bytes) -> np.ndarray:
    """Return the first channel (H,W) uint16 of a PNG with 16 bits a channel, with nothing cut off.

    Pillow decodes such files and keeps the upper eight bits of each channel. Its unpackers for the other byte order
    keep the lower eight, so it decodes twice; torchvision's decoder has all bits at once, but takes the process with it
    where a file is damaged.

    Raises:
        DataError: the file is damaged.
    """
    mode = opened(data).mode
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
    picture = opened(data)
    picture.tile = [picture.tile[0]._replace(args=packing)]
    load(picture)
    return picture


def is_grey(data: bytes) -> bool:
    """Return whether the file has one channel (grey, or indices of a palette)."""
    return opened(data).mode in ("1", "L", "P", "I", "I;16", "F")


def read_colours(data: bytes) -> np.ndarray:
    """Return (H,W,3) uint8 of a label that holds colours.

    Raises:
        DataError: it is not a lossless colour image of 8 bits a channel.
    """
    picture = opened(data)
    if picture.format in _LOSSY:
        raise DataError(f"is a {picture.format} label, whose compression changes colours; a PNG is needed")
    facts = tiff_facts(data)
    if facts is not None and not facts.is_lossless:
        raise DataError(f"is a label in a TIFF of the lossy compression {facts.compression}; a PNG is needed")
    if picture.mode not in ("P", "RGB", "RGBA") or bits_of(data) > 8:
        raise DataError(f"is a label in mode {picture.mode}, not in colours of 8 bits a channel")
    load(picture)
    upright = turned(picture)
    return np.asarray(upright if upright.mode != "P" else upright.convert("RGB"))[..., :3]


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
        return _as_the_file_lies(data, Image.fromarray(class_HW.astype(np.uint8)))
    if opened(data).mode in ("RGB", "RGBA"):
        raise DataError(
            "is a colour image of 8 bits, not ids in 16 bits: either a picture to look at (SYNTHIA's GT/COLOR), or a"
            " label that a program saved again and cut to its upper bits; unpack GT/LABELS again"
        )
    return read_label(data)


def _as_the_file_lies(data: bytes, ids: Image.Image) -> Image.Image:
    """Ids of a PNG, turned as its EXIF data says; hardly any has such data."""
    if b"eXIf" not in data:
        return ids
    picture = opened(data)
    load(picture)
    return turned_by(orientation_of(picture), ids)


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
