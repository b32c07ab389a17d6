"""Every layout from files in the published format to the arrays that the network and the scores see."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, IGNORE, UNKNOWN, class_set
from pipeline.datasets.decoding import read_deep_label
from pipeline.datasets.entries import LAYOUTS as ALL_LAYOUTS
from pipeline.datasets.entries import DataError, entries, label_reader, label_table, meanings
from pipeline.datasets.folds import fold_of
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import prepare
from pipeline.params import AnySplit, Data, Split
from tests import published

HAND_PICKED = {
    # class: the id that the data set's own documents give it; the tables of the code are not asked
    "gta5": {7: "road", 12: "wall", 22: "terrain", 33: "bicycle", 34: None, 0: None},
    "cityscapes": {8: "sidewalk", 17: "pole", 31: "train", 9: None},
    "synthia": {1: "sky", 3: "road", 10: "person", 11: "bicycle", 12: "motorcycle", 21: "wall", 22: None, 13: None},
    "synthia 8 bit": {2: "building", 17: "rider", 0: None},
    "synthia train ids": {0: "road", 18: "bicycle", 255: None},
    "synscapes": {7: "road", 26: "car", 4: None},
    "nthu": {7: "road", 25: "rider", 33: "bicycle", 12: None, 17: None, 27: None, 31: None},
    "bdd100k": {0: "road", 16: "train", 255: None},
    "bdd100k of 2018": {8: "vegetation", 255: None},
    "camvid 11": {0: "sky", 3: "road", 9: "person", 10: None, 11: None},
    "camvid 32": {4: "building", 17: "road", 10: "road", 24: "traffic light", 27: None, 30: None, 31: "wall"},
    "carla": {1: "building", 6: "road", 7: "road", 10: "car", 13: "sky", 22: "terrain", 14: None},
    "carla 0.9.14": {1: "road", 14: "car", 19: "bicycle", 24: "road", 25: None},
}
LAYOUTS: dict[str, tuple[Callable[[Path], published.Labels], dict]] = {
    "gta5": (published.gta5, {"layout": "gta5"}),
    "cityscapes": (published.cityscapes, {"layout": "cityscapes", "split": "train"}),
    "synthia": (published.synthia, {"layout": "synthia"}),
    "synthia 8 bit": (lambda root: published.synthia(root, copy="parsed_LABELS"), {"layout": "synthia"}),
    "synthia train ids": (
        lambda root: published.synthia(root, copy="train ids"),
        {"layout": "synthia", "label_ids": "cityscapes-19"},
    ),
    "synscapes": (published.synscapes, {"layout": "synscapes"}),
    "nthu": (published.nthu, {"layout": "nthu", "city": "Rome", "split": "test"}),
    "bdd100k": (published.bdd100k, {"layout": "bdd100k", "split": "train"}),
    "bdd100k of 2018": (lambda root: published.bdd100k(root, old=True), {"layout": "bdd100k", "split": "train"}),
    "camvid 11": (published.camvid_segnet, {"layout": "camvid", "edition": "segnet-11", "split": "train"}),
    "camvid 32": (published.camvid_original, {"layout": "camvid", "edition": "original-32"}),
    "carla": (published.carla, {"layout": "carla", "tags": "0.9.10"}),
    "carla 0.9.14": (lambda root: published.carla(root, "0.9.14"), {"layout": "carla", "tags": "0.9.14"}),
}
ADAPTER: TypeAdapter[Split] = TypeAdapter(AnySplit)


def split_of(root: Path, **fields) -> Split:
    return ADAPTER.validate_python({"root": str(root), **fields})


def prepared(source: Split, folder: Path) -> dict[str, int]:
    """Prepares a split as the source beside a tiny target; in the working folder."""
    for seed, name in enumerate(("target", "evaluation")):
        picture = published.photograph(seed, (16, 16))
        published.save(picture, folder / name / "images" / "a.png")
        published.save(Image.fromarray(np.zeros((16, 16), np.uint8)), folder / name / "labels" / "a.png")
    ends = {
        name: {"layout": "folder", "root": str(folder / name), "class_map": {0: "road"}}
        for name in ("target", "evaluation")
    }
    data = Data.model_validate({"size": (16, 16), "source": source, **ends})
    return prepare(data, 1, CITYSCAPES_19, workers=2, progress=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_layout_is_tried() -> None:
    assert {fields["layout"] for _, fields in LAYOUTS.values()} == set(ALL_LAYOUTS) - {
        "streets",
        "cracks",
        "folder",
        "digits",
    }
    assert set(HAND_PICKED) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_files_as_published_become_the_right_classes_through_prepare(here: Path, name: str) -> None:
    write, fields = LAYOUTS[name]
    written = write(here / "data-set")
    split = split_of(here / "data-set", **fields)
    counts = prepared(split, here)
    assert counts["source"] == len(written) >= 3
    images = images_of("source", (16, 32))
    labels = labels_of("source", CITYSCAPES_19, None)
    assert list(images.manifest.ids()) == sorted(written)
    odd = 0
    for position, identity in enumerate(sorted(written)):
        id_HW, label_HW = written[identity], labels.label(position)
        assert label_HW.shape == id_HW.shape
        odd += label_HW.shape == published.ODD
        for known, class_name in HAND_PICKED[name].items():
            found = set(np.unique(label_HW[id_HW == known]))
            assert found <= {IGNORE if class_name is None else CITYSCAPES_19.index(class_name)}, (known, class_name)
        assert images.image(position).shape == (16, 32, 3)
    assert odd == 1
    seen = np.concatenate([id_HW.ravel() for id_HW in written.values()])
    looked_for = [known for known in HAND_PICKED[name] if (seen == known).any()]
    assert len(looked_for) == len(HAND_PICKED[name]), "an id that is not in the files proves nothing"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_wrong_root_says_what_was_looked_for_what_is_there_and_where_it_is(here: Path, name: str) -> None:
    write, fields = LAYOUTS[name]
    write(here / "above" / "data-set")
    with pytest.raises(
        DataError, match=r"above: looked for the folder \S+/ .*there; .* holds data-set/\. Set .*"
    ) as told:
        entries(split_of(here / "above", **fields))
    assert str(told.value).endswith(f"{here / 'above' / 'data-set'} has it: set `root` to that.")
    with pytest.raises(DataError, match="looked for the folder"):
        entries(split_of(here / "nowhere", **fields))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_root_inside_the_data_set_is_told_the_folder_above(here: Path, name: str) -> None:
    write, fields = LAYOUTS[name]
    write(here / "data-set")
    inside = next(item for item in sorted((here / "data-set").iterdir()) if item.is_dir())
    with pytest.raises(DataError, match="has it: set `root` to that") as told:
        entries(split_of(inside, **fields))
    assert f" {here / 'data-set'} has it" in str(told.value)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_table_knows_every_id_that_the_files_hold_and_refuses_the_others(here: Path, name: str) -> None:
    split = split_of(here, **LAYOUTS[name][1])
    table = label_table(split, CITYSCAPES_19)
    assert (np.flatnonzero(table != UNKNOWN) == sorted(meanings(split))).all()
    assert (table == UNKNOWN).sum() > 200


# ------------------------------------------------------------------------------------------------------------ SYNTHIA


def test_a_16_bit_label_is_what_pillow_reads_wrong(here: Path) -> None:
    written = published.synthia(here)
    data = (here / "GT/LABELS/0000000.png").read_bytes()
    assert data[24:26] == bytes([16, 2])  # 16 bits, three channels
    by_pillow_HW3 = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    assert by_pillow_HW3.max() == 3  # the upper half of an instance: "the labels have values 0 to 3"
    assert not by_pillow_HW3[..., 0].any()
    label = read_deep_label(data)
    assert label.mode == "L"
    assert np.array_equal(np.asarray(label), written["0000000"])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_containers_of_16_bits_keep_the_class_in_front(channels: int) -> None:
    id_HW = published.blocks(1, published.SIZE, list(range(23)))
    rest = np.full((channels - 1, *published.SIZE), 65535, np.uint16)
    deep = np.concatenate([id_HW[None].astype(np.uint16), rest])
    assert np.array_equal(np.asarray(read_deep_label(published.png(deep))), id_HW)


def test_the_instance_in_front_is_refused() -> None:
    deep = np.full((3, 4, 4), 976, np.uint16)
    with pytest.raises(DataError, match="holds 976 in its first channel, where a class id should be"):
        read_deep_label(published.png(deep))


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_16_bit_label_is_refused(here: Path, damage: str) -> None:
    published.synthia(here)
    data = bytearray((here / "GT/LABELS/0000000.png").read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data[60] ^= 0xFF
    with pytest.raises(DataError, match="is truncated or damaged"):
        read_deep_label(bytes(data))


def test_a_label_that_was_cut_to_8_bits_is_refused_with_the_reason(here: Path) -> None:
    published.synthia(here)
    cut = BytesIO()
    Image.open(here / "GT/LABELS/0000000.png").convert("RGB").save(cut, "PNG")
    for data in (cut.getvalue(), (here / "GT/COLOR/0000000.png").read_bytes()):
        with pytest.raises(DataError, match=r"colour image of 8 bits.*GT/COLOR.*unpack GT/LABELS again"):
            read_deep_label(data)


def test_train_ids_under_synthias_ids_are_recognised(here: Path) -> None:
    published.synthia(here, copy="train ids")
    (here / "GT/LABELS").rename(here / "mixed")
    for path in sorted((here / "mixed").glob("*_labelTrainIds.png")):
        published.save(path.read_bytes(), here / "GT/LABELS" / path.name.replace("_labelTrainIds", ""))
    with pytest.raises(DataError, match=r"holds id 255 .* are these train ids\? .* label_ids: cityscapes-19"):
        prepared(split_of(here, layout="synthia"), here)


def test_a_converters_files_beside_the_published_labels_are_passed_over(here: Path) -> None:
    published.synthia(here, copy="train ids")
    found = list(entries(split_of(here, layout="synthia")))
    assert [entry.label.name for entry in found] == ["0000000.png", "0000001.png", "0000002.png"]
    for path in (here / "GT/LABELS").glob("???????.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"if it holds \*_labelTrainIds.png only, say label_ids: cityscapes-19"):
        entries(split_of(here, layout="synthia"))


def test_either_of_the_known_copies_is_found_by_itself(here: Path) -> None:
    published.synthia(here, copy="synthia_mapped_to_cityscapes")
    split = split_of(here, layout="synthia")
    first = next(entries(split))
    assert first.label == here / "synthia_mapped_to_cityscapes/0000000.png"
    assert read_deep_label(first.label.read_bytes()).mode == "L"


# --------------------------------------------------------------------------------------------------- the other layouts


def test_synscapes_and_carla_count_as_numbers(here: Path) -> None:
    published.synscapes(here / "synscapes")
    found = entries(split_of(here / "synscapes", layout="synscapes", take=(1, 3)))
    assert [entry.image.name for entry in found] == ["2.png", "3.png"]  # not 10, 11
    published.carla(here / "carla")
    found = entries(split_of(here / "carla", layout="carla", tags="0.9.10", take=(9, None)))
    assert [entry.image.name for entry in found] == ["9.png", "10.png"]


def test_a_picture_through_carlas_palette_is_refused(here: Path) -> None:
    split = split_of(here, layout="carla", tags="0.9.10")
    coloured = BytesIO()
    Image.fromarray(np.full((4, 4, 3), (128, 64, 128), np.uint8)).save(coloured, "PNG")
    with pytest.raises(DataError, match=r"holds 128 in its red channel.*CityScapesPalette.*save .* raw"):
        label_reader(split)(coloured.getvalue())


def test_a_copy_of_carla_with_one_channel_is_read_too(here: Path) -> None:
    label_HW = published.blocks(1, published.SIZE, list(range(13)))
    one = BytesIO()
    Image.fromarray(label_HW).save(one, "PNG")
    read = label_reader(split_of(here, layout="carla", tags="0.9.5"))
    assert np.array_equal(np.asarray(read(one.getvalue())), label_HW)


def test_camvids_colours_are_exact_or_refused(here: Path) -> None:
    published.camvid_original(here)
    read = label_reader(split_of(here, layout="camvid", edition="original-32"))
    path = here / "LabeledApproved_full/0001TP_006690_L.png"
    blurred, jpeg = BytesIO(), BytesIO()
    Image.open(path).resize((40, 20), Image.Resampling.BILINEAR).save(blurred, "PNG")
    Image.open(path).save(jpeg, "JPEG")
    with pytest.raises(DataError, match=r"pixels of colours that the data set does not define, such as \(.*resized"):
        read(blurred.getvalue())
    with pytest.raises(DataError, match="compression changes colours"):
        read(jpeg.getvalue())
    with pytest.raises(DataError, match="is a label in mode L, not in colours"):
        published.save(Image.new("L", (4, 4)), here / "grey.png")
        read((here / "grey.png").read_bytes())


def test_camvids_editions_have_their_own_keys(here: Path) -> None:
    for wrong in ({"edition": "segnet-11"}, {"edition": "original-32", "split": "train"}):
        with pytest.raises(ValueError, match="segnet-11 needs train, val or test; original-32 has none"):
            split_of(here, layout="camvid", **wrong)


def test_the_lists_of_camvid_are_the_701_frames(here: Path) -> None:
    lists = Path(__file__).resolve().parents[3] / "data" / "lists"
    names: list[str] = []
    for name, count in (("train", 367), ("val", 101), ("test", 233)):
        lines = (lists / f"camvid-{name}.txt").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# SegNet's split of CamVid")
        ids = [line for line in lines if not line.startswith("#")]
        assert len(ids) == count
        names += ids
    assert len(set(names)) == 701


def test_bdd_has_no_labels_for_its_test_images(here: Path) -> None:
    published.bdd100k(here, "test")
    assert [entry.label for entry in entries(split_of(here, layout="bdd100k", split="test"))] == [None] * 3


def test_a_palette_label_stored_with_fewer_bits_is_read_by_its_indices(here: Path) -> None:
    """GTA5's files may hold few ids: a PNG writer then packs two or more pixels into a byte."""
    published.gta5(here)
    label_HW = np.full(published.SIZE, 7, np.uint8)
    label_HW[:4] = 11
    published.in_colour(label_HW).save(here / "labels/00001.png", bits=4)
    split = split_of(here, layout="gta5")
    assert prepared(split, here)["source"] == 3
    label = labels_of("source", CITYSCAPES_19, None).label(0)
    assert label[0, 0] == CITYSCAPES_19.index("building")
    assert label[-1, -1] == CITYSCAPES_19.index("road")


# --------------------------------------------------------------------------------------------------------------- NTHU


def test_nthus_train_images_have_no_labels_and_other_cities_stay_out(here: Path) -> None:
    published.nthu(here, "Rio")
    published.nthu(here, "Rome", train=4)
    found = list(entries(split_of(here, layout="nthu", city="Rome", split="train")))
    assert [entry.label for entry in found] == [None] * 4
    assert all("Rome" in entry.image.parts for entry in found)


def test_ten_folds_score_each_image_once_and_adapt_to_the_others(here: Path) -> None:
    written = published.nthu(here, test=20)
    scored: list[str] = []
    for fold in range(10):
        both = {
            part: [
                entry.id
                for entry in entries(split_of(here, layout="nthu", city="Rome", split="test", fold=fold, part=part))
            ]
            for part in ("score", "adapt")
        }
        assert len(both["score"]) == 2 and len(both["adapt"]) == 18
        assert sorted(both["score"] + both["adapt"]) == sorted(written)
        scored += both["score"]
    assert scored == sorted(written)


def test_folds_are_runs_of_neighbours() -> None:
    folds = [fold_of(position, 100, 10) for position in range(100)]
    assert folds == sorted(folds)
    assert [folds.count(fold) for fold in range(10)] == [10] * 10


def test_a_fold_of_unlabelled_images_or_a_part_of_no_fold_is_refused(here: Path) -> None:
    with pytest.raises(ValueError, match="folds are of the 100 labelled images: say split: test"):
        split_of(here, layout="nthu", city="Rio", split="train", fold=1)
    with pytest.raises(ValueError, match="part: is of a fold; say which one"):
        split_of(here, layout="nthu", city="Rio", split="test", part="adapt")


def test_nthus_13_classes_are_those_of_the_protocol(here: Path) -> None:
    table = label_table(split_of(here, layout="nthu", city="Rio", split="test"), CLASS_SETS["nthu-13"])
    expected = {7: 0, 8: 1, 11: 2, 19: 3, 20: 4, 21: 5, 23: 6, 24: 7, 25: 8, 26: 9, 28: 10, 32: 11, 33: 12}
    assert {identity: table[identity] for identity in expected} == expected
    others = [identity for identity in range(34) if identity not in expected]
    assert (table[others] == IGNORE).all()


# -------------------------------------------------------------------------------------------------------- split lists


def test_a_list_chooses_images_and_their_labels(here: Path) -> None:
    published.cityscapes(here / "set", count=4)
    stems = [f"aachen_{number:06}_000019" for number in (3, 1)]
    published.save(
        f"# two images\n\n{stems[0]}\naachen/{stems[1]}_leftImg8bit.png\n".encode(), here / "lists" / "two.txt"
    )
    split = split_of(here / "set", layout="cityscapes", split="train", listed="lists/two.txt")
    found = list(entries(split))
    assert [entry.id for entry in found] == sorted(stems)
    assert all(entry.label is not None for entry in found)
    assert prepared(split, here)["source"] == 2
    only_one = split_of(here / "set", layout="cityscapes", split="train", listed="lists/two.txt", take=(1, 2))
    assert [entry.id for entry in entries(only_one)] == [stems[0]]


def test_a_list_works_with_every_layout(here: Path) -> None:
    for name, (write, fields) in LAYOUTS.items():
        root = here / name
        ids = sorted(write(root))
        published.save(f"{ids[1]}\n".encode(), here / "one.txt")
        assert [entry.id for entry in entries(split_of(root, **fields, listed="one.txt"))] == [ids[1]], name


def test_a_list_of_something_else_says_so(here: Path) -> None:
    published.gta5(here)
    published.save(b"00001\n00099.png\n", here / "wrong.txt")
    split = split_of(here, layout="gta5", listed="wrong.txt")
    with pytest.raises(DataError, match=r"wrong.txt: 1 of 2 lines name no image of the split, such as '00099.png'"):
        entries(split)
    published.save(b"# nothing\n", here / "wrong.txt")
    with pytest.raises(DataError, match="the split list names no image"):
        entries(split)
    with pytest.raises(DataError, match=r"no\.txt: the split list cannot be read"):
        entries(split_of(here, layout="gta5", listed="no.txt"))


def test_an_own_class_set_maps_the_same_files(here: Path) -> None:
    table = label_table(split_of(here, layout="gta5"), class_set({"flat": ["sidewalk", "road"]}))
    assert table[[7, 8, 11]].tolist() == [1, 0, IGNORE]


@pytest.mark.parametrize("name", ["cityscapes", "bdd100k", "nthu"])
def test_a_target_beside_its_labels_is_prepared_without_them(here: Path, name: str) -> None:
    write, fields = LAYOUTS[name]
    written = write(here / "data-set")
    split = split_of(here / "data-set", **fields)
    published.gta5(here / "source")
    published.save(published.photograph(1, (16, 16)), here / "other" / "images" / "a.png")
    published.save(Image.new("L", (16, 16)), here / "other" / "labels" / "a.png")
    data = Data.model_validate({
        "size": (16, 16),
        "source": {"layout": "gta5", "root": str(here / "source")},
        "target": split,
        "evaluation": {"layout": "folder", "root": str(here / "other"), "class_map": {0: "road"}},
    })  # fmt: skip
    counts = prepare(data, 1, CITYSCAPES_19, workers=2, progress=False)
    assert counts["target"] == counts["target-labelled"] == len(written)
    without = images_of("target", (16, 32)).manifest
    assert {row.label for row in without} == {row.label_hash for row in without} == {None}
    with pytest.raises(DataError, match="labels of a target are kept from training"):
        labels_of("target", CITYSCAPES_19, None)
    assert labels_of("target-labelled", CITYSCAPES_19, None).label(0).shape == published.SIZE


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".webp"])
@pytest.mark.parametrize("layout", ["cityscapes", "gta5", "synthia", "synscapes", "nthu", "bdd100k", "camvid-32"])
def test_copies_with_other_suffixes_are_taken(tmp_path, layout, suffix):
    from tests.datasets.test_split_lists import SPLITS, touch

    split, image, label = SPLITS[layout]
    copied = image.rpartition(".")[0] + suffix
    touch(tmp_path, copied.format("00001"), label.format("00001"))
    ((_, found, found_label),) = entries(split.model_copy(update={"root": str(tmp_path)}))
    assert (found, found_label) == (tmp_path / copied.format("00001"), tmp_path / label.format("00001"))
