"""Images as people have them: turned by EXIF data, deeper than 8 bits, of more bands than three, of other kinds."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.datasets import picture_files
from pipeline.datasets.decoding import ALPHA, CLIPPED, CMYK, GREY, INFRARED, SEVERAL, TURNED, check_image, read_image
from pipeline.datasets.problems import DataError
from pipeline.params import FolderSplit
from tests.datasets.own_data import OwnData, encoded, png_of_16_bits, tiff

UPRIGHT = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3) // 2
STORED_AS = {  # by EXIF's definition: what is the stored picture's first row, and its first column
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}
"""The stored pixels of an upright picture, by orientation: 6 is turned to the right when it is shown."""
SCENE = np.random.default_rng(0).integers(0, 4096, (8, 16, 3), np.uint16)


def stored(orientation: int, upright=UPRIGHT) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](upright)))


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.fixture
def unlabelled(tmp_path) -> OwnData:
    return OwnData(tmp_path, labels=None)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("format_", "how"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_pictures_are_turned_as_their_exif_data_say(unlabelled, orientation, format_, how):
    picture = stored(orientation)
    unlabelled.image(f"a.{format_.lower()}", encoded(picture, format_, exif=exif(orientation), **how))
    assert np.array_equal(unlabelled.read_image(), UPRIGHT)
    assert check_image(next(unlabelled.root.glob("images/*")).read_bytes()) == (8, 16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_phone_s_jpeg_is_turned(unlabelled, orientation):
    halves = np.zeros((64, 96, 3), np.uint8)
    halves[:32], halves[:, 48:, 0] = 230, 0
    data = encoded(stored(orientation, halves), "JPEG", exif=exif(orientation), quality=95, subsampling=0)
    unlabelled.image("a.jpg", data)
    assert np.abs(unlabelled.read_image(size=(64, 96)).astype(int) - halves).mean() < 2
    assert unlabelled.notes[TURNED] == (orientation > 1)


@pytest.mark.parametrize("orientation", [3, 6])
def test_image_and_label_are_turned_alike(tmp_path, orientation):
    data = OwnData(tmp_path)
    upright_HW = np.zeros((8, 16), np.uint8)
    upright_HW[:3, :5] = 7
    data.image("a.png", encoded(stored(orientation), exif=exif(orientation)))
    data.label("a.png", encoded(stored(orientation, upright_HW), exif=exif(orientation)))
    data.image("b.png", encoded(stored(orientation), exif=exif(orientation)))
    data.label("b.png", encoded(upright_HW))  # as annotation programs save them
    assert np.array_equal(data.read_image(0), UPRIGHT)
    assert np.array_equal(data.read_label(0), upright_HW)
    assert np.array_equal(data.read_label(1), upright_HW)


def test_a_picture_that_is_turned_away_from_its_label_is_refused(tmp_path):
    data = OwnData(tmp_path)
    data.image("a.png", encoded(stored(6), exif=exif(6)))
    data.label("a.png", encoded(np.zeros((16, 8), np.uint8)))
    assert "is 16 high and 8 wide, its image is 8 high and 16 wide" in data.problem()


def test_exif_data_that_cannot_be_parsed_turn_nothing(unlabelled):
    unlabelled.image("a.jpg", encoded(UPRIGHT, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert unlabelled.read_image().shape == (8, 16, 3)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_are_refused_in_the_same_words(unlabelled, bands, kind):
    value_HWB = np.repeat(SCENE[..., :1], bands, axis=2)
    photometric, extra = (1 if bands < 3 else 2), ((2,) if bands in (2, 4) else ())
    unlabelled.image(f"a.{kind}", png_of_16_bits(value_HWB) if kind == "png" else tiff(value_HWB, photometric, extra))
    assert f"a.{kind}: has 16 bits a channel; save it with 8 bits a channel, or say depth: 16" in unlabelled.problem(
        needs_labels=False
    )


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_the_range_that_is_given(tmp_path, kind):
    data = OwnData(tmp_path, labels=None, depth=16, range=[1000, 3000])
    data.image(f"a.{kind}", png_of_16_bits(SCENE) if kind == "png" else tiff(SCENE))
    expected = np.clip(np.rint((SCENE.astype(float) - 1000) / 2000 * 255), 0, 255)
    assert np.array_equal(data.read_image(), expected)
    assert data.notes == {CLIPPED: 1}


def test_grey_of_sixteen_bits_is_scaled_too_and_turned(tmp_path):
    data = OwnData(tmp_path, labels=None, depth=16, range=[0, 65535])
    grey_HW = np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16)
    data.image("a.png", png_of_16_bits(grey_HW[..., None]))
    data.image("b.tif", tiff(np.ascontiguousarray(STORED_AS[6](grey_HW))[..., None], 1, orientation=6))
    data.image("c.tif", tiff(65535 - grey_HW[..., None], 0))  # 0 is white
    for position in range(3):
        assert np.array_equal(data.read_image(position), np.rint(grey_HW[..., None].repeat(3, 2) / 257))


def test_eight_bits_are_refused_where_sixteen_are_said(tmp_path):
    data = OwnData(tmp_path, labels=None, depth=16, range=[0, 4095])
    data.image("a.png")
    assert "has 8 bits a channel, though depth: 16 is said" in data.problem(needs_labels=False)


@pytest.mark.parametrize(
    ("bands", "photometric", "extra", "count"),
    [(4, 2, (0,), 4), (5, 2, (0, 0), 5), (5, 1, (), 5), (2, 1, (0,), 2), (4, 1, (), 4), (5, 2, (2, 0), 4)],
)
def test_bands_without_names_are_counted_and_refused(unlabelled, bands, photometric, extra, count):
    unlabelled.image("a.tif", tiff(np.zeros((8, 16, bands), np.uint8), photometric, extra))
    assert f"a.tif: has {count} bands, of which three are read; say which" in unlabelled.problem(needs_labels=False)


def test_bands_that_are_named_are_read(tmp_path):
    data = OwnData(tmp_path, labels=None, bands=[5, 3, 1])
    value_HWB = np.random.default_rng(1).integers(0, 255, (8, 16, 5), np.uint8)
    data.image("a.tif", tiff(value_HWB, 2, (0, 0)))
    data.image("b.tif", tiff(np.ascontiguousarray(STORED_AS[8](value_HWB)), 1, orientation=8))
    assert np.array_equal(data.read_image(0), value_HWB[..., [4, 2, 0]])
    assert np.array_equal(data.read_image(1), value_HWB[..., [4, 2, 0]])


def test_named_bands_of_sixteen_bits_are_scaled(tmp_path):
    data = OwnData(tmp_path, labels=None, bands=[2, 1, 4], depth=16, range=[0, 4095])
    value_HWB = np.random.default_rng(1).integers(0, 4096, (8, 16, 4), np.uint16)
    data.image("a.tif", tiff(value_HWB, 2, (0,)))
    assert np.array_equal(data.read_image(), np.rint(value_HWB[..., [1, 0, 3]] / 4095 * 255))


def test_a_band_that_is_not_there_is_named(tmp_path):
    data = OwnData(tmp_path, labels=None, bands=[4, 3, 2])
    data.image("a.png")
    assert "has 3 bands, and bands: [4, 3, 2] names band 4" in data.problem(needs_labels=False)


@pytest.mark.parametrize("cut", [20, 300, 800])
def test_a_tiff_of_many_bands_that_is_cut_off(tmp_path, cut):
    data = OwnData(tmp_path, labels=None, bands=[3, 2, 1])
    whole = tiff(np.zeros((8, 16, 5), np.uint8), 1)
    data.image("a.tif", whole[:-cut])
    assert "truncated" in data.problem(needs_labels=False)


def test_floating_point_is_refused(unlabelled):
    unlabelled.image("a.tif", tiff(np.zeros((8, 16, 3), np.float32)))
    assert "holds floating-point numbers of 32 bits" in unlabelled.problem(needs_labels=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 16}, "depth: 16 needs range"),
        ({"range": [0, 9]}, "range needs depth: 16"),
        ({"depth": 16, "range": [9, 9]}, "must be the smaller"),
        ({"bands": [0, 1, 2]}, "greater than or equal to 1"),
    ],
)
def test_params_that_contradict_each_other(settings, message):
    with pytest.raises(ValidationError, match=message):
        FolderSplit(layout="folder", root="x", labels=None, **settings)


def transparent(alpha: int) -> Image.Image:
    return Image.fromarray(np.dstack([UPRIGHT, np.full((8, 16), alpha, np.uint8)]))


@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        ("a.png", encoded(transparent(90)), ALPHA),
        ("a.png", encoded(transparent(255)), None),
        ("a.png", encoded(Image.fromarray(UPRIGHT).quantize(4), transparency=0), ALPHA),
        ("a.tif", tiff(np.asarray(transparent(90)), 2, (2,)), INFRARED),
        ("a.jpg", encoded(Image.fromarray(UPRIGHT).convert("CMYK"), "JPEG"), CMYK),
        ("a.jpg", encoded(Image.fromarray(UPRIGHT).convert("L"), "JPEG"), GREY),
        ("a.tif", encoded(UPRIGHT, "TIFF", save_all=True, append_images=[Image.fromarray(UPRIGHT)]), SEVERAL),
        ("a.png", encoded(UPRIGHT, save_all=True, append_images=[Image.fromarray(255 - UPRIGHT)]), SEVERAL),
        ("a.png", encoded(UPRIGHT), None),
    ],
)
def test_what_is_left_out_or_converted_is_counted(unlabelled, name, data, note):
    unlabelled.image(name, data)
    assert unlabelled.index(needs_labels=False) == []
    assert unlabelled.notes == ({} if note is None else {note: 1})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encoded(UPRIGHT, "GIF"), "is a GIF picture, which is not read here"),
        (encoded(UPRIGHT, "JPEG2000"), "is a JPEG 2000 picture"),
        (encoded(UPRIGHT, "AVIF"), "is an AVIF picture"),
        (encoded(UPRIGHT, "PPM"), "is a PNM picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), r"is a HEIF picture (a phone's)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS; fetch the file: `git lfs pull`"),
        (b"\n<!DOCTYPE html>", "but a web page or XML"),
        (b"\x93NUMPY\x01", "is a NumPy array"),
    ],
)
def test_other_kinds_are_called_by_their_name(unlabelled, data, kind):
    unlabelled.image("a.png", data)
    assert kind in unlabelled.problem(needs_labels=False)


def test_a_picture_beyond_the_limit_has_a_sentence_of_its_own(unlabelled, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # twice as many are refused
    monkeypatch.setattr(picture_files, "LIMIT", 80)
    unlabelled.image("a.png")
    message = unlabelled.problem(needs_labels=False)
    assert "is a picture of 0 megapixels, and pictures of more than 0 are not read whole; cut it into tiles" in message
    with pytest.raises(DataError, match="cut it into tiles"):
        read_image(tiff(np.zeros((8, 16, 3), np.uint8)))


def test_a_head_that_claims_to_be_enormous_is_not_unpacked(unlabelled):
    data = bytearray(encoded(UPRIGHT))
    data[16:24] = struct.pack(">II", 20_000, 15_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    unlabelled.image("a.png", bytes(data))
    assert "is a picture of 300 megapixels, and pictures of more than 179" in unlabelled.problem(needs_labels=False)
