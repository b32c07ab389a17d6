"""The layout `folder`: ids, suffixes, include, take, nested folders, and what its errors say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, IGNORE, UNKNOWN, class_set
from pipeline.datasets.entries import PUBLISHED, DataError, entries, label_reader, label_table
from pipeline.datasets.index import Problem, index_split
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.params import FolderSplit
from pipeline.params.class_map import KNOWN_TABLES


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def split(root: Path, **other) -> FolderSplit:
    return FolderSplit(layout="folder", root=str(root), **({"class_map": {0: "road"}} | other))


def ids(root: Path, **other) -> list[str]:
    return [entry.id for entry in entries(split(root, **other))]


def test_pairs_by_name_without_suffix_sorted(tmp_path):
    touch(tmp_path, "images/b.JPG", "images/a.png", "images/c.webp", "images/note.txt", "labels/b.png", "labels/a.png")
    found = list(entries(split(tmp_path)))
    assert found == [
        ("a", tmp_path / "images/a.png", tmp_path / "labels/a.png"),
        ("b", tmp_path / "images/b.JPG", tmp_path / "labels/b.png"),
        ("c", tmp_path / "images/c.webp", None),
    ]


def test_label_without_image_is_listed_with_the_place_of_its_image(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png", "labels/b.png")
    assert list(entries(split(tmp_path)))[1] == ("b", tmp_path / "images/b.png", tmp_path / "labels/b.png")


def test_nested_folders_keep_their_path_in_the_id_and_ids_are_sorted_as_ids(tmp_path):
    # as names, "a-x.png" < "a.png"; as ids, "a" < "a-x": index_of searches by id
    touch(tmp_path, "images/rome/2.png", "images/a.png", "images/a-x.png", "images/rome/1.png", "labels/rome/1.png")
    found = list(entries(split(tmp_path)))
    assert [entry.id for entry in found] == ["a", "a-x", "rome/1", "rome/2"]
    assert found[2].label == tmp_path / "labels/rome/1.png"


def test_nested_parameter_paths_and_labels_below_the_images(tmp_path):
    touch(tmp_path, "day/rgb/a.png", "day/rgb/ids/a.png")
    found = list(entries(split(tmp_path, images="day/rgb", labels="day/rgb/ids")))
    assert found == [("a", tmp_path / "day/rgb/a.png", tmp_path / "day/rgb/ids/a.png")]


def test_hidden_files_are_passed_over(tmp_path):
    touch(tmp_path, "images/a.png", "images/._a.png", "images/.cache/b.png")
    assert ids(tmp_path, labels=None) == ["a"]


def test_folder_linked_into_itself_ends(tmp_path):
    touch(tmp_path, "images/a.png")
    (tmp_path / "images" / "again").symlink_to(tmp_path / "images")
    assert ids(tmp_path, labels=None) == ["a"]


def test_include_then_take(tmp_path):
    touch(tmp_path, *(f"images/{kind}_{number}.png" for kind in ("day", "dusk") for number in range(4)))
    assert ids(tmp_path, labels=None, include=("day_*",), take=(1, 3)) == ["day_1", "day_2"]
    assert ids(tmp_path, labels=None, include=("day_0", "dusk_[13]")) == ["day_0", "dusk_1", "dusk_3"]
    assert ids(tmp_path, labels=None, take=(-2, None)) == ["dusk_2", "dusk_3"]


def test_labels_outside_the_taken_images_belong_to_others(tmp_path):
    touch(tmp_path, *(f"images/{number}.png" for number in range(4)), *(f"labels/{number}.png" for number in range(6)))
    assert ids(tmp_path, take=(1, 3)) == ["1", "2"]
    assert ids(tmp_path) == ["0", "1", "2", "3", "4", "5"]


def test_without_labels(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png")
    assert [entry.label for entry in entries(split(tmp_path, labels=None))] == [None]


def test_two_images_of_one_id_are_both_listed(tmp_path):
    touch(tmp_path, "images/a.png", "images/a.jpg")
    assert ids(tmp_path, labels=None) == ["a", "a"]


def test_length_hint_counts_down(tmp_path):
    touch(tmp_path, "images/a.png", "images/b.png", "labels/a.png")
    listing = entries(split(tmp_path))
    assert listing.__length_hint__() == 2
    next(listing)
    assert listing.__length_hint__() == 1


def test_wrong_root_says_what_was_looked_for_and_what_is_there(tmp_path):
    touch(tmp_path, "pictures/a.png", "readme.txt")
    with pytest.raises(DataError, match=r"looked for the folder images/ there; \S+ holds pictures/, readme.txt\. Set"):
        entries(split(tmp_path))
    with pytest.raises(DataError, match=r"nowhere: looked for the folder images/ there; \S+ holds pictures/"):
        entries(split(tmp_path / "nowhere"))


def test_relative_root_says_relative_to_what(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=rf"nowhere \(relative to {tmp_path}\): looked for"):
        entries(split(Path("nowhere")))


def test_missing_labels_folder_says_how_to_go_without(tmp_path):
    touch(tmp_path, "images/a.png")
    with pytest.raises(DataError, match=r"looked for the folder labels/ .* `labels: null` if there are none"):
        entries(split(tmp_path))


def test_same_folder_for_both_is_refused(tmp_path):
    touch(tmp_path, "images/a.png")
    with pytest.raises(DataError, match="are the same folder"):
        entries(split(tmp_path, labels="images"))


def test_nothing_left_says_which_setting_left_nothing(tmp_path):
    touch(tmp_path, "images/day_1.png", "empty/x.txt")
    with pytest.raises(DataError, match=r"empty: holds no image \(.bmp,"):
        entries(split(tmp_path, images="empty", labels=None))
    with pytest.raises(DataError, match=r"`include` \['night\*'\] matches none of 1 ids such as day_1"):
        entries(split(tmp_path, labels=None, include=("night*",)))
    with pytest.raises(DataError, match=r"`take` \[5, 9\] keeps none of 1 images"):
        entries(split(tmp_path, labels=None, take=(5, 9)))


def test_label_table_maps_ids_ignores_absent_classes_and_knows_the_unknown(tmp_path):
    class_map = {3: "road", 11: "ignore", 0: "sky", 9: "train"}
    table = label_table(split(tmp_path, class_map=class_map), CLASS_SETS["carla-camvid-9"])
    assert table.shape == (256,)
    assert table.dtype == np.uint8
    assert (table[3], table[0], table[11], table[9]) == (0, 7, IGNORE, IGNORE)
    assert (np.delete(table, [0, 3, 9, 11]) == UNKNOWN).all()


def test_drawn_splits_have_a_table_but_no_entries():
    from pipeline.params import StreetsSplit

    drawn = StreetsSplit(layout="streets", domain="source")
    assert label_table(drawn, CITYSCAPES_19)[[0, 18, 19, 255]].tolist() == [0, 18, UNKNOWN, IGNORE]
    with pytest.raises(DataError, match="no files before `dvc repro prepare` draws them"):
        entries(drawn)


def test_real_camvid_pairs_jpegs_with_pngs(real_data):
    found = list(entries(split(real_data("camvid11/val"))))
    assert len(found) == 101
    assert all(entry.image.suffix == ".jpg" and entry.label.suffix == ".png" for entry in found)
    assert Image.open(found[0].image).size == Image.open(found[0].label).size == (480, 360)


CRACKS = class_set({"names": ["background", "crack"]})
MASK_HW = np.zeros((4, 8), np.uint8)
MASK_HW[1:3, 2:6] = 1


def labelled(root: Path, picture: Image.Image, class_map: object) -> np.ndarray | list[Problem]:
    """What the loader reads of a folder with one label, or what `prepare` has against it."""
    (root / "images").mkdir(exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    Image.new("RGB", picture.size).save(root / "images" / "a.png")
    picture.save(root / "labels" / "a.png")
    own = FolderSplit(layout="folder", root=str(root), class_map=class_map)
    table, read = label_table(own, CRACKS), label_reader(own)
    problems = index_split(
        entries(own), table, root / "m.jsonl", needs_labels=True, crop=None, workers=1, progress=False, read=read
    )
    return problems or SplitLabels(Manifest(root / "m.jsonl"), crop=None, size=None, table=table, read=read).label(0)


def palette_picture() -> Image.Image:
    picture = Image.fromarray(MASK_HW + 3)  # its numbers are not the ids: a map by colour reads colours
    picture.putpalette([0] * 12 + [255, 0, 0])
    return picture


COLOURS_HW3 = MASK_HW[..., None] * np.array((255, 0, 0), np.uint8)


@pytest.mark.parametrize(
    ("picture", "class_map"),
    [
        (Image.fromarray(MASK_HW), {0: "background", 1: "crack"}),
        (Image.fromarray(MASK_HW * 255), {0: "background", 255: "crack"}),
        (Image.fromarray(MASK_HW), ["background", "crack"]),
        (Image.fromarray(COLOURS_HW3), {"#000000": "background", "#FF0000": "crack"}),
        (Image.fromarray(COLOURS_HW3).convert("RGBA"), {"#000000": "background", "#ff0000": "crack"}),
        (palette_picture(), {"#ff0000": "crack", "#000000": "background"}),
    ],
)
def test_labels_of_own_classes_by_id_by_list_and_by_colour(
    tmp_path: Path, picture: Image.Image, class_map: object
) -> None:
    assert np.array_equal(labelled(tmp_path, picture, class_map), MASK_HW)


def test_several_colours_are_one_class_and_others_are_ignored(tmp_path: Path) -> None:
    picture_HW3 = np.array([[[0, 0, 0], [1, 1, 1]], [[255, 0, 0], [9, 9, 9]]], np.uint8)
    class_map = {"#000000": "background", "#010101": "background", "#ff0000": "crack", "#090909": "ignore"}
    assert np.array_equal(labelled(tmp_path, Image.fromarray(picture_HW3), class_map), [[0, 0], [1, IGNORE]])


@pytest.mark.parametrize(
    ("picture", "class_map", "words"),
    [
        (Image.fromarray(COLOURS_HW3), {"#000000": "background"}, "(255, 0, 0) (8 pixels; nearest: (0, 0, 0))"),
        (Image.fromarray(MASK_HW), {0: "background"}, "holds id 1 (8 pixels)"),
        (Image.fromarray(MASK_HW), {"#000000": "background", "#ff0000": "crack"}, "in mode L, not in colours"),
    ],
)
def test_what_the_map_does_not_have_is_refused_with_what_to_add(
    tmp_path: Path, picture: Image.Image, class_map: object, words: str
) -> None:
    (problem,) = labelled(tmp_path, picture, class_map)
    assert words in problem.message


def test_a_known_table_gives_its_ids_and_ignores_what_the_set_lacks() -> None:
    streets = class_set({"names": ["car", "road"]})
    table = label_table(split(Path(), class_map="cityscapes"), streets)
    assert (table[7], table[26], table[8], table[34], table[60]) == (1, 0, IGNORE, IGNORE, UNKNOWN)
    table = label_table(split(Path(), class_map="cityscapes-19"), streets)
    assert (table[0], table[13], table[1], table[255], table[19]) == (1, 0, IGNORE, IGNORE, UNKNOWN)
    assert label_table(split(Path(), class_map="gta5"), streets)[255] == UNKNOWN


def test_every_known_table_can_be_named() -> None:
    # camvid-32 are positions in a list of colours, streets the train ids: neither is what somebody's label holds
    assert set(KNOWN_TABLES) == {*CLASS_SETS, *PUBLISHED} - {"camvid-32", "streets"}
    for name in KNOWN_TABLES:
        assert (label_table(split(Path(), class_map=name), CLASS_SETS["synthia-13"]) != UNKNOWN).any()


@pytest.mark.parametrize(
    ("class_map", "words"),
    [
        ({"0": "road"}, "for an id, leave the quotes out: 0"),
        ({"#8040": "road"}, "is not a colour such as '#804080'"),
        ({0: "road", "#000000": "sky"}, "has ids and colours"),
        ({"#ff0000": "road", "#FF0000": "sky"}, "has a colour twice"),
        ({-1: "road"}, "-1 is neither an id from 0 to 255 nor a colour"),
        ({0: None}, "0: None is not the name of a class; write one, or ignore"),
        ("cityscape", "did you mean 'cityscapes'"),
        ([0, 1], "a list holds the names"),
        (None, "YAML takes # for a comment"),
        (7, "is not a map of labels"),
    ],
)
def test_a_map_that_cannot_be_read_says_how_to_write_it(tmp_path: Path, class_map: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split(tmp_path, class_map=class_map)
