"""What the page asks for, of rounds of all four methods."""

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

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.common.files import read_json
from pipeline.common.labels import CITYSCAPES_19, IGNORE
from pipeline.methods.cbst import select_cbst
from pipeline.methods.lse import select_lse
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import Selection, read_selection, write_selection
from pipeline.patches.file import PatchFile
from tests.viewer.conftest import write_cache

METHODS = ("lse-1", "cbst-1", "intrada-1", "cada-1")


def ask(client: TestClient, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(name: str) -> tuple[CacheReader, Selection]:
    folder = Path("runs") / name
    return CacheReader(folder / "cache"), read_selection(folder / "selection" / "selection.json")


def measured(client: TestClient, **parameters: Any) -> Any:
    """The gallery, once everything has been measured."""
    ask(client, "/api/gallery", **parameters)
    client.inspector.measured.wait()  # type: ignore[attr-defined]
    return ask(client, "/api/gallery", **parameters)


def test_the_workspace_names_rounds_methods_and_layers(client: TestClient) -> None:
    runs = {run["name"]: run for run in ask(client, "/api/workspace")["runs"]}
    assert list(runs) == ["lse-1", "lse-2", "cbst-1", "intrada-1", "cada-1"]
    assert [runs[name]["method"] for name in METHODS] == ["lse", "cbst", "intrada", "cada"]
    assert (runs["lse-2"]["previous"], runs["lse-1"]["previous"]) == ("lse-1", None)
    assert {"input", "mask", "pseudo", "patches", "label"} <= set(runs["lse-1"]["layers"])
    assert (runs["lse-1"]["network"], runs["lse-2"]["network"]) == ("source-only", "lse-1")
    assert runs["intrada-1"]["hard"] == 3
    assert all(run["problems"] == [] for run in runs.values())


def test_a_cache_that_came_from_elsewhere_says_so_itself(client: TestClient, project: Path) -> None:
    write_cache(project / "runs" / "imported" / "cache", ["a", "b"], 2, origin="theirs.npz, array 'p'")
    runs = {run["name"]: run for run in ask(client, "/api/workspace")["runs"]}
    assert runs["imported"]["network"] == "theirs.npz, array 'p'"


def test_the_gallery_is_sorted_by_entropy(client: TestClient) -> None:
    images = ask(client, "/api/gallery", run="lse-1", sort="entropy")["images"]
    reader, _ = opened("lse-1")
    expected = {
        image_id: reader.pixels(number).entropy_HW.mean().item() / math.log(19)
        for number, image_id in enumerate(reader.image_ids)
    }
    assert [image["id"] for image in images] == sorted(expected, key=expected.__getitem__, reverse=True)
    assert images[0]["value"] == pytest.approx(expected[images[0]["id"]], rel=1e-3)
    turned = ask(client, "/api/gallery", run="lse-1", sort="entropy", reverse="true")["images"]
    assert [image["id"] for image in turned] == [image["id"] for image in images][::-1]


def test_the_gallery_of_a_class_puts_images_without_it_last(client: TestClient) -> None:
    values = [
        image["value"] for image in ask(client, "/api/gallery", run="lse-1", sort="confidence", of="train")["images"]
    ]
    known = [value for value in values if value is not None]
    assert known == sorted(known) and values[: len(known)] == known and values[len(known) :] == [None] * 3


def test_selected_for_a_class_is_what_lse_selected_for_it(client: TestClient) -> None:
    details = read_json(Path("runs/lse-1/selection/selection.json"))
    seen = []
    for name, count in details["selected_per_class"].items():
        images = ask(client, "/api/gallery", run="lse-1", sort="selected", of=name)["images"]
        ranked = [image["id"] for image in images if image["value"] is not None]
        assert len(ranked) == count
        seen += [image_id for image_id in ranked if image_id not in seen]
    assert seen == details["images"]


def test_easy_and_hard_are_shown_apart(client: TestClient) -> None:
    details = read_json(Path("runs/intrada-1/selection/selection.json"))
    for side in ("easy", "hard"):
        images = ask(client, "/api/gallery", run="intrada-1", sort="score", show=side)["images"]
        assert [image["id"] for image in images] == details[side]


@pytest.mark.parametrize("name", METHODS)
def test_the_score_goes_from_easy_to_hard(client: TestClient, name: str) -> None:
    """An easy image has a high confidence (LSE, CBST) or a low entropy (IntraDA, CADA)."""
    images = ask(client, "/api/gallery", run=name, sort="score")["images"]
    values = [image["value"] for image in images if image["value"] is not None]
    assert len(set(values)) > 1 and values == sorted(values, reverse=name in ("lse-1", "cbst-1"))
    turned = ask(client, "/api/gallery", run=name, sort="score", reverse="true")["images"]
    assert [image["value"] for image in turned if image["value"] is not None] == values[::-1]


def test_change_is_the_share_of_pixels_of_another_class(client: TestClient) -> None:
    answer = measured(client, run="lse-2", sort="change")
    (here, _), (before, _) = opened("lse-2"), opened("lse-1")
    for image in answer["images"]:
        number = here.index.number(image["id"])
        assert image["value"] == pytest.approx((here.label(number) != before.label(number)).mean(), abs=1e-6)
    values = [image["value"] for image in answer["images"]]
    assert values == sorted(values, reverse=True) and values[0] > 0 and answer["words"] == ""
    assert "no previous round" in ask(client, "/api/gallery", run="lse-1", sort="change")["words"]


def test_change_follows_the_other_cache_while_it_grows(client: TestClient, project: Path) -> None:
    part = Path("runs/lse-1/cache/part-00002.h5")
    part.rename("later.h5")
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    for _ in range(5):
        answer = measured(client, run="lse-2", sort="change")
        assert (answer["known"], answer["words"]) == (4, "")
    Path("later.h5").rename(part)
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    assert measured(client, run="lse-2", sort="change")["known"] == 6


@pytest.mark.parametrize("name", METHODS)
def test_kept_is_what_the_method_keeps(client: TestClient, name: str) -> None:
    reader, selection = opened(name)
    for image in measured(client, run=name, sort="kept")["images"]:
        kept = (pseudo_label(reader, selection, image["id"]) != IGNORE).mean()
        assert image["value"] == pytest.approx(0 if image["chosen"] == "hard" else kept, abs=1e-6)


def test_iou_is_known_where_there_are_labels(client: TestClient, project: Path) -> None:
    values = [image["value"] for image in measured(client, run="lse-1", sort="iou")["images"]]
    assert values == sorted(values) and all(0 <= value < 0.5 for value in values)


def test_iou_is_measured_again_when_the_labels_change(client: TestClient, project: Path) -> None:
    assert measured(client, run="lse-1", sort="iou")["known"] == 6
    manifest = Path("data/prepared/target-labelled/manifest.jsonl")
    rows = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text("".join(rows[:-1]), encoding="utf-8")
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    assert measured(client, run="lse-1", sort="iou")["known"] == 5


@pytest.mark.parametrize("name", METHODS)
def test_every_pixel_is_explained_as_the_method_decided(client: TestClient, name: str) -> None:
    reader, selection = opened(name)
    image_id = (selection.images or reader.image_ids)[0]
    pseudo_HW = pseudo_label(reader, selection, image_id)
    pixels = reader.pixels(reader.index.number(image_id))
    assert pixels.prob_CHW is not None
    verdicts = set()
    for row, column in [(row, column) for row in range(0, 64, 9) for column in range(0, 128, 17)]:
        answer = ask(client, "/api/pixel", run=name, image=image_id, x=column, y=row)
        reason, kept = answer["reason"], bool(pseudo_HW[row, column] != IGNORE)
        verdicts.add(kept)
        assert reason["kept"] is kept
        assert reason["kept_as"] == (int(pseudo_HW[row, column]) if kept else None)
        assert reason["words"].startswith("Kept as" if kept else "Dropped")
        assert answer["probabilities"] == pytest.approx(pixels.prob_CHW[:, row, column].tolist(), abs=1e-6)
        assert answer["entropy"] == pytest.approx(float(pixels.entropy_HW[row, column]), abs=1e-6)
        if name == "cbst-1":
            assert (reason["value"] > reason["threshold"]) == kept
        elif name in ("lse-1", "cada-1"):
            assert (reason["value"] <= reason["threshold"]) == kept
    assert verdicts == ({True} if name == "intrada-1" else {True, False})


def test_a_pixel_of_a_hard_image_is_dropped_with_its_image(client: TestClient) -> None:
    hard = read_json(Path("runs/intrada-1/selection/selection.json"))["hard"][0]
    reason = ask(client, "/api/pixel", run="intrada-1", image=hard, x=3, y=4)["reason"]
    assert not reason["kept"] and "the image is hard" in reason["words"]


def test_the_released_lse_is_explained_in_its_own_scale(client: TestClient, project: Path) -> None:
    selection, details = select_lse(CacheIndex(Path("runs/lse-1/cache")), 1.0, "author")
    write_selection(Path("runs/lse-1/selection/selection.json"), selection, details)
    reader = CacheReader(Path("runs/lse-1/cache"))
    pseudo_HW = pseudo_label(reader, selection, reader.image_ids[0])
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    for column in range(0, 128, 5):
        reason = ask(client, "/api/pixel", run="lse-1", image=reader.image_ids[0], x=column, y=20)["reason"]
        assert reason["kept"] == bool(pseudo_HW[20, column] != IGNORE)
        if reason["threshold"] is not None and reason["value"] is not None:
            assert (reason["value"] < reason["threshold"]) == reason["kept"]
    assert ask(client, "/api/classes", run="lse-1")["quantity"] == "entropy-in-image"


def test_a_spatial_prior_is_part_of_the_reason(client: TestClient, project: Path) -> None:
    prior_Chw = np.random.default_rng(1).random((19, 8, 16), np.float32)
    with h5py.File("prior.h5", "w") as file:
        file.attrs["class_names"], file["prior"] = list(CITYSCAPES_19.names), prior_Chw / prior_Chw.max()
    selection, details = select_cbst(CacheReader(Path("runs/cbst-1/cache")), 0.4, "paper", True, Path("prior.h5"))
    write_selection(Path("runs/cbst-1/selection/selection.json"), selection, details)
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    reader, selection = opened("cbst-1")
    pseudo_HW = pseudo_label(reader, selection, reader.image_ids[-1])
    for column in range(0, 128, 7):
        reason = ask(client, "/api/pixel", run="cbst-1", image=reader.image_ids[-1], x=column, y=30)["reason"]
        assert reason["kept"] == bool(pseudo_HW[30, column] != IGNORE)
        assert (reason["value"] > reason["threshold"]) == reason["kept"] and "p · prior" in reason["words"]
    table = ask(client, "/api/classes", run="cbst-1")
    assert table["quantity"] == "confidence-and-prior"
    assert all(row["passing"] is None for row in table["classes"])


def test_an_image_tells_its_patches_as_they_were_cut(client: TestClient) -> None:
    image_id = opened("lse-1")[1].images[0]
    answer = ask(client, "/api/image", run="lse-1", image=image_id)
    cut = [
        box._asdict() for owner, box in PatchFile(Path("runs/lse-1/patches/patches.h5")).places() if owner == image_id
    ]
    assert answer["patches"] == cut and len(cut) == 4
    assert sum(one["share"] for one in answer["classes"]) == pytest.approx(1)
    assert answer["chosen_words"].startswith("Selected: number 1 of")


@pytest.mark.parametrize(
    ("name", "quantity"), [("lse-1", "entropy-share"), ("cbst-1", "confidence"), ("cada-1", "entropy-nats")]
)
def test_the_kept_side_of_the_histogram_is_the_kept_share(client: TestClient, name: str, quantity: str) -> None:
    table = ask(client, "/api/classes", run=name)
    assert table["quantity"] == quantity
    reader, _ = opened(name)
    for index, row in enumerate(table["classes"]):
        if not row["pixels"]:
            continue
        assert sum(row["histograms"]["confidence"]) == sum(row["histograms"]["entropy"]) == row["pixels"]
        values = [reader.pixels(number) for number in range(len(reader))]
        mine = [pixels.label_HW.numpy() == index for pixels in values]
        if quantity == "confidence":
            inside = [
                pixels.confidence_HW.numpy()[own] > row["threshold"] for pixels, own in zip(values, mine, strict=True)
            ]
        else:
            scale = math.log(19) if quantity == "entropy-share" else 1.0
            inside = [
                pixels.entropy_HW.numpy()[own] / scale < row["threshold"]
                for pixels, own in zip(values, mine, strict=True)
            ]
        assert row["passing"] == pytest.approx(np.concatenate(inside).mean(), abs=0.02)


def test_intrada_shows_scores_instead_of_thresholds(client: TestClient) -> None:
    table = ask(client, "/api/classes", run="intrada-1")
    assert table["quantity"] == "none" and all(row["threshold"] is None for row in table["classes"])
    assert sum(table["scores"]["easy"]) == sum(table["scores"]["hard"]) == 3
    assert table["scores"]["low"] < table["scores"]["border"] < table["scores"]["high"]


def picture(client: TestClient, name: str, **parameters: Any) -> np.ndarray:
    answer = client.get(f"/picture/{name}", params=parameters)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


@pytest.mark.parametrize("name", METHODS)
def test_the_pictures_are_what_the_library_says(client: TestClient, name: str) -> None:
    reader, selection = opened(name)
    image_id = selection.images[0]
    palette = np.array([*CITYSCAPES_19.palette])
    label_HW = reader.label(reader.index.number(image_id))
    pseudo_HW = pseudo_label(reader, selection, image_id)
    prediction = picture(client, "prediction", run=name, image=image_id)
    assert (prediction[..., :3] == palette[label_HW]).all() and (prediction[..., 3] == 255).all()
    pseudo = picture(client, "pseudo", run=name, image=image_id)
    kept_HW = pseudo_HW != IGNORE
    assert (pseudo[..., 3] == np.where(kept_HW, 255, 0)).all()
    assert (pseudo[kept_HW][:, :3] == palette[pseudo_HW[kept_HW]]).all()
    mask = picture(client, "mask", run=name, image=image_id)
    assert ((mask[..., 3] == 0) == kept_HW).all()
    assert picture(client, "input", run=name, image=image_id).shape == (64, 128, 4)
    assert picture(client, "label", run=name, image=image_id).shape == (64, 128, 4)


def test_a_class_can_be_shown_alone(client: TestClient) -> None:
    reader, _ = opened("lse-1")
    label_HW = reader.label(0)
    index = int(label_HW[0, 0])
    alone = picture(client, "prediction", run="lse-1", image=reader.image_ids[0], only=CITYSCAPES_19.names[index])
    assert ((alone[..., 3] == 255) == (label_HW == index)).all()


def test_changes_are_coloured_where_the_classes_differ(client: TestClient) -> None:
    (here, _), (before, _) = opened("lse-2"), opened("lse-1")
    drawn = picture(client, "change", run="lse-2", image=here.image_ids[0])
    differs_HW = here.label(0) != before.label(0)
    assert differs_HW.any() and ((drawn[..., 3] == 255) == differs_HW).all()
    drawn = picture(client, "entropy-change", run="lse-2", image=here.image_ids[0], against="lse-1")
    risen_HW = here.entropy_byte(0).astype(int) - before.entropy_byte(0).astype(int) > 25
    assert (drawn[risen_HW][:, 0] > drawn[risen_HW][:, 2]).all()  # orange


def test_thumbnails_of_all_layers(client: TestClient) -> None:
    for name in ("input", "prediction", "entropy", "mask", "pseudo", "label", "errors", "change", "entropy-change"):
        answer = client.get(f"/thumbnail/{name}", params={"run": "lse-2", "image": opened("lse-2")[0].image_ids[0]})
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("image/"), name
