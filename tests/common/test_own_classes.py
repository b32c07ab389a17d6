"""Class sets of one's own: names, colours, foreground, files, and what their errors say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.labels import CITYSCAPES_19, class_set, classes_named, classes_of_model, own_palette
from pipeline.common.own_classes import file_problem

RED, GREY = (255, 0, 0), (96, 96, 96)


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    return sum((here - there) ** 2 for here, there in zip(one, other, strict=True)) ** 0.5


def test_names_and_colours_are_as_given() -> None:
    classes = class_set({"names": ["background", "crack"], "colours": {"crack": [255, 0, 0]}})
    assert (classes.name, classes.names, classes.palette) == ("own", ("background", "crack"), (GREY, RED))
    listed = class_set({"name": "mine", "names": ["a", "b"], "colours": ["#0a0B0c", [1, 2, 3]]})
    assert (listed.name, listed.palette) == ("mine", ((10, 11, 12), (1, 2, 3)))


def test_a_name_of_cityscapes_has_its_colour_unless_another_class_was_given_it() -> None:
    assert class_set({"names": ["field", "road"]}).palette[1] == (128, 64, 128)
    taken = class_set({"names": ["field", "road"], "colours": {"field": [128, 64, 128]}})
    assert taken.palette[0] == (128, 64, 128) != taken.palette[1]


@pytest.mark.parametrize("count", [2, 3, 19, 254])
def test_drawn_colours_all_differ_and_neighbours_clearly(count: int) -> None:
    names = [f"class {number}" for number in range(count)]
    palette = class_set({"names": names}).palette
    assert len(set(palette)) == count and (0, 0, 0) not in palette
    assert min(distance(one, other) for one, other in pairwise(palette)) >= 120
    assert palette == class_set({"names": names}).palette


def test_a_drawn_colour_keeps_away_from_given_neighbours_on_both_sides() -> None:
    first = class_set({"names": ["one", "two", "three"]}).palette
    near = [[value + 1 for value in first[0]], [value - 1 for value in first[2]]]
    palette = class_set({"names": ["a", "b", "c"], "colours": {"a": near[0], "c": near[1]}}).palette
    assert distance(palette[0], palette[1]) >= 120 and distance(palette[1], palette[2]) >= 120


@pytest.mark.parametrize(
    ("classes", "foreground"),
    [
        ({"names": ["background", "crack"]}, "crack"),
        ({"names": ["tumour", "Other"]}, "tumour"),
        ({"names": ["not road", "road"]}, "road"),
        ({"names": ["void", "background"]}, None),  # which of them is looked for?
        ({"names": ["cat", "dog"]}, None),
        ({"names": ["background", "cat", "dog"]}, None),
        ({"names": ["background", "cat", "dog"], "foreground": "dog"}, "dog"),
    ],
)
def test_the_foreground_is_the_one_that_is_no_background(classes: dict[str, Any], foreground: str | None) -> None:
    read = class_set(classes)
    assert read.foreground == foreground
    assert read.foreground_metric == (None if foreground is None else f"IoU {foreground}")
    assert CITYSCAPES_19.foreground is None


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"names": ["a"]}, "has 1 names; a class set has 2 to 254"),
        ({"names": [str(number) for number in range(255)]}, "has 255 names"),
        ({"names": "a, b"}, "needs `names`, a list"),
        ({"names": ["a", 1]}, "names: 1 is not a text; put it in quotes"),
        ({"names": ["a", " b"]}, "' b' is empty, or begins or ends with a space"),
        ({"names": ["a", "b,c"]}, "'b,c' has a comma"),
        ({"names": ["a", "b\nc"]}, "has a line break"),
        ({"names": ["a", "b" * 41]}, "longer than 40"),
        ({"names": ["a", "Ignore"]}, "'Ignore' means in class_map"),
        ({"names": ["Crack", "crack"]}, "'Crack' and 'crack' are the same"),
        ({"names": ["\u00e9", "e\u0301"]}, "are the same"),  # two Unicode forms of one letter
        ({"names": ["a", "b"], "colors": {}}, "'colors' is not a key .*did you mean 'colours'"),
        ({"names": ["a", "b"], "colours": {"c": [1, 2, 3]}}, "colours: 'c' is not one of the names"),
        ({"names": ["a", "b"], "colours": {"b": None}}, "colours: b: None is not a colour; .*in quotes"),
        ({"names": ["a", "b"], "colours": {"b": [1, 2, 256]}}, r"\[1, 2, 256\] is not a colour"),
        ({"names": ["a", "b"], "colours": {"b": [0, 0, 0]}}, "black shows ignored pixels"),
        ({"names": ["a", "b"], "colours": ["#010203", [1, 2, 3]]}, "a and b have the same colour"),
        ({"names": ["a", "b"], "colours": ["#010203"]}, "has 1 colours for 2 names"),
        ({"names": ["a", "b"], "foreground": "A"}, "foreground: 'A' is not one of the names"),
        ({"names": ["a", "b"], "name": "nthu-13"}, "name 'nthu-13' is of a published class set"),
        ({"mine": ["background", "crack"]}, r"for one's own: names: \[background, crack\]"),
    ],
)
def test_what_is_wrong_is_named(classes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        class_set(classes)


def test_a_file_holds_a_mapping_or_a_list_of_names(tmp_path: Path) -> None:
    (tmp_path / "cells.yaml").write_text("names: [medium, cell]\nforeground: cell\n", encoding="utf-8")
    (tmp_path / "plain.YML").write_text("- medium\n- cell\n", encoding="utf-8")
    cells, plain = class_set(str(tmp_path / "cells.yaml")), class_set(str(tmp_path / "plain.YML"))
    assert (cells.name, cells.foreground, plain.name, plain.foreground) == ("cells", "cell", "plain", None)
    assert cells.names == plain.names == ("medium", "cell")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"names: [a, b", "is not valid YAML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"", "needs `names`"),
        (b"names: [a]\n", "has 1 names"),
    ],
)
def test_a_file_that_is_no_class_set_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"mine\.yaml: .*{words}"):
        class_set(str(path))


@pytest.mark.parametrize("path", ["mine.yaml", "/data/classes/mine.yaml", "data/classes/../mine.yaml"])
def test_a_file_where_dvc_does_not_look_is_refused(path: str) -> None:
    assert "move the file there: classes: data/classes/mine.yaml" in str(file_problem(path))
    assert file_problem("./data/classes/cells/mine.yaml") is None


def test_a_model_file_keeps_colours_that_its_names_do_not_tell() -> None:
    own = class_set({"names": ["background", "crack"], "colours": {"crack": [1, 2, 3]}})
    kept = own_palette(own)
    assert kept == {"palette": [list(GREY), [1, 2, 3]]}
    assert classes_of_model(own.names, kept["palette"]).palette == own.palette
    assert own_palette(CITYSCAPES_19) == {}
    assert classes_of_model(own.names, None).palette == classes_named("", own.names).palette
