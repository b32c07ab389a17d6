"""Which images are shown, and what their pictures say."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE, ClassSet
from pipeline.evaluation.evaluate import Answer
from pipeline.evaluation.images import ImageScore, PredictionsWriter, write_scores
from pipeline.report.chains import Chain
from pipeline.report.gallery import (
    NEWLY_RIGHT,
    NEWLY_WRONG,
    STILL_RIGHT,
    STILL_WRONG,
    WIDEST,
    change_picture,
    choose,
    draw_gallery,
    draw_sample,
    drawing,
    photograph,
)

CLASSES = ClassSet("two", ("a", "b"), ((128, 64, 128), (70, 130, 180)))


def score(image: str, accuracy: float | None, entropy: float = 0.0) -> ImageScore:
    return ImageScore(image, accuracy, accuracy, entropy)


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_images_are_chosen_by_how_much_they_changed() -> None:
    before = [score("up", 0.5), score("most", 0.2), score("same", 0.5), score("down", 0.5), score("gone", 0.9)]
    after = [
        score("up", 0.6, 0.9),
        score("most", 0.8, 0.1),
        score("same", 0.5, 0.5),
        score("down", 0.4),
        score("new", 1),
    ]
    assert [(pick.why, pick.image) for pick in choose(before, after, each=2)] == [
        ("improved", "most"), ("improved", "up"), ("worsened", "down"), ("uncertain", "up"), ("uncertain", "same"),
    ]  # fmt: skip
    assert choose(before, [score("up", None, 0.3)], each=2)[0] == ("uncertain", "up", 0.5, None, 0.3)


def test_the_change_is_told_by_four_colours_and_white() -> None:
    truth_hw = np.array([[0, 0, 0, 0, IGNORE]], np.uint8)
    before_hw = np.array([[1, 0, 0, 1, 0]], np.uint8)
    after_hw = np.array([[0, 1, 0, 1, 1]], np.uint8)
    expected = [NEWLY_RIGHT, NEWLY_WRONG, STILL_RIGHT, STILL_WRONG, (255, 255, 255)]
    assert [tuple(pixel) for pixel in change_picture(truth_hw, before_hw, after_hw)[0].tolist()] == expected


def test_drawings_keep_their_colours_and_large_pictures_become_small() -> None:
    palette = np.random.default_rng(1).integers(0, 256, (20, 3)).astype(np.uint8)
    image_hw3 = palette[np.random.default_rng(2).integers(0, 20, (6, 8))]
    np.testing.assert_array_equal(opened(drawing(image_hw3)), image_hw3)
    assert opened(photograph(np.zeros((1000, 2000, 3), np.uint8))).shape == (WIDEST // 2, WIDEST, 3)


def test_the_gallery_writes_its_pictures_and_says_which(tmp_path: Path) -> None:
    truth_hw = np.zeros((4, 8), np.uint8)
    for name, wrong, accuracy in (("source-only", 8, 0.75), ("lse-1", 0, 1.0)):
        seen_hw = truth_hw.copy()
        seen_hw.flat[:wrong] = 1
        with PredictionsWriter(tmp_path / name / "predictions.h5", 1, CLASSES.names) as writer:
            writer.add("x", Answer(truth_hw, seen_hw, seen_hw, np.zeros((4, 8), np.float32)))
        write_scores(tmp_path / name / "per_image.csv", [score("x", accuracy, 0.1)])
    chains = [Chain("LSE", "source-only", ("lse-1",)), Chain("CBST", "source-only", ("not-evaluated",))]
    out = tmp_path / "pictures"
    improved, uncertain = draw_gallery(tmp_path, chains, lambda _: np.zeros((4, 8, 3), np.uint8), CLASSES, out)
    assert (improved["why"], improved["before"], improved["after"]) == ("improved", 0.75, 1.0)
    assert uncertain["why"] == "uncertain"
    assert len(set(improved["files"].values()) | set(uncertain["files"].values())) == 12
    change = opened((out / improved["files"]["change"]).read_bytes())
    assert (change[0] == NEWLY_RIGHT).all()
    assert (change[1:] == STILL_RIGHT).all()


def test_the_sample_is_of_all_runs_that_have_a_gallery(tmp_path: Path) -> None:
    assert draw_sample(tmp_path, ["lse-1"], tmp_path / "pictures") == []
    for place in (2, 10):
        for what in ("input", "label", "prediction", "entropy"):
            path = tmp_path / "lse-1" / "gallery" / f"{place}-{what}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((2, 4, 3), place, np.uint8)).save(path)
    first, second = draw_sample(tmp_path, ["source-only", "lse-1"], tmp_path / "pictures")
    assert list(first["runs"]) == ["lse-1"]
    assert opened((tmp_path / "pictures" / second["runs"]["lse-1"]["entropy"]).read_bytes())[0, 0, 0] == 10
