"""`roundabout init`: what it sees in folders, and the params.yaml that follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.common.errors import ReadableError
from pipeline.params import read_params
from pipeline.proposal import size as sizes
from pipeline.proposal.labels import class_map_of, values_in
from pipeline.proposal.propose import Names, propose
from pipeline.proposal.size import Budget, crop_to_shape, working_size
from tests import published

CPU = Budget("a CPU", 128 * 256, 300, 200, 4, "{architecture: small, encoder: mobilenet-v3-small}")
NAMES = "road,sky,car"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sizes, "budget_here", lambda: CPU)
    return tmp_path


def folder(base: str, ids: tuple[int, ...] | None, shape=(64, 128), images: int = 8, inside: str = "images") -> None:
    seed = sum(base.encode())
    for number in range(images):
        image_HW3 = np.random.default_rng((seed, number)).integers(0, 255, (*shape, 3), np.uint8)
        published.save(Image.fromarray(image_HW3), Path(base, inside, f"{number}.png"))
        if ids is not None:
            label_HW = np.resize(np.array(ids, np.uint8), shape)
            published.save(Image.fromarray(label_HW), Path(base, "masks", f"{number}.png"))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments])


def test_two_folders_become_params_that_pass_the_check() -> None:
    folder("mine", (0, 3, 7, 255))
    folder("other", None, inside=".")
    answer = call("mine", "other", "--classes", NAMES)
    assert answer.exit_code == 0, answer.output
    assert "source: labels 0 road, 3 sky, 7 car, 255 ignore" in answer.output
    params = read_params()
    assert params.data.source.class_map == {0: "road", 3: "sky", 7: "car", 255: "ignore"}
    assert (params.data.source.labels, params.data.target.labels) == ("masks", None)
    assert params.data.size == (64, 128)
    assert all(entry.guard for entry in params.rounds.values())
    # a target without labels: a part of the source is scored, and that is said
    assert (params.data.source.take, params.data.evaluation.take) == ((None, 7), (7, None))
    assert "scores say nothing of it (--evaluation FOLDER)" in answer.output
    check = CliRunner().invoke(app, ["check"])
    assert check.exit_code == 0, check.output


def test_own_names_and_masks_become_a_class_set_with_a_foreground() -> None:
    folder("mine", (0, 255))
    folder("other", (0, 255))
    answer = call("mine", "other", "--classes", "background,crack")
    assert answer.exit_code == 0, answer.output
    params = read_params()
    assert params.classes == {"names": ["background", "crack"], "foreground": "crack"}
    assert params.data.evaluation.class_map == {0: "background", 255: "crack"}
    check = CliRunner().invoke(app, ["check"])
    assert check.exit_code == 0, check.output


def test_colours_become_a_map_by_colour() -> None:
    folder("mine", (0, 1))
    for number, path in enumerate(sorted(Path("mine/masks").iterdir())):
        label_HW = np.asarray(Image.open(path)) * (number > 0)  # nothing but black in the first
        published.save(Image.fromarray(np.array([[0, 0, 0], [255, 0, 16]], np.uint8)[label_HW]), path)
    folder("other", None)
    assert call("mine", "other").exit_code == 0
    assert read_params().data.source.class_map == {"#000000": "class-0", "#ff0010": "class-1"}
    check = CliRunner().invoke(app, ["check"])
    assert check.exit_code == 0, check.output


def test_ids_in_three_equal_channels_are_ids() -> None:
    folder("mine", (0, 3))
    for path in Path("mine/masks").iterdir():
        Image.open(path).convert("RGB").save(path)
    assert class_map_of(values_in(propose_entries("mine")), None).meaning == {0: "class-0", 3: "class-1"}


def test_params_are_kept_without_yes_and_set_aside_with_it() -> None:
    folder("mine", (0, 3, 7))
    Path("params.yaml").write_text("seed: 5\n")
    answer = call("mine", "mine", "--classes", NAMES)
    assert answer.exit_code == 1 and "--yes replaces it" in answer.output
    assert Path("params.yaml").read_text() == "seed: 5\n"
    folder("other", None)
    assert call("mine", "other", "--classes", NAMES, "--yes").exit_code == 0
    assert Path("params.yaml.before").read_text() == "seed: 5\n"


def test_a_part_for_scoring_is_seen_and_a_labelled_target_is_divided() -> None:
    folder("mine", (0, 1))
    folder("other/train", None)
    folder("other/val", (0, 1))
    names = Names(("road", "sky"))
    with_part = propose(Path("mine"), Path("other"), None, names, CPU).text
    assert 'root: "other/val"' in with_part and "take" not in with_part
    folder("labelled", (0, 1))
    divided = propose(Path("mine"), Path("labelled"), None, names, CPU)
    assert "evaluation: the last 1 image of the target" in divided.why
    assert "take: [null, 7]" in divided.text and "take: [7, null]" in divided.text


def test_labels_of_other_values_need_names_of_their_own() -> None:
    folder("mine", (0, 1))
    folder("other", (4, 9))
    with pytest.raises(ReadableError, match=r"labels hold 4, 9, which the source's do not; .*--target-classes"):
        propose(Path("mine"), Path("other"), None, Names(("road", "sky")), CPU)
    text = propose(Path("mine"), Path("other"), None, Names(("road", "sky"), ("sky", "road")), CPU).text
    assert 'class_map: {4: "sky", 9: "road"}' in text


def test_published_structures_are_recognised() -> None:
    published.synthia(Path("synthia"))
    published.cityscapes(Path("city"))
    published.cityscapes(Path("city"), "val")
    proposal = propose(Path("synthia"), Path("city"), None, Names(), CPU)
    Path("params.yaml").write_text(proposal.text)
    params = read_params()
    assert (params.classes, params.data.source.layout, params.data.target.layout) == (
        "synthia-16", "synthia", "cityscapes",
    )  # fmt: skip
    assert (params.data.target.split, params.data.evaluation.split) == ("train", "val")


def test_folders_without_images_or_labels_are_named() -> None:
    Path("empty").mkdir()
    folder("bare", None)
    for source, message in (
        ("empty", "empty: no images there; looked for"),
        ("bare", "bare: .* the source needs labels"),
    ):
        with pytest.raises(ReadableError, match=message):
            propose(Path(source), Path("bare"), None, Names(), CPU)
    assert call("nowhere", "bare").output.strip() == "nowhere: there is no such folder"


def test_values_of_labels_become_classes(here: Path) -> None:
    folder("mine", (0, 255))
    files = propose_entries("mine")
    assert class_map_of(values_in(files), ("background", "crack")).meaning == {0: "background", 255: "crack"}
    with pytest.raises(ReadableError, match="has 1 names, and the labels hold 2 values: 0, 255"):
        class_map_of(values_in(files), ("background",))
    colours_HW3 = np.zeros((8, 8, 3), np.uint8)
    colours_HW3[:4] = 255, 0, 16
    Image.fromarray(colours_HW3).save(files[0].label)
    by_colour = class_map_of(values_in(files[:1]), None)
    assert by_colour.meaning == {"#000000": "class-0", "#ff0010": "class-1"}
    assert by_colour.names == ("class-0", "class-1")


def test_a_rare_class_that_no_sampled_label_holds_has_its_name() -> None:
    folder("mine", (0, 2))
    assert class_map_of(values_in(propose_entries("mine")), ("a", "b", "c", "d")).meaning == {
        0: "a",
        1: "b",
        2: "c",
        3: "d",
    }


def test_photographs_are_no_labels() -> None:
    folder("mine", None, inside="masks")
    folder("mine", None)
    with pytest.raises(ReadableError, match=r"labels hold more than 64 values; are they photographs"):
        values_in(propose_entries("mine"))


def propose_entries(base: str):
    from pipeline.proposal.folders import look_at

    return look_at(Path(base), "source").entries()


@pytest.mark.parametrize(
    ("files", "pixels", "expected"),
    [((1024, 2048), 128 * 256, (128, 256)), ((360, 480), 128 * 256, (160, 224)), ((64, 128), 10**6, (64, 128))],
)
def test_the_working_size_has_the_files_shape(files, pixels, expected) -> None:
    assert working_size(files, pixels) == expected


def test_a_crop_takes_the_middle_where_the_shape_differs() -> None:
    assert crop_to_shape([(80, 160), (90, 200)], (128, 256)) is None
    assert crop_to_shape([(80, 160)], (64, 64)) == (0, 40, 80, 80)
    assert crop_to_shape([(160, 80)], (64, 64)) == (40, 0, 80, 80)
