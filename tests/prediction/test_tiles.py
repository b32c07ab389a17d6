"""Tiles: every pixel once, weights that sum to 1, TIFFs by rows, PNGs by rows."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

import tracemalloc
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.errors import ReadableError
from pipeline.common.tiling import Tiling, spans_of, tile_count
from pipeline.datasets.problems import DataError
from pipeline.datasets.tiff_rows import CroppedRows, TiffRows
from pipeline.prediction.by_tiles import opened_rows
from pipeline.prediction.pictures import Picture
from pipeline.prediction.png_rows import PngRows
from pipeline.prediction.tiles import WholePicture, stitched

random = np.random.default_rng(0)
PIXEL_HW3 = random.integers(0, 256, (70, 90, 3), dtype=np.uint8)


def test_spans_cover_an_axis_and_overlap_by_exactly_the_overlap() -> None:
    checked = 0
    for tile in range(1, 25):
        for overlap in range(tile // 3 + 1):
            for length in range(1, 120):
                spans = spans_of(length, tile, overlap)
                assert (spans[0].first, spans[-1].last) == (0, length)
                assert all(0 <= span.start <= span.first < span.last <= span.stop <= length for span in spans)
                for before, after in pairwise(spans):
                    assert before.last - after.first == overlap
                    checked += 1
                assert all(span.last - span.first >= 2 * overlap for span in spans[1:-1])
    assert checked > 10_000


@pytest.mark.parametrize(
    ("tile", "overlap"), [((20, 30), 6), ((33, 21), 7), ((16, 16), 0), ((70, 20), 5), ((200, 300), 9), ((1, 1), 0)]
)
def test_tiles_of_a_picture_stitched_are_the_picture(tile: tuple[int, int], overlap: int) -> None:
    """Where a tile's answer does not depend on what is around it, blending gives it back."""
    seen = []

    def identity(tile_hw3: np.ndarray) -> np.ndarray:
        seen.append(tile_hw3.shape)
        return np.moveaxis(tile_hw3, -1, 0).astype(np.float32)

    tiling = Tiling(tile, overlap)
    bands = list(stitched(WholePicture(PIXEL_HW3), tiling, identity, np.copy))
    whole_3HW = np.concatenate(bands, axis=1)
    np.testing.assert_allclose(whole_3HW, np.moveaxis(PIXEL_HW3, -1, 0), rtol=1e-5, atol=1e-3)
    assert len(seen) == tile_count(PIXEL_HW3.shape[:2], tiling)
    assert {shape[:2] for shape in seen} == {(min(tile[0], 70), min(tile[1], 90))}


def test_neighbours_are_blended_linearly() -> None:
    """Two tiles of 6 pixels over 10, overlap 2: the first answers 0, the second 1."""
    answers = iter([0.0, 1.0])
    picture = WholePicture(np.zeros((1, 10, 3), np.uint8))
    tiling = Tiling((1, 6), 2)

    def constant(tile_hw3: np.ndarray) -> np.ndarray:
        return np.full((1, *tile_hw3.shape[:2]), next(answers), np.float32)

    tiling = tiling._replace(tile=(6, 6))
    (band_1HW,) = stitched(picture, tiling, constant, np.copy)
    np.testing.assert_allclose(band_1HW[0, 0], [0, 0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [((0, 8), 0, "both sides must be at least 1"), ((32, 64), 11, "may be 0 to 10"), ((32, 64), -1, "may be 0 to 10")],
)
def test_tilings_that_cannot_be_stitched(tile: tuple[int, int], overlap: int, message: str) -> None:
    with pytest.raises(ReadableError, match=message):
        Tiling(tile, overlap).require_sound()
    Tiling((32, 64), 10).require_sound()


COMPRESSIONS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("strip", [8, 70], ids=["strips", "one strip"])
def test_rows_of_a_tiff_are_those_that_pillow_decodes(tmp_path: Path, compression: str, strip: int) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(PIXEL_HW3).save(path, compression=compression, tiffinfo={278: strip})
    expected_HW3 = np.asarray(Image.open(path).convert("RGB"))
    with TiffRows(path) as rows:
        assert (rows.height, rows.width, rows.can_be_read_by_rows) == (70, 90, True)
        for top, bottom in ((0, 70), (0, 1), (6, 15), (69, 70)):
            assert np.array_equal(rows.rows(top, bottom), expected_HW3[top:bottom]), (top, bottom)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "LA"])
def test_every_mode_of_eight_bits_is_read_as_elsewhere(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(PIXEL_HW3)
    picture = picture.quantize(16) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={278: 9})
    with TiffRows(tmp_path / "a.tif") as rows:
        expected_HW3 = np.asarray(Image.open(tmp_path / "a.tif").convert("RGB"))
        assert np.array_equal(rows.rows(5, 40), expected_HW3[5:40])


def tiled_tiff(path: Path, side: int = 32) -> None:
    """An uncompressed TIFF in tiles, as GDAL writes it: Pillow writes strips only."""
    height, width = PIXEL_HW3.shape[:2]
    padded_HW3 = np.zeros((-(-height // side) * side, -(-width // side) * side, 3), np.uint8)
    padded_HW3[:height, :width] = PIXEL_HW3
    tiles = [
        padded_HW3[top : top + side, left : left + side].tobytes()
        for top in range(0, padded_HW3.shape[0], side)
        for left in range(0, padded_HW3.shape[1], side)
    ]
    from PIL import TiffImagePlugin

    offsets = [8 + sum(map(len, tiles[:index])) for index in range(len(tiles))]
    tags = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
    values = {256: width, 257: height, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 284: 1, 322: side, 323: side}
    for tag, value in {**values, 324: tuple(offsets), 325: tuple(map(len, tiles))}.items():
        tags.tagtype[tag] = 4
        tags[tag] = value
    at = 8 + sum(map(len, tiles))
    path.write_bytes(b"II*\0" + at.to_bytes(4, "little") + b"".join(tiles) + tags.tobytes(at))


def test_a_tiff_in_tiles(tmp_path: Path) -> None:
    tiled_tiff(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.tif")), PIXEL_HW3)
    with TiffRows(tmp_path / "a.tif") as rows:
        for top, bottom in ((0, 70), (31, 33), (64, 70)):
            assert np.array_equal(rows.rows(top, bottom), PIXEL_HW3[top:bottom])


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw", "tiffinfo": {278: 9}}], ids=["plain", "strips"])
def test_a_crop_of_a_tiff_is_read_by_rows_too(tmp_path: Path, options: dict) -> None:
    Image.fromarray(PIXEL_HW3).save(tmp_path / "a.tif", **options)
    picture = Picture(tmp_path / "a.tif", "a.png", crop=(10, 20, 40, 50))
    with opened_rows(picture) as rows:
        assert isinstance(rows, CroppedRows)
        assert (rows.height, rows.width) == (40, 50)
        assert np.array_equal(rows.rows(3, 40), PIXEL_HW3[13:50, 20:70])
    with pytest.raises(DataError, match="crop"), opened_rows(picture._replace(crop=(10, 20, 61, 50))):
        pass


def test_a_large_tiff_needs_the_memory_of_its_rows(tmp_path: Path) -> None:
    height, width = 1000, 1000
    Image.new("RGB", (width, height), "red").save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={278: 16})
    tracemalloc.start()
    with TiffRows(tmp_path / "a.tif") as rows:
        for top in range(0, height, 100):
            assert rows.rows(top, top + 100).shape == (100, width, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < height * width * 3 / 4


def test_damaged_tiffs_are_named(tmp_path: Path) -> None:
    Image.fromarray(PIXEL_HW3).save(tmp_path / "a.tif", tiffinfo={278: 7})
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    with TiffRows(tmp_path / "cut.tif") as rows, pytest.raises(DataError, match="is truncated"):
        rows.rows(0, 70)
    (tmp_path / "head.tif").write_bytes(data[:12])
    with pytest.raises(DataError, match="is truncated or damaged"):
        TiffRows(tmp_path / "head.tif")


def test_a_turned_tiff_is_not_read_by_rows(tmp_path: Path) -> None:
    Image.fromarray(PIXEL_HW3).save(tmp_path / "a.tif", tiffinfo={274: 6})
    with TiffRows(tmp_path / "a.tif") as rows:
        assert not rows.can_be_read_by_rows


@pytest.mark.parametrize(("bits", "mode"), [(8, "L"), (16, "I;16")])
def test_a_png_by_rows_is_the_picture(bits: int, mode: str) -> None:
    value_HW = random.integers(0, 1 << bits, (30, 17), dtype=np.uint16).astype(np.uint8 if bits == 8 else np.uint16)
    file = BytesIO()
    with PngRows(file, (30, 17), bits=bits) as rows:
        for top in range(0, 30, 7):
            rows.write(value_HW[top : top + 7])
    picture = Image.open(file)
    picture.load()
    assert picture.mode == mode
    assert np.array_equal(np.asarray(picture), value_HW)


def test_a_png_of_colours_by_rows() -> None:
    file = BytesIO()
    with PngRows(file, (2, 2), palette=bytes([1, 2, 3, 4, 5, 6])) as rows:
        rows.write(np.array([[0, 1], [1, 0]], np.uint8))
    picture = Image.open(file)
    assert picture.mode == "P"
    assert np.asarray(picture.convert("RGB")).tolist()[0] == [[1, 2, 3], [4, 5, 6]]
