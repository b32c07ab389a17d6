"""One picture of any size, predicted tile by tile and written row by row."""

# C class, H/W pixels, h/w pixels of a tile or of a band

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.files import whole_file, write_text
from pipeline.common.labels import ClassSet
from pipeline.common.tiling import Tiling
from pipeline.datasets.loading import Crop, box_of, crop_problem
from pipeline.datasets.picture_files import TIFF_HEADS
from pipeline.datasets.problems import DataError
from pipeline.datasets.tiff_rows import CroppedRows, TiffRows
from pipeline.prediction.formats import DRAWN_WHOLE, file_name, picture_of, table_of
from pipeline.prediction.labelme import labelme_of
from pipeline.prediction.measures import Measures
from pipeline.prediction.pictures import Picture
from pipeline.prediction.placed import placed
from pipeline.prediction.png_rows import PngRows
from pipeline.prediction.reading import read_picture
from pipeline.prediction.tiles import Probabilities, Rows, WholePicture, stitched

AS_TILES = (
    "write it as a TIFF in tiles (`gdal_translate -co TILED=YES`, or `vips copy IN OUT.tif[tile,compression=deflate]`)"
)


class Written(NamedTuple):
    """What is written of a picture."""

    format_: str
    classes: ClassSet
    measures: Measures

    def paths(self, out: Path, name: str) -> list[Path]:
        """Return where the classes of a picture and its measures are written, in this order."""
        return [out / file_name(self.format_, name), *self.measures.paths(out, name)]


def predict_by_tiles(
    picture: Picture, out: Path, tiling: Tiling, written: Written, probabilities: Probabilities
) -> None:
    """Write the files of a picture, whole or not at all.

    Raises:
        DataError: the picture cannot be read, or is too large for its format, or for what is drawn in memory.
    """
    with opened_rows(picture) as rows:
        bands = stitched(rows, tiling, probabilities, written.measures.reduce)
        paths = written.paths(out, picture.name)
        if written.format_ in DRAWN_WHOLE:
            _write_whole(paths, picture, rows, bands, written)
        else:
            _write_rows(paths, (rows.height, rows.width), bands, written)


@contextmanager
def opened_rows(picture: Picture) -> Iterator[Rows]:
    """Open a picture by rows: from the file where it is a TIFF of small pieces, else from memory.

    Raises:
        DataError: it cannot be read, or is too large to be decoded whole.
    """
    with picture.path.open("rb") as file:
        is_tiff = file.read(4) in TIFF_HEADS
    if is_tiff:
        with TiffRows(picture.path, picture.reading) as rows:
            if rows.can_be_read_by_rows:
                _require_inside(picture.crop, rows.height, rows.width)
                yield rows if picture.crop is None else CroppedRows(rows, picture.crop)
                return
    yield WholePicture(_whole(picture))


def _whole(picture: Picture) -> np.ndarray:
    image = read_picture(picture, AS_TILES)
    _require_inside(picture.crop, image.height, image.width)
    return np.asarray(image if picture.crop is None else image.crop(box_of(picture.crop)))


def _require_inside(crop: Crop | None, height: int, width: int) -> None:
    outside = crop_problem(crop, height, width)
    if outside is not None:
        raise DataError(outside)


def _write_rows(paths: Sequence[Path], size: tuple[int, int], bands: Iterator[np.ndarray], written: Written) -> None:
    table = table_of(written.format_, written.classes)
    with ExitStack() as stack:
        writers = [stack.enter_context(_begun(path, size, index, written)) for index, path in enumerate(paths)]
        for band_Mhw in bands:
            writers[0].write(table[band_Mhw[0].astype(np.uint8)])
            for writer, measure_hw in zip(writers[1:], band_Mhw[1:], strict=True):
                writer.write(measure_hw)


@contextmanager
def _begun(path: Path, size: tuple[int, int], index: int, written: Written) -> Iterator[PngRows]:
    """A PNG of classes (index 0) or of a measure, which takes its name at the end."""
    colours = np.array(written.classes.palette, np.uint8).tobytes() if written.format_ == "colour" else None
    options = {"palette": colours} if index == 0 else {"bits": written.measures.bits}
    with whole_file(path) as temporary, temporary.open("wb") as file, PngRows(file, size, **options) as rows:
        yield rows


def _write_whole(
    paths: Sequence[Path], picture: Picture, rows: Rows, bands: Iterator[np.ndarray], written: Written
) -> None:
    """An overlay's legend counts all pixels, and masks and polygons are of all: they are drawn in memory."""
    if rows.height * rows.width > (Image.MAX_IMAGE_PIXELS or 0):
        pixels = f"{rows.height * rows.width / 1e6:.0f} megapixels"
        raise DataError(f"is a picture of {pixels}: too large for {written.format_}; choose --format colour")
    map_MHW = np.concatenate(list(bands), axis=1)
    save(paths, picture, map_MHW, Image.fromarray(rows.rows(0, rows.height)), written)


def save(paths: Sequence[Path], picture: Picture, map_MHW: np.ndarray, image: Image.Image, written: Written) -> None:
    """Write classes and measures of a picture, each file whole or not at all; the file of the classes comes last."""
    for path, measure_HW in zip(paths[1:], map_MHW[1:], strict=True):
        save_png(path, Image.fromarray(measure_HW))
    label_HW = map_MHW[0].astype(np.uint8)
    if written.format_ == "labelme":
        polygons = labelme_of(placed(label_HW, picture), picture.path, paths[0], written.classes)
        write_text(paths[0], json.dumps(polygons, ensure_ascii=False) + "\n")
    else:
        save_png(paths[0], picture_of(written.format_, label_HW, image, written.classes))


def save_png(path: Path, picture: Image.Image) -> None:
    """Write a PNG, whole or not at all."""
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG")
