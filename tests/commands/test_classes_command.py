"""`roundabout classes`: what it says of pairs of data sets, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app

Write = Callable[[dict[str, Any]], Path]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["classes", *arguments])


def rows(text: str) -> dict[str, list[str]]:
    """Cells of every table row by its first cell; the last table of a name wins."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if cells and cells[0]:
            found[cells[0]] = cells[1:]
    return found


def test_synthia_and_cityscapes_share_16_classes_of_which_13_are_scored_more_often() -> None:
    answer = call("--source", "synthia", "--target", "cityscapes")
    assert answer.exit_code == 0
    table = rows(answer.output)
    assert table["person"][:2] == ["10 pedestrian", "24 person"]
    assert table["terrain"][0] == "16 terrain (not in the files)"
    assert table["wall"][2:] == ["yes", "", "", ""]  # in the 16, not in the 13
    assert table["bus"][2:5] == ["yes", "yes", "yes"]
    assert table["cityscapes-19"] == ["16 of 19", "terrain, truck, train", "–"]
    assert table["synthia-16"][0] == "16 of 16"
    assert table["synthia-13"][0] == "13 of 13"
    assert "it is 16/19 of the mean over the 16" in answer.output
    assert "ignored: 0 void, 13 parking-slot, 14 road-work, 22 lanemarking" in answer.output


def test_ids_that_become_one_class_are_told() -> None:
    said = call("--source", "camvid-32", "--target", "carla-0.9.10").output
    assert "merged into road: LaneMkgsDriv, LaneMkgsNonDriv, Road" in said
    assert "merged into car: Car, SUVPickupTruck" in said
    assert "merged into road: RoadLine, Road" in said
    assert "2 Bicyclist" in said.split("camvid-32")[-1].split("ignored:")[1].split("\n")[0]


def test_nthu_comes_with_the_merges_of_its_protocol() -> None:
    answer = call("--source", "gta5", "--target", "nthu")
    assert "wall: building, fence: building, pole: building, truck: car, terrain: vegetation" in answer.output
    assert rows(answer.output)["nthu-13"][0] == "13 of 13"
    assert "it is" not in answer.output  # the source has all 19


def test_a_class_set_may_be_chosen() -> None:
    table = rows(call("--source", "synthia", "--target", "bdd100k", "--classes", "synthia-13").output)
    assert "wall" not in table
    assert "terrain" not in table
    assert table["sky"][:2] == ["1 sky", "10 sky"]


def test_without_names_params_yaml_is_read(
    tiny_params: dict, write_params: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_params["classes"] = {"two": ["sky", "road"]}
    tiny_params["data"]["evaluation"] = {"layout": "cityscapes", "root": "nowhere", "split": "val"}
    write_params(tiny_params)
    answer = call()
    assert "The classes of two" in answer.output
    assert rows(answer.output)["sky"][:2] == ["10 sky", "23 sky"]
    assert rows(answer.output)["two"][0] == "2 of 2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "synthia"], "say both --source and --target"),
        (["--source", "gta", "--target", "nthu"], "there is no data set 'gta'; choose one of gta5, synthia"),
        (["--source", "gta5", "--target", "nthu", "--classes", "20"], "class set '20' is unknown; choose one of city"),
    ],
)
def test_what_it_does_not_know_is_refused(arguments: list[str], said: str) -> None:
    answer = call(*arguments)
    assert answer.exit_code == 1
    assert said in " ".join(answer.output.split())


def test_a_class_set_is_shown_with_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("names: [background, crack]\ncolours: {crack: [255, 48, 48]}\n", encoding="utf-8")
    answer = call(str(path))
    assert answer.exit_code == 0
    table = rows(answer.output)
    assert table["0"] == ["background", "#606060"] and table["1"] == ["crack", "#ff3030"]
    assert rows(call("synthia-13").output)["0"] == ["road", "#804080"]
    answer = call(str(tmp_path / "other.yaml"))
    assert answer.exit_code == 1 and "other.yaml: cannot be read" in answer.output


def test_params_yaml_shows_which_labels_are_a_class(tiny_params: dict[str, Any], write_params: Write) -> None:
    tiny_params["classes"] = {"names": ["background", "crack"]}
    tiny_params["evaluate"] = {"gallery": 0}
    for name, class_map in (
        ("source", {0: "background", 254: "crack", 255: "crack"}),
        ("target", {0: "background"}),
        ("evaluation", {"#000000": "background", "#ff0000": "crack"}),
    ):
        tiny_params["data"][name] = {"layout": "folder", "root": name, "class_map": class_map}
    table = rows(call(str(write_params(tiny_params))).output)
    assert table["0"][0] == "background" and table["0"][2:] == ["0", "#000000"]
    assert table["1"][2:] == ["254, 255", "#ff0000"]
