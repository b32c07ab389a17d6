"""Split lists as projects publish them and as Windows saves them, for every layout that takes one."""

from pathlib import Path

import pytest

from pipeline.datasets.entries import entries
from pipeline.datasets.problems import DataError
from pipeline.params import (
    Bdd100kSplit,
    CamvidSplit,
    CarlaSplit,
    CityscapesSplit,
    FolderSplit,
    Gta5Split,
    NthuSplit,
    SynscapesSplit,
    SynthiaSplit,
)

SPLITS = {
    "cityscapes": (
        CityscapesSplit(layout="cityscapes", root="", split="train"),
        "leftImg8bit/train/aachen/{}_leftImg8bit.png", "gtFine/train/aachen/{}_gtFine_labelIds.png",
    ),
    "gta5": (Gta5Split(layout="gta5", root=""), "images/{}.png", "labels/{}.png"),
    "synthia": (SynthiaSplit(layout="synthia", root=""), "RGB/{}.png", "GT/LABELS/{}.png"),
    "synscapes": (SynscapesSplit(layout="synscapes", root=""), "img/rgb/{}.png", "img/class/{}.png"),
    "nthu": (NthuSplit(layout="nthu", root="", city="Rio", split="test"), "Rio/Images/Test/{}.png",
             "Rio/Labels/Test/{}_eval.png"),
    "bdd100k": (Bdd100kSplit(layout="bdd100k", root="", split="val"), "images/10k/val/{}.jpg",
                "labels/sem_seg/masks/val/{}.png"),
    "camvid-11": (CamvidSplit(layout="camvid", root="", edition="segnet-11", split="val"), "val/{}.png",
                  "valannot/{}.png"),
    "camvid-32": (CamvidSplit(layout="camvid", root="", edition="original-32"), "701_StillsRaw_full/{}.png",
                  "LabeledApproved_full/{}_L.png"),
    "carla": (CarlaSplit(layout="carla", root="", tags="0.9.5"), "rgb/{}.png", "segmentation/{}.png"),
    "folder": (FolderSplit(layout="folder", root="", class_map={0: "road"}), "images/{}.jpg", "labels/{}.png"),
}  # fmt: skip
IDS = ("00000001", "00000002", "00000003")


def ids(root: Path, split, text: str | bytes) -> list[str]:
    (root / "list.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    chosen = split.model_copy(update={"root": str(root), "listed": str(root / "list.txt")})
    return [entry.id for entry in entries(chosen)]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("layout", SPLITS)
@pytest.mark.parametrize(
    "line",
    [
        "{id}",
        "{image_name}",
        "{image}",
        "/somebody/else/{image}",
        "{image} {label}",
        "{image}\t{label}\t1914\t1052",
        "{image},{label}",
        '"{image}"; "{label}"',
    ],
)
def test_every_layout_takes_lists_of_every_form(tmp_path, layout, line):
    split, image, label = SPLITS[layout]
    touch(tmp_path, *(pattern.format(identity) for pattern in (image, label) for identity in IDS))
    words = [
        {"id": identity, "image": image.format(identity), "label": label.format(identity),
         "image_name": Path(image.format(identity)).name}
        for identity in (IDS[2], IDS[0])
    ]  # fmt: skip
    text = "# of somebody's\n\n" + "".join(line.format(**one) + "\n" for one in words)
    assert ids(tmp_path, split, text) == [IDS[0], IDS[2]]
    assert ids(tmp_path, split, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").replace("/", "\\").encode()) == [
        IDS[0], IDS[2],
    ]  # fmt: skip


@pytest.fixture
def own(tmp_path):
    """Touches images, and returns the ids that a list chooses."""
    split = FolderSplit(layout="folder", root="", labels=None)

    def list_(text: str | bytes, *names: str) -> list[str]:
        touch(tmp_path, *(f"images/{name}" for name in names))
        return ids(tmp_path, split, text)

    return list_


@pytest.mark.parametrize(
    ("line", "names", "chosen"),
    [
        ("bild 1.jpg", ("bild 1.jpg", "bild.jpg"), "bild 1"),
        ("bild 1", ("bild 1.jpg", "bild.jpg"), "bild 1"),
        ("images/bild 1.jpg labels/bild 1.png", ("bild 1.jpg", "bild.jpg"), "bild 1"),
        ("images/5.png labels/7.png", ("5.png", "7.png"), "5"),
        ("5 7", ("5.png", "7.png"), "5"),
        ("day/1.png", ("day/1.png", "night/1.png"), "day/1"),
        ("set/day/1.png", ("day/1.png", "night/1.png"), "day/1"),
        ("2.png", ("day/1.png", "night/2.png"), "night/2"),
        ("7", ("00007.png", "00008.png"), "00007"),
        ("img_1.jpg", ("IMG_1.JPG", "IMG_2.JPG"), "IMG_1"),
        ("1668.25.jpg", ("1668.25.jpg", "1668.jpg"), "1668.25"),
        ("1668.25", ("1668.25.jpg", "1668.jpg"), "1668.25"),
    ],
)
def test_a_line_names_one_image(own, line, names, chosen):
    assert own(line + "\n", *names) == [chosen]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_of_windows(own, encoding):
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    assert own((mark + "# mine\r\nStraße.jpg\r\n").encode(encoding), "Straße.jpg", "b.jpg") == ["Straße"]


def test_a_name_that_may_mean_two_images_is_refused(own):
    with pytest.raises(DataError, match=r"'1.png' may name 'day/1' or 'night/1'; say the folder"):
        own("1.png\n", "day/1.png", "night/1.png")


def test_two_lines_that_mean_one_image_are_of_another_split(own):
    with pytest.raises(DataError, match=r"'day/1.png' and 'night/1.png' would both name the image '1'"):
        own("day/1.png\nnight/1.png\n", "1.png")
    assert own("1.png\n1.png\n", "1.png") == ["1"]


def test_lines_that_name_nothing_are_counted(own):
    with pytest.raises(DataError, match=r"2 of 3 lines name no image of the split, such as 'x.png'; its ids are such"):
        own("x.png\ny.png a.png\na.png\n", "a.png")
    with pytest.raises(DataError, match="is not a text file"):
        own(b"\x80\x81\xff", "a.png")
