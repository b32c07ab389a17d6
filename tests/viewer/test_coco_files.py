"""`roundabout export --coco`: a round's predictions and pseudo-labels as FiftyOne loads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from pipeline.cache.reader import CacheReader
from pipeline.cli import app
from pipeline.common.labels import IGNORE
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import read_selection


def areas(content: dict, number: int) -> dict[int, int]:
    return {a["category_id"] - 1: a["area"] for a in content["annotations"] if a["image_id"] == number}


def counts(label_HW: np.ndarray) -> dict[int, int]:
    values, count = np.unique(label_HW[label_HW != IGNORE], return_counts=True)
    return dict(zip(values.tolist(), count.tolist(), strict=True))


def test_a_round_is_two_files_of_the_same_images(project: Path) -> None:
    answer = CliRunner().invoke(app, ["export", "lse-1", "--coco", "out"])
    assert answer.exit_code == 0, answer.output
    predictions, pseudo = (
        json.loads((project / "out" / f"target-{kind}.json").read_text()) for kind in ("predictions", "pseudo-labels")
    )
    assert predictions["images"] == pseudo["images"]
    folder = Path(" ".join(answer.output.split()).split("file names below ")[1].split()[0])
    assert all((folder / image["file_name"]).is_file() for image in pseudo["images"])
    reader = CacheReader(project / "runs" / "lse-1" / "cache")
    selection = read_selection(project / "runs" / "lse-1" / "selection" / "selection.json")
    assert 0 < len(selection.images) < len(reader.image_ids)
    for number, image_id in enumerate(reader.image_ids, 1):
        assert areas(predictions, number) == counts(reader.label(number - 1))
        chosen = image_id in selection.images
        assert areas(pseudo, number) == (counts(pseudo_label(reader, selection, image_id)) if chosen else {})


def test_what_is_there_is_kept_and_a_run_without_labels_is_named(project: Path) -> None:
    assert CliRunner().invoke(app, ["export", "cbst-1", "--coco", "out"]).exit_code == 0
    again = CliRunner().invoke(app, ["export", "cbst-1", "--coco", "out"])
    assert again.exit_code == 1 and "is there already" in again.output
    other = CliRunner().invoke(app, ["export", "nobody", "--coco", "o2"])
    assert other.exit_code == 1 and "holds neither a cache nor predictions" in other.output
