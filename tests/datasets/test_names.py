"""How images and labels find each other: endings, letter case, Unicode forms, double suffixes, twins."""

import unicodedata

import pytest

from pipeline.datasets.entries import entries
from pipeline.datasets.problems import DataError
from pipeline.datasets.walking import passed_over
from pipeline.params import FolderSplit


@pytest.fixture
def named(tmp_path):
    """Touches files, and returns (id, image, label) of the split with these settings."""

    def list_(*names: str, **settings) -> list[tuple[str, str, str | None]]:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        split = FolderSplit(layout="folder", root=str(tmp_path), class_map={0: "road"}, **settings)
        return [(entry.id, entry.image.name, entry.label and entry.label.name) for entry in entries(split)]

    return list_


@pytest.mark.parametrize(
    ("image", "label", "settings", "identity"),
    [
        ("1_rgb.png", "1_mask.png", {"image_ending": "_rgb.png", "label_ending": "_mask.png"}, "1"),
        ("1_rgb.PNG", "1_Mask.png", {"image_ending": "_rgb.png", "label_ending": "_mask.png"}, "1"),
        ("1_rgb.jpg", "1_mask.tif", {"image_ending": "_rgb", "label_ending": "_mask"}, "1"),
        ("1.jpg", "1_mask.png", {"label_ending": "_mask.png"}, "1"),
        ("1_sat.jpg", "1.png", {"image_ending": "_sat.jpg"}, "1"),
        ("a.rgb.png", "a.label.png", {"image_ending": ".rgb.png", "label_ending": ".label.png"}, "a"),
        ("x.jpg", "x.jpg.png", {}, "x"),
        ("x.jpg", "x.jpg.png", {"label_ending": ".jpg.png"}, "x"),
        ("1668589445.123456.jpg", "1668589445.123456.png", {}, "1668589445.123456"),
        ("IMG_1.JPG", "img_1.png", {}, "IMG_1"),
        ("rome/Night/1.jpg", "Rome/night/1.png", {}, "rome/Night/1"),
        (unicodedata.normalize("NFD", "Straße_ü.jpg"), unicodedata.normalize("NFC", "Straße_ü.png"), {}, "Straße_ü"),
        ("rome/1_rgb.png", "rome/1_mask.png", {"image_ending": "_rgb.png", "label_ending": "_mask.png"}, "rome/1"),
    ],
)
def test_one_image_and_its_label(named, image, label, settings, identity):
    ((found, image_name, label_name),) = named(f"images/{image}", f"labels/{label}", **settings)
    assert unicodedata.normalize("NFC", found) == identity
    assert (image_name, label_name) == (image.rpartition("/")[2], label.rpartition("/")[2])


@pytest.mark.parametrize(
    "settings",
    [
        {"image_ending": ".jpg", "label_ending": ".png"},
        {"image_ending": ".jpg"},
        {"label_ending": ".png"},
        {"image_ending": ".jpg", "label_ending": ".png", "include": ("x*",)},
    ],
)
def test_images_and_labels_in_one_folder(named, settings):
    assert named("d/x.jpg", "d/x.png", images="d", labels="d", **settings) == [("x", "x.jpg", "x.png")]


def test_one_folder_with_other_files_that_have_neither_ending(named):
    endings = {"image_ending": "_sat.jpg", "label_ending": "_mask.png"}
    found = named("d/x_sat.jpg", "d/x_mask.png", "d/x_depth.png", images="d", labels="d", **endings)
    assert found == [("x", "x_sat.jpg", "x_mask.png")]


def test_files_without_the_ending_are_left_out_and_counted(named):
    with passed_over() as counter:
        found = named("images/1_rgb.png", "images/1_depth.png", "images/1_ir.tif", labels=None, image_ending="_rgb.png")
    assert found == [("1", "1_rgb.png", None)]
    assert counter == {"picture that does not end in _rgb.png": 2}


@pytest.mark.parametrize("twin", ["_color", "_colors", "_instance", "_instanceIds", "_overlay", "_COLOR"])
def test_twins_of_labels_are_left_out_and_counted(named, twin):
    with passed_over() as counter:
        found = named("images/x.jpg", "labels/x.png", f"labels/x{twin}.png", "labels/x.json")
    assert found == [("x", "x.jpg", "x.png")]
    assert counter == {"picture beside a label (_color, _instance, …)": 1}


def test_what_looks_like_a_twin_is_none_where_it_has_an_image_or_no_label_beside_it(named):
    found = named("images/x.jpg", "images/x_color.jpg", "labels/x.png", "labels/x_color.png", "labels/y_color.png")
    assert found == [
        ("x", "x.jpg", "x.png"),
        ("x_color", "x_color.jpg", "x_color.png"),
        ("y_color", "y_color.png", "y_color.png"),
    ]


def test_names_that_are_equal_come_before_names_that_are_nearly_so(named):
    found = named("images/a.jpg", "images/A.jpg", "labels/a.png", "labels/A.png")
    assert found == [("A", "A.jpg", "A.png"), ("a", "a.jpg", "a.png")]


def test_a_label_that_may_be_of_two_images_is_refused_with_both_names(named):
    with pytest.raises(DataError, match=r"the label IMG.png may be of Img.jpg or of img.jpg; rename"):
        named("images/Img.jpg", "images/img.jpg", "labels/IMG.png")


def test_two_labels_for_one_image_are_both_listed(named):
    # index_split refuses the second, and names the first
    assert named("images/img.jpg", "labels/IMG.png", "labels/Img.png") == [
        ("img", "img.jpg", "IMG.png"), ("img", "img.jpg", "Img.png"),
    ]  # fmt: skip


def test_labels_paired_by_case_follow_take_and_lists(named, tmp_path):
    (tmp_path / "list.txt").write_text("IMG_2.JPG\n")
    files = [f"images/IMG_{number}.JPG" for number in range(4)] + [f"labels/img_{number}.png" for number in range(4)]
    assert named(*files, take=(1, 2)) == [("IMG_1", "IMG_1.JPG", "img_1.png")]
    assert named(listed=str(tmp_path / "list.txt")) == [("IMG_2", "IMG_2.JPG", "img_2.png")]


def test_one_folder_for_both_without_endings_says_what_to_say(named):
    with pytest.raises(DataError, match="are the same folder; say what tells them apart"):
        named("d/x.jpg", "d/x.png", images="d", labels="d")
