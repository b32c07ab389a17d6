"""What the page asks for of the evaluation split: predictions beside labels, errors, confusions, changes."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.common.files import read_json, write_json
from tests.viewer.conftest import write_evaluation

ROAD, SKY, CAR = 0, 10, 13


def ask(client: TestClient, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params={"run": "lse-2", "split": "evaluation", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def planes(name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    with h5py.File(f"runs/{name}/predictions.h5") as file:
        return list(file["image_ids"].asstr()[:]), file["truth"][:], file["label"][:]


def look_again(client: TestClient, split: str = "evaluation") -> dict[str, dict]:
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    return {run["name"]: run for run in client.get("/api/workspace", params={"split": split}).json()["runs"]}


def values(client: TestClient, **parameters: Any) -> dict[str, float]:
    ask(client, "/api/gallery", **parameters)
    client.inspector.measured.wait()  # type: ignore[attr-defined]
    return {image["id"]: image["value"] for image in ask(client, "/api/gallery", **parameters)["images"]}


def test_runs_are_there_with_what_they_have_in_the_split(evaluated: TestClient) -> None:
    runs = look_again(evaluated)
    assert runs["lse-2"]["splits"] == ["target", "evaluation"] and runs["lse-2"]["previous"] == "lse-1"
    assert {"label", "errors", "input"} <= set(runs["lse-2"]["layers"]) and not runs["cbst-1"]["has_images"]
    assert runs["cbst-1"]["problems"] == [
        "cbst-1 has no predictions of the evaluation split yet; `dvc repro evaluate@cbst-1` writes them."
    ]


def test_a_bare_address_shows_the_last_network_on_the_evaluation_split(evaluated: TestClient) -> None:
    start = evaluated.get("/api/workspace").json()["start"]
    assert start == {"run": "lse-2", "split": "evaluation"}
    Path("runs/lse-2/predictions.h5").unlink()
    look_again(evaluated)
    assert evaluated.get("/api/workspace").json()["start"]["split"] == "target"


def test_errors_are_those_of_the_planes(evaluated: TestClient) -> None:
    ids, truth_NHW, label_NHW = planes("lse-2")
    of_all, of_sky = values(evaluated, sort="error"), values(evaluated, sort="error", of="sky")
    for image_id, truth_HW, label_HW in zip(ids, truth_NHW, label_NHW, strict=True):
        labelled_HW = truth_HW != 255
        wrong_HW = labelled_HW & (truth_HW != label_HW)
        assert of_all[image_id] == pytest.approx(wrong_HW.sum() / labelled_HW.sum(), abs=1e-6)
        either_HW = wrong_HW & ((truth_HW == SKY) | (label_HW == SKY))
        assert of_sky[image_id] == pytest.approx(either_HW.sum() / labelled_HW.sum(), abs=1e-6)
    assert list(of_all.values()) == sorted(of_all.values(), reverse=True) and of_all["val/3"] == 0
    assert "val/3" not in values(evaluated, sort="error", show="with errors")


@pytest.mark.parametrize(("of", "taken_for"), [("sky", "car"), ("sky", ""), ("", "car"), ("", "")])
def test_a_confusion_is_counted_in_the_planes(evaluated: TestClient, of: str, taken_for: str) -> None:
    ids, truth_NHW, label_NHW = planes("lse-2")
    shares = values(evaluated, sort="confusion", of=of, taken_for=taken_for)
    for image_id, truth_HW, label_HW in zip(ids, truth_NHW, label_NHW, strict=True):
        pair_HW = (truth_HW != 255) & (truth_HW != label_HW)
        pair_HW &= (truth_HW == SKY) if of else True
        pair_HW &= (label_HW == CAR) if taken_for else True
        assert shares[image_id] == pytest.approx(pair_HW.sum() / (truth_HW != 255).sum(), abs=1e-6)
    assert max(shares.values()) > 0


def test_change_is_the_difference_of_the_errors(evaluated: TestClient) -> None:
    here, before = values(evaluated, sort="error"), values(evaluated, sort="error", run="lse-1")
    change = values(evaluated, sort="change")
    assert change == pytest.approx({image_id: here[image_id] - before[image_id] for image_id in here}, abs=2e-6)
    assert values(evaluated, sort="change", show="worse").keys() == {key for key in change if change[key] > 0}
    back = values(evaluated, sort="change", run="lse-1", against="lse-2", show="better")
    assert back.keys() == {key for key in change if change[key] > 0} and back


def test_the_pictures_are_what_the_file_holds(evaluated: TestClient) -> None:
    ids, truth_NHW, label_NHW = planes("lse-2")
    _, _, before_NHW = planes("lse-1")

    def opacity(name: str) -> np.ndarray:
        answer = evaluated.get(f"/picture/{name}", params={"run": "lse-2", "split": "evaluation", "image": ids[0]})
        assert answer.status_code == 200, answer.text
        return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))[..., 3]

    wrong_HW = (truth_NHW[0] != label_NHW[0]) & (truth_NHW[0] != 255)
    assert ((opacity("errors") == 235) == wrong_HW).all() and wrong_HW.any()
    assert ((opacity("label") == 0) == (truth_NHW[0] == 255)).all()
    lost_HW = wrong_HW & (before_NHW[0] == truth_NHW[0])
    assert ((opacity("gain") == 255) == lost_HW).all() and lost_HW.any()
    assert opacity("prediction").shape == opacity("entropy").shape == (64, 128)


def test_a_pixel_has_label_prediction_and_entropy(evaluated: TestClient) -> None:
    _, truth_NHW, label_NHW = planes("lse-2")
    pixel = ask(evaluated, "/api/pixel", image="val/2", x=100, y=3)
    assert (pixel["truth"], pixel["class"]) == (truth_NHW[2, 3, 100], label_NHW[2, 3, 100])
    assert pixel["entropy"] == pytest.approx(0.2, abs=math.log(19) / 51)
    answer = evaluated.get(
        "/api/pixel", params={"run": "lse-2", "split": "evaluation", "image": "val/2", "x": 128, "y": 0}
    )
    assert answer.status_code == 404 and "is outside the image of 128x64" in answer.json()["detail"]


def test_classes_say_for_what_their_pixels_are_taken(evaluated: TestClient) -> None:
    rows = {row["name"]: row for row in ask(evaluated, "/api/classes")["classes"]}
    assert [other["name"] for other in rows["sky"]["taken_for"]] == ["car"]
    assert rows["sky"]["iou"] < rows["sky"]["other_iou"] < 1


def test_new_predictions_are_read_and_damaged_ones_are_named(evaluated: TestClient) -> None:
    before = look_again(evaluated)["lse-1"]["stamp"]
    write_evaluation(Path("runs/lse-1"), 1)
    assert look_again(evaluated)["lse-1"]["stamp"] != before
    assert ask(evaluated, "/api/gallery", run="lse-1")["images"] == ask(evaluated, "/api/gallery")["images"]
    Path("damaged").write_bytes(b"half")
    Path("damaged").rename("runs/lse-2/predictions.h5")
    damaged = look_again(evaluated)["lse-2"]
    assert not damaged["has_images"] and "run `dvc repro -f evaluate@lse-2`" in damaged["problems"][0]


def test_predictions_of_an_earlier_selection_are_not_shown(evaluated: TestClient) -> None:
    path = Path("runs/lse-2/metrics.json")
    write_json(path, read_json(path) | {"pseudo_labels": {"coverage": 0.5, "selection": "of another"}})
    run = look_again(evaluated)["lse-2"]
    assert not run["has_images"] and "is of the cache or selection before this one" in run["problems"][0]


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        ("/api/workspace", {"split": "../runs"}, "the split '../runs' is unknown; choose one of target, evaluation"),
        ("/api/gallery", {"split": "soup"}, "the split 'soup' is unknown"),
        ("/api/gallery", {"run": "../lse-2"}, "not given as a path"),
        ("/api/gallery", {"sort": "kept"}, "cannot be sorted by 'kept'; choose one of error"),
        ("/api/gallery", {"sort": "error", "of": "unicorn"}, "has no class 'unicorn'"),
        ("/picture/input", {"image": "../../params.yaml"}, "has no image"),
        ("/picture/mask", {"image": "val/0"}, "have no pseudo-labels"),
        ("/api/gallery", {"run": "cbst-1"}, "`dvc repro evaluate@cbst-1`"),
    ],
)
def test_what_makes_no_sense_is_answered_in_words(
    evaluated: TestClient, path: str, parameters: dict[str, str], words: str
) -> None:
    answer = evaluated.get(path, params={"run": "lse-2", "split": "evaluation", **parameters})
    assert answer.status_code == 404 and words in answer.json()["detail"]
