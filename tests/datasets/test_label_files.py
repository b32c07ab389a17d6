"""Labels as programs save them: of one bit to 32, in equal channels, with alpha, in containers that change ids."""

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from pipeline.datasets.decoding import read_colours, read_deep_label, read_label
from pipeline.datasets.problems import DataError
from tests.datasets.own_data import OwnData, encoded, png_of_16_bits, tiff
from tests.datasets.test_index import four_bit_grey

IDS = (np.arange(8 * 16) // 3 % 9).astype(np.uint8).reshape(8, 16)
BINARY = IDS % 2
OPAQUE = np.full((8, 16), 255, np.uint8)
PALETTE = Image.fromarray(IDS, "P")
PALETTE.putpalette([77] * 768)


def bigger_end(value_HW: np.ndarray) -> bytes:
    return encoded(Image.frombytes("I;16B", (16, 8), value_HW.astype(">u2").tobytes()), "TIFF")


@pytest.fixture
def data(tmp_path) -> OwnData:
    return OwnData(tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "ids"),
    [
        ("one bit", encoded(BINARY.astype(bool)), BINARY),
        ("one bit, TIFF", encoded(BINARY.astype(bool), "TIFF"), BINARY),
        ("one bit, BMP", encoded(BINARY.astype(bool), "BMP"), BINARY),
        ("one bit, CCITT", encoded(BINARY.astype(bool), "TIFF", compression="group4"), BINARY),
        ("four bits", four_bit_grey(7), np.full((8, 16), 7)),
        ("three equal channels", encoded(np.dstack([IDS] * 3)), IDS),
        ("three equal channels, BMP", encoded(np.dstack([IDS] * 3), "BMP"), IDS),
        ("opaque alpha", encoded(np.dstack([IDS, IDS, IDS, OPAQUE])), IDS),
        ("grey with opaque alpha", encoded(Image.fromarray(np.dstack([IDS, OPAQUE]), "LA")), IDS),
        ("a palette", encoded(PALETTE), IDS),
        ("a palette with a transparent entry", encoded(PALETTE, transparency=1), IDS),
        ("a palette of two bits", encoded(Image.fromarray(BINARY, "P"), bits=2), BINARY),
        ("16 bits, PNG", encoded(IDS.astype(np.uint16)), IDS),
        ("16 bits, TIFF", encoded(IDS.astype(np.uint16), "TIFF"), IDS),
        ("16 bits, TIFF, big end first", bigger_end(IDS), IDS),
        ("32 bits, TIFF", encoded(IDS.astype(np.int32), "TIFF"), IDS),
        ("LZW", encoded(IDS, "TIFF", compression="tiff_lzw"), IDS),
        ("deflate", encoded(IDS, "TIFF", compression="tiff_adobe_deflate"), IDS),
        ("PackBits", encoded(IDS, "TIFF", compression="packbits"), IDS),
        ("BMP", encoded(IDS, "BMP"), IDS),
    ],
)
def test_ids_are_read_as_they_are_in_the_file(data, name, file, ids):
    data.image("a.png")
    data.label("a.png", file)
    assert np.array_equal(data.read_label(), ids), name


def test_a_mask_of_0_and_255_is_read_by_its_map(tmp_path):
    data = OwnData(tmp_path, class_map={0: "building", 255: "road"})
    data.image("a.png")
    data.label("a.png", encoded(np.dstack([BINARY * 255] * 3)))
    assert np.array_equal(data.read_label(), np.where(BINARY, 0, 2))


UPPER_BITS = np.dstack([np.zeros((8, 16), np.uint8)] * 3)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (encoded(np.dstack([IDS, IDS, BINARY])), "mode RGB that holds colours, not ids in one channel"),
        (encoded(np.dstack([IDS, IDS, IDS, OPAQUE - BINARY])), "mode RGBA with transparent pixels"),
        (encoded(Image.fromarray(np.dstack([IDS, BINARY]), "LA")), "mode LA with transparent pixels"),
        (png_of_16_bits(np.dstack([IDS] * 3)), "mode RGB of 16 bits a channel"),
        (tiff(np.dstack([IDS] * 3).astype(np.uint16)), "mode RGB of 16 bits a channel"),
        (encoded(IDS.astype(np.uint16) + 300), r"16-bit \(or wider\) label that holds 308, and ids are 0 to 255"),
        (encoded(IDS.astype(np.int32) - 1, "TIFF"), r"16-bit \(or wider\) label that holds -1"),
        (encoded(IDS.astype(np.float32), "TIFF"), "label in mode F"),
        (tiff(np.zeros((8, 16, 5), np.uint8), 1), "label of 5 bands"),
        (tiff(IDS[..., None], 0), r"packed as L;I \(0 is white\?\)"),
        (encoded(Image.fromarray(IDS).convert("CMYK"), "TIFF"), "mode CMYK"),
        (encoded(IDS, "JPEG", quality=100), "is a JPEG label, whose compression changes ids"),
        (encoded(IDS, "MPO", save_all=True, append_images=[Image.fromarray(IDS)]), "is a MPO label"),
        (encoded(np.dstack([IDS] * 3), "WEBP"), "is a WEBP label"),
        (encoded(np.dstack([IDS] * 3), "WEBP", lossless=True), "is a WEBP label"),
        (encoded(IDS, "TIFF", compression="jpeg"), r"lossy compression jpeg \(7\)"),
        (encoded(np.dstack([IDS] * 3), "AVIF"), "is an AVIF picture"),
        (encoded(np.dstack([IDS] * 3), "JPEG2000"), "is a JPEG 2000 picture"),
        (encoded(IDS, "TIFF", save_all=True, append_images=[Image.fromarray(IDS)]), "holds several pictures"),
        (encoded(IDS, save_all=True, append_images=[Image.fromarray(8 - IDS)]), "holds several pictures"),
    ],
)
def test_labels_in_which_ids_are_in_doubt_are_refused(data, file, message):
    data.image("a.png")
    data.label("a.png", file)
    (problem,) = data.index()
    assert problem.path.endswith("labels/a.png")
    with pytest.raises(DataError, match=message):
        raise DataError(problem.message)


def test_smaller_copies_of_a_label_in_its_tiff_are_no_other_pictures(data):
    # as `gdaladdo` writes overviews: pages that call themselves reduced
    data.image("a.png")
    small = Image.fromarray(IDS[::2, ::2])
    small.encoderinfo = {"tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()}
    small.encoderinfo["tiffinfo"][254] = 1
    data.label("a.tif", encoded(IDS, "TIFF", save_all=True, append_images=[small]))
    assert np.array_equal(data.read_label(), IDS)


@pytest.mark.parametrize("decode", [read_label, read_colours])
def test_every_decoder_refuses_a_tiff_with_jpeg_inside(decode):
    with pytest.raises(DataError, match="lossy compression"):
        decode(encoded(np.dstack([IDS] * 3), "TIFF", compression="jpeg"))


def test_colours_of_sixteen_bits_are_no_tags_of_carla():
    for file in (png_of_16_bits(np.dstack([IDS] * 3)), tiff(np.dstack([IDS] * 3).astype(np.uint16))):
        with pytest.raises(DataError, match="not in colours of 8 bits"):
            read_colours(file)


def test_equal_channels_are_no_ids_where_they_may_be_upper_bits():
    with pytest.raises(DataError, match="cut to its upper bits"):
        read_deep_label(encoded(UPPER_BITS))
