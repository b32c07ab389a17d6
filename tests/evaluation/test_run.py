"""Evaluating a run: what is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.cache.dump import dump
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec
from pipeline.common.colours import entropy_picture
from pipeline.common.device import select_device
from pipeline.common.files import file_hash, read_json
from pipeline.common.labels import CITYSCAPES_19, class_set, colour_label
from pipeline.common.work import folder_of
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of, prepared_split, write_split
from pipeline.datasets.prepare import prepare
from pipeline.evaluation.confusion import confusion_matrix, mean_iou, merged
from pipeline.evaluation.evaluate import per_class, predictions, summary
from pipeline.evaluation.folds import over_folds
from pipeline.evaluation.images import PredictionsReader, doubled, read_class_pixels, read_scores, score_image
from pipeline.evaluation.pseudo_labels import PseudoLabelScore
from pipeline.evaluation.run import evaluate_run
from pipeline.methods.lse import select_lse
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import selection_fingerprint, write_selection
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model
from pipeline.params import Params

CPU = select_device("cpu", "float32")
RUN = Path("runs/source-only")


@pytest.fixture
def params(tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A prepared workspace with an untrained model."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    RUN.mkdir(parents=True)
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    save_model(model, RUN / "model.pt", spec={"class_names": list(CITYSCAPES_19.names)})
    return read


def evaluate(params: Params, gallery: int = 1, **settings: object) -> dict[str, object]:
    tables = params.evaluate.model_copy(update={"gallery": gallery, **settings})
    return evaluate_run(RUN, size=params.data.size, settings=tables, classes=CITYSCAPES_19, computer=CPU)


def test_half_a_file_of_a_killed_run_is_not_published(params: Params) -> None:
    left = folder_of("evaluate-source-only", model=file_hash(RUN / "model.pt"))
    left.mkdir(parents=True)
    (left / ".predictions.h5.99.partial").write_bytes(b"half")
    evaluate(params)
    assert not left.exists()
    assert sorted(path.name for path in RUN.iterdir()) == [
        "confusion.csv", "gallery", "metrics.json", "model.pt", "per_class.json", "per_image.csv", "predictions.h5",
    ]  # fmt: skip


def test_the_gallery_shows_the_first_and_the_last_image_as_the_network_sees_them(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of("evaluation", params.data.size)
    labels = labels_of("evaluation", CITYSCAPES_19, None)
    model = load_model(RUN / "model.pt", "cpu")
    answers = list(predictions(model, images.image, labels.label, len(images), CPU))
    calls: list[int] = []
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda self, image: (calls.append(1), forward(self, image))[1])
    evaluate(params, gallery=2)
    assert len(calls) == len(images) == 2  # each image once, those of the gallery too
    assert len(list((RUN / "gallery").iterdir())) == 8
    for row, number in enumerate((0, len(images) - 1)):
        answer, size = answers[number], answers[number].seen_hw.shape
        truth = Image.fromarray(answer.truth_HW).resize(size[::-1], Image.Resampling.NEAREST)
        with PredictionsReader(RUN / "predictions.h5") as reader:
            share_hw = doubled(reader.image(images.id(number)).entropy_share_hw, size)
        for name, expected in {
            "input": images.image(number),
            "label": colour_label(np.asarray(truth), CITYSCAPES_19),
            "prediction": colour_label(answer.seen_hw, CITYSCAPES_19),
            "entropy": entropy_picture(share_hw),
        }.items():
            np.testing.assert_array_equal(np.asarray(Image.open(RUN / "gallery" / f"{row}-{name}.png")), expected)


def test_merged_classes_subsets_and_folds_reach_every_table(params: Params) -> None:
    split = prepared_split("evaluation")
    assert split.labels is not None
    folded = split._replace(labels=split.labels._replace(folds=2))
    write_split(manifest_path("evaluation").parent, folded)  # two images: each is a fold
    images, labels = images_of("evaluation", params.data.size), labels_of("evaluation", CITYSCAPES_19, None)
    answers = list(predictions(load_model(RUN / "model.pt", "cpu"), images.image, labels.label, len(images), CPU))
    confusion_NCC = [confusion_matrix(answer.truth_HW, answer.prediction_HW, 19) for answer in answers]
    predicted = CITYSCAPES_19.names[int(np.argmax(sum(confusion_NCC).sum(axis=0)))]
    merge = {predicted: "road"} if predicted != "road" else {"sky": "road"}
    (first_CC, names), (second_CC, _) = (merged(one_CC, CITYSCAPES_19.names, merge) for one_CC in confusion_NCC)
    assert len(names) == 18
    subsets = {"two": ("road", "building")}

    metrics = evaluate(params, merge=merge, subsets=subsets, headline="two")
    both = [mean_iou(one_CC, [names.index("road"), names.index("building")]) for one_CC in (first_CC, second_CC)]
    assert both[0] != both[1]
    assert metrics == summary(first_CC + second_CC, names, subsets) | over_folds(both)
    assert read_json(RUN / "metrics.json") == metrics
    assert read_json(RUN / "per_class.json") == per_class(first_CC + second_CC, names)
    assert read_scores(RUN / "per_image.csv") == [
        score_image(images.id(number), one_CC, answers[number].entropy_hw)
        for number, one_CC in enumerate((first_CC, second_CC))
    ]
    pixels = read_class_pixels(RUN / "per_image.csv")
    assert pixels is not None and pixels.names == list(names)
    assert pixels.intersection_NC.tolist() == [np.diag(first_CC).tolist(), np.diag(second_CC).tolist()]
    all_classes = evaluate(params, merge=merge, subsets=subsets, headline="mIoU")
    assert all_classes["folds_mean"] == pytest.approx(np.mean([mean_iou(first_CC), mean_iou(second_CC)]))


def test_a_round_s_pseudo_labels_are_scored_where_the_target_has_labels(params: Params) -> None:
    labels = labels_of("target-labelled", CITYSCAPES_19, params.data.size)
    labelled = list(labels.manifest.ids())
    ids = [*labelled, "without-a-label"]
    logits_NChw = 3 * torch.randn((len(ids), 19, 8, 16), generator=torch.Generator().manual_seed(1))
    for number in range(len(labelled)):  # mostly right: some labels are kept, some of these are wrong
        right_hw = torch.from_numpy(labels.label(number)[::4, ::4].astype(np.int64)).clamp(max=18)
        logits_NChw[number].scatter_(0, right_hw[None], 6.0)
    spec = CacheSpec("a-fingerprint", CITYSCAPES_19.names, params.data.size, "logits", len(ids), 2)
    dump(torch.tensor, ids, lambda positions: [logits_NChw[positions]], RUN / "cache", spec, batch=2)
    reader = CacheReader(RUN / "cache")
    selection, details = select_lse(reader.index, 1.0, "paper")
    selection = selection._replace(images=ids[1:])
    write_selection(RUN / "selection" / "selection.json", selection, details)
    score = PseudoLabelScore(19)
    for number, image_id in enumerate(labelled[1:], start=1):
        score.add(labels.label(number), pseudo_label(reader, selection, image_id))

    metrics = evaluate(params, merge={"wall": "building"})
    assert metrics["pseudo_labels"] == {
        "images": len(labelled),
        "images_scored": len(labelled) - 1,
        "coverage": score.coverage(),
        "precision": score.precision(),
        "selection": selection_fingerprint(selection, cache="a-fingerprint"),
    }
    coverage, precision = score.coverage(), score.precision()
    assert coverage is not None and precision is not None and 0 < coverage < 1 and 0 < precision < 1
    table = read_json(RUN / "per_class.json")
    assert "wall" not in table and len(table) == 18
    for name, row in score.per_class(CITYSCAPES_19.names).items():
        if name != "wall":
            assert table[name]["pseudo_label_coverage"] == row["coverage"]
            assert table[name]["pseudo_label_precision"] == row["precision"]

    manifest_path("target-labelled").unlink()
    assert "pseudo_labels" not in evaluate(params)
