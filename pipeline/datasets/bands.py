"""Images of more than three bands or of 16 bits: which bands are the colours, and which range becomes 0 to 255."""

# H/W pixels, B bands of the file

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.datasets.picture_files import (
    LIMIT,
    TiffFacts,
    bits_of_png,
    load,
    opened,
    orientation_of,
    tiff_facts,
    too_large,
    turned_by,
)
from pipeline.datasets.problems import DataError

Range = tuple[int, int]
_DEPTH = "say depth: 16 and the range: [low, high] that becomes 0 to 255 (layout folder)"
_PALETTE = 3


class ImageReading(NamedTuple):
    """How the image files of a split become red, green and blue of 8 bits, where they are not that already."""

    bands: tuple[int, int, int] | None = None
    """Red, green, blue, counted from 1."""
    range: Range | None = None
    """Values of 16 bits that become 0 and 255; what is outside is clipped."""


AS_THEY_ARE = ImageReading()


class Selected(NamedTuple):
    """An upright picture in mode RGB, and how much of it lay outside the range."""

    picture: Image.Image
    clipped: float
    """Share of the values, 0 to 1."""


def select(data: bytes, reading: ImageReading) -> Selected:
    """Return the picture that ``reading`` describes, with nothing rounded before it is scaled.

    Raises:
        DataError: the file is damaged, has not these bands, or is not of the depth that ``reading`` says.
    """
    facts = tiff_facts(data)
    value_HWB, orientation = _values(data, facts)
    chosen_HW3 = value_HWB[..., _positions(reading, value_HWB.shape[-1], facts)]
    byte_HW3, clipped = _as_bytes(chosen_HW3, reading.range)
    return Selected(turned_by(orientation, Image.fromarray(np.ascontiguousarray(byte_HW3))), clipped)


def _values(data: bytes, facts: TiffFacts | None) -> tuple[np.ndarray, int]:
    """Values (H,W,B) as they are stored, and the EXIF orientation that is still to be applied."""
    if facts is not None and facts.photometric != _PALETTE:
        if facts.pixels > LIMIT:
            raise DataError(too_large(facts.pixels))
        value = _decoded("tiff_decode", data)
        value_HWB = np.atleast_3d(np.moveaxis(value, 0, -1) if facts.planar and value.ndim == 3 else value)
        return (np.iinfo(value.dtype).max - value_HWB if facts.photometric == 0 else value_HWB), facts.orientation
    picture = opened(data)
    load(picture)
    orientation = orientation_of(picture)
    if bits_of_png(data) == 16:
        return np.atleast_3d(_decoded("png_decode", data)), orientation
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(picture.convert("RGB")), orientation
    return np.atleast_3d(np.asarray(picture)), orientation


def _decoded(codec: str, data: bytes) -> np.ndarray:
    import imagecodecs  # 0.3 s, and only few need it

    try:
        value: np.ndarray = getattr(imagecodecs, codec)(data)
    except MemoryError:
        raise
    except Exception as error:  # each codec has its own errors
        raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None
    if value.dtype not in (np.uint8, np.uint16):
        raise DataError(f"holds numbers of the kind {value.dtype}; images are of 8 or 16 bits without sign")
    return value


def _positions(reading: ImageReading, bands: int, facts: TiffFacts | None) -> list[int]:
    if reading.bands is not None:
        if max(reading.bands) > bands:
            raise DataError(f"has {bands} bands, and bands: {list(reading.bands)} names band {max(reading.bands)}")
        return [band - 1 for band in reading.bands]
    colours = bands - (bands in (2, 4)) if facts is None else facts.colours
    if colours not in (1, 3):
        raise DataError(too_many_bands(colours))
    return [0, 0, 0] if colours == 1 else [0, 1, 2]


def _as_bytes(value_HW3: np.ndarray, range_: Range | None) -> tuple[np.ndarray, float]:
    bits = 8 * value_HW3.dtype.itemsize
    if range_ is None:
        if bits > 8:
            raise DataError(too_deep(bits))
        return value_HW3, 0.0
    if bits == 8:
        raise DataError("has 8 bits a channel, though depth: 16 is said of the split; keep such images in another one")
    low, high = range_
    clipped = float(np.mean((value_HW3 < low) | (value_HW3 > high)))
    scaled_HW3 = (value_HW3.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled_HW3), 0, 255).astype(np.uint8), clipped


def too_deep(bits: int) -> str:
    """Return the message about an image of more than 8 bits a channel."""
    return f"has {bits} bits a channel; save it with 8 bits a channel, or {_DEPTH}"


def too_many_bands(bands: int) -> str:
    """Return the message about an image of which nobody has said which bands are its colours."""
    return (
        f"has {bands} bands, of which three are read; say which are red, green and blue, counted from 1:"
        " bands: [3, 2, 1] (layout folder)"
    )


def unreadable_as_is(facts: TiffFacts) -> str | None:
    """Return why a TIFF needs words of params.yaml to be read as an image, or None."""
    if facts.is_float:
        return f"holds floating-point numbers of {facts.bits} bits; save it with 8 bits a channel"
    if facts.bits > 8:
        return too_deep(facts.bits)
    colours = 4 if facts.photometric == 5 else facts.colours  # CMYK
    return too_many_bands(colours) if colours > 4 - (facts.photometric != 5) or colours == 2 else None
