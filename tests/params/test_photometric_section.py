"""``photometric`` in params.yaml: a name, or values that begin at a name's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import Augmentation, ParamsError, Photometric, json_schema, read_params
from tests.params.defaults import all_defaults

Write = Callable[[dict[str, Any]], Path]


def problem_of(params: dict[str, Any], write: Write, photometric: object) -> str:
    params["adapt"]["augmentation"] = {"photometric": photometric}
    with pytest.raises(ParamsError) as caught:
        read_params(write(params))
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", ["none", "mild", "strong"])
def test_a_name_is_its_values(tiny_params: dict, write_params: Write, name: str) -> None:
    tiny_params["pretrain"]["augmentation"] = {"photometric": name}
    augmentation = read_params(write_params(tiny_params)).pretrain.augmentation
    assert augmentation.photometric == name
    assert augmentation.photometric_values() == (None if name == "none" else Photometric(strength=name))


def test_nothing_changes_where_nothing_is_asked_for(tiny_params: dict, write_params: Write) -> None:
    params = read_params(write_params(tiny_params))
    assert params.pretrain.augmentation.photometric_values() is None
    assert params.adapt.augmentation.photometric_values() is None


def test_one_value_of_a_strength_may_differ(tiny_params: dict, write_params: Write) -> None:
    tiny_params["adapt"]["augmentation"] = {"photometric": {"strength": "mild", "hue": 0.05, "blur_sigma": [0.5, 2]}}
    found = read_params(write_params(tiny_params)).adapt.augmentation.photometric_values()
    assert found == Photometric(strength="mild").model_copy(update={"hue": 0.05, "blur_sigma": (0.5, 2.0)})


def test_values_begin_at_strong_where_no_strength_is_named() -> None:
    assert Photometric(hue=0.1) == Photometric(strength="strong").model_copy(update={"hue": 0.1})


def test_no_strength_is_all_off() -> None:
    off = Photometric(strength="none")
    always = ("contrast", "channel", "brightness", "saturation", "hue")
    chances = [name for name in Photometric.model_fields if name.endswith("_chance")]
    assert len(chances) == 5
    assert not any(getattr(off, name) for name in (*always, *chances))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("stron", ": should be 'none', 'mild' or 'strong' (it is 'stron'); did you mean 'strong'?"),
        (3, ": should be 'none', 'mild' or 'strong' (it is 3)"),
        (True, ": should be 'none', 'mild' or 'strong' (it is True)"),
        (None, ": should be 'none', 'mild' or 'strong'; did you mean 'none'?"),
        ({"strength": "mlid"}, ".strength: should be 'none', 'mild' or 'strong' (it is 'mlid'); did you mean 'mild'?"),
        ({"strength": ["mild"]}, ".strength: should be 'none', 'mild' or 'strong'; did you mean 'mild'?"),
        ({"contrst": 0.2}, ".contrst: unknown key; did you mean 'contrast'?"),
        ({"contrast": 1.5}, ".contrast: should be less than or equal to 1 (it is 1.5)"),
        ({"hue": 0.6}, ".hue: should be less than or equal to 0.5 (it is 0.6)"),
        ({"blur_sigma": [2, 1]}, ".blur_sigma: goes from small to large: [1.0, 2.0]"),
        ({"jpeg_quality": [90, 40], "jpeg_chance": 0.1}, ".jpeg_quality: goes from small to large: [40, 90]"),
        ({"strength": "none", "noise": 4}, ": noise has no effect where noise_chance is 0; name noise_chance, too"),
        ({"jpeg_quality": [30, 60]}, ": jpeg_quality has no effect where jpeg_chance is 0; name jpeg_chance, too"),
    ],
)
def test_mistakes_are_shown_at_their_place(tiny_params: dict, write_params: Write, given: object, problem: str) -> None:
    assert problem_of(tiny_params, write_params, given) == f"adapt.augmentation.photometric{problem}"


def test_what_is_dumped_reads_as_the_same() -> None:
    for photometric in ("strong", Photometric(strength="none"), Photometric(strength="mild", hue=0.2)):
        augmentation = Augmentation(photometric=photometric)
        assert Augmentation.model_validate(augmentation.model_dump(mode="json")) == augmentation


def test_editors_are_offered_the_names_and_the_described_values() -> None:
    definitions = json_schema()["$defs"]
    names, values = definitions["Augmentation"]["properties"]["photometric"]["oneOf"]
    assert names["enum"] == ["none", "mild", "strong"]
    assert values == {"$ref": "#/$defs/Photometric"}
    assert all("description" in value for value in definitions["Photometric"]["properties"].values())
    assert "pixels" in definitions["Photometric"]["properties"]["blur_sigma"]["description"]


def test_what_a_name_stands_for_is_in_the_record_of_defaults() -> None:
    recorded = all_defaults()
    assert recorded["pretrain"]["augmentation.photometric: strong.blur_chance"] == 0.5
    assert recorded["adapt"]["augmentation.photometric: mild.contrast"] == Photometric(strength="mild").contrast
    assert "CycleganTranslation.augmentation.photometric: none.contrast" in recorded["translations"]


def test_the_documents_table_of_strengths_is_the_codes() -> None:
    lines = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text(encoding="utf-8").splitlines()
    rows = {cells[1].strip(" `"): cells[-4:-1] for cells in (line.split("|") for line in lines) if len(cells) == 7}
    fields = [name for name in Photometric.model_fields if name != "strength"]
    assert len(fields) == 14
    for name in fields:
        for strength, cell in zip(("none", "mild", "strong"), rows[name], strict=True):
            value = getattr(Photometric(strength=strength), name)
            shown = tuple(map(float, cell.split("–")))
            assert shown == (value if isinstance(value, tuple) else (value,)), f"{name}, {strength}"
