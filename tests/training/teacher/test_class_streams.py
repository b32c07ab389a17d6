"""Streams that draw by class: what is drawn how often, which crops, and that a draw is a function of its number alone.

# N images, C class, H/W pixels
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pipeline.common.errors import ReadableError
from pipeline.common.labels import IGNORE, class_set
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import prepare
from pipeline.methods.teacher import Draws, Teacher, TeacherRound
from pipeline.params import Params
from pipeline.patches.file import PATCHES, PatchFile, PatchWriter
from pipeline.patches.target_statistics import TARGET, TargetStatistics
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Labelled, Stream
from pipeline.training.label_counts import SOURCE_COUNTS
from pipeline.training.run import RunSettings, labelled_stream
from pipeline.training.teacher.class_draws import class_probabilities, images_with_class
from pipeline.training.teacher.class_streams import KeepingClass, source_stream, target_stream
from pipeline.training.teacher.task import teacher_task
from tests.training.run_settings import run_settings

SIZE = (32, 64)
PIXELS = 32 * 64
PLAIN = Augment(flip=True, scale=(1.0, 1.0), colour=0.0)
SHARE = 0.01


@pytest.fixture
def run(tiny_params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSettings:
    """Tiny streets, prepared."""
    monkeypatch.chdir(tmp_path)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    return run_settings(read, "teacher-1", "source", read.adapt)


def section_of(**draws: Any) -> Teacher:
    return Teacher(compat="paper", draws=Draws(**{"smallest_share": SHARE} | draws))


def source_of(run: RunSettings, batch: int = 8, **draws: Any) -> Stream:
    return source_stream(run, section_of(**{"source_temperature": 0.05} | draws), batch, PLAIN, Path("work"))


def counts_of(run: RunSettings) -> np.ndarray:
    labels = labels_of("source", run.classes, SIZE)
    pixels = [Counter(labels.label(index).ravel().tolist()) for index in range(len(labels))]
    return np.array([[counted[index] for index in range(19)] for counted in pixels])


def chances(count_NC: np.ndarray, temperature: float) -> np.ndarray:
    """Of each image, by hand: the sum over the classes that it holds of the class's chance by its images."""
    holds_NC = images_with_class(count_NC, PIXELS, SHARE)
    class_C = np.where(holds_NC.any(axis=0), class_probabilities(count_NC, temperature), 0)
    return (holds_NC * (class_C / class_C.sum() / np.maximum(holds_NC.sum(axis=0), 1))).sum(axis=1)


def same(first: Labelled, second: Labelled) -> bool:
    equal = torch.equal(first.image_N3HW, second.image_N3HW) and torch.equal(first.label_NHW, second.label_NHW)
    return equal and first.ids == second.ids


def test_source_images_are_drawn_as_often_as_their_classes(run: RunSettings) -> None:
    stream, labels = source_of(run, batch=400), labels_of("source", run.classes, SIZE)
    drawn = Counter(image_id for step in range(3) for image_id in stream.at(step).ids)
    share_N = np.array([drawn[labels.id(index)] / 1200 for index in range(len(labels))])
    expected_N = chances(counts_of(run), 0.05)
    np.testing.assert_allclose(share_N, expected_N, atol=0.05)
    assert np.ptp(expected_N) > 0.1, "else drawing each image as often would pass"


def test_a_batch_is_a_function_of_its_step_whichever_stream_is_asked_first(run: RunSettings) -> None:
    forwards = [source_of(run).at(step) for step in range(4)]
    again = source_of(run)
    for step in (3, 0, 2, 1):
        assert same(again.at(step), forwards[step])
    assert not same(forwards[0], forwards[1])


def test_processes_share_the_draws_of_one(run: RunSettings) -> None:
    stream = source_of(run)
    shares = [stream._replace(rank=rank, processes=3).at(5) for rank in range(3)]
    assert [image_id for share in shares for image_id in share.ids] == stream.at(5).ids
    assert torch.equal(torch.cat([share.image_N3HW for share in shares]), stream.at(5).image_N3HW)


def test_labels_are_counted_once_and_a_resumed_round_reads_the_counts(
    run: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source_of(run).at(0)
    np.testing.assert_array_equal(np.load(Path("work") / SOURCE_COUNTS), counts_of(run))
    label, read = SplitLabels.label, []
    monkeypatch.setattr(SplitLabels, "label", lambda self, position: read.append(position) or label(self, position))
    resumed = source_of(run)
    assert read == []
    assert same(resumed.at(0), before)


def test_without_draws_each_image_comes_once_in_each_pass_as_ever(run: RunSettings) -> None:
    folder = Path("work")
    for section in (Teacher(compat="paper"), section_of(source_temperature=None, target_temperature=0.1)):
        stream = source_stream(run, section, 4, PLAIN, folder)
        assert same(stream.at(1), labelled_stream(run, 4, PLAIN).at(1))
    assert not folder.exists()


def test_a_share_that_no_image_has_is_refused_with_what_to_change(run: RunSettings) -> None:
    with pytest.raises(ReadableError, match=r"source: no image holds .*smaller minimum share \(teacher\.draws\.small"):
        source_of(run, smallest_share=0.99)


def test_labels_without_a_pixel_are_refused(run: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SplitLabels, "label", lambda self, position: np.full(SIZE, IGNORE, np.uint8))
    with pytest.raises(ReadableError, match="data/prepared/source: no image has a labelled pixel"):
        source_of(run)


# --------------------------------------------------------------------------------------------------------- the target


def statistics_of(run: RunSettings, count_NC: np.ndarray) -> TargetStatistics:
    """Of the target's images in the reverse order."""
    images = images_of("target", run.size)
    ids = [images.id(index) for index in range(len(images))]
    return TargetStatistics(ids[::-1], count_NC[::-1], np.zeros((2, 10), int))


def test_target_images_are_drawn_by_what_the_cache_predicts_of_them(run: RunSettings) -> None:
    count_NC = np.zeros((4, 19), int)
    count_NC[:, 0] = [2048, 2000, 2038, 2048]
    count_NC[1, 3], count_NC[2, 5] = 48, 10  # 10 are fewer than a hundredth
    section = section_of(source_temperature=None, target_temperature=0.1)
    stream = target_stream(run, section, PLAIN, statistics_of(run, count_NC))._replace(batch=200)
    images, drawn = images_of("target", run.size), Counter(stream.at(0).ids)
    shares = [drawn[images.id(index)] / 200 for index in range(4)]
    assert shares[1] > 0.9  # the rare class is almost always drawn: softmax of 0.01 and 0.98 by 0.1
    assert same(stream.at(7), stream.at(7))


def test_the_target_is_drawn_evenly_where_only_the_source_has_a_temperature(run: RunSettings) -> None:
    stream = target_stream(run, section_of(), PLAIN, statistics_of(run, np.zeros((4, 19), int)))
    assert all(count == 1 for count in Counter(stream._replace(batch=4).at(2).ids).values())


# ----------------------------------------------------------------------------------------------------------- the task


def test_a_teacher_s_round_draws_as_its_section_says(run: RunSettings) -> None:
    images = images_of("target", run.size)
    count_NC = np.zeros((4, 19), int)
    count_NC[:, 0] = PIXELS
    count_NC[1, :2] = PIXELS - 100, 100
    with h5py.File(TARGET, "w") as file:
        ids = [images.id(index) for index in range(len(images))]
        file.create_dataset("image_ids", data=np.array(ids, dtype=h5py.string_dtype()))
        file["pixel_count"], file["confidence_count"] = count_NC, np.ones((19, 10), int)
    with PatchWriter(Path(PATCHES), run.classes.names):
        pass
    entry = TeacherRound(method="teacher", init="source-only")
    section = section_of(source_temperature=0.05, target_temperature=0.01)
    task = teacher_task(run, section, entry, PatchFile(Path(PATCHES)), 2, Path("work"))
    source, target = task.streams
    augment = Augment(flip=True, scale=(1.0, 1.0), colour=0.0)
    assert same(source.at(3), source_stream(run, section, 2, augment, Path("work")).at(3))
    assert set(target.at(0).ids) == {images.id(1)}
    assert task.steps == run.training.steps


def test_draws_that_draw_nothing_are_refused() -> None:
    assert Teacher(compat="paper").draws is None
    with pytest.raises(ValidationError, match="both temperatures are null, so that nothing is drawn by class"):
        Draws(source_temperature=None)


# ---------------------------------------------------------------------------------------------------------- the crops

ZOOM = Augment(flip=True, scale=(2.0, 2.0), colour=0.0)


def painted() -> tuple[np.ndarray, np.ndarray]:
    """Class 7 left of the middle, 4 % of the image; the image shows the label."""
    label_HW = np.zeros(SIZE, np.uint8)
    label_HW[12:20, 12:22] = 7
    return np.repeat(label_HW[..., None], 3, axis=2), label_HW


def shares_of(least_share: float, count: int = 100, *, strictly: bool = False) -> np.ndarray:
    keeping = KeepingClass(ZOOM, 7, least_share, strictly)
    changed = [keeping(*painted(), np.random.default_rng(seed))[1] for seed in range(count)]
    return np.array([(label_HW == 7).mean() for label_HW in changed])


def test_a_crop_without_the_class_is_cut_anew() -> None:
    assert (shares_of(0.0) >= 0.02).mean() < 0.8
    assert (shares_of(0.02) >= 0.02).all()


def test_the_author_asks_for_more_than_the_share_others_for_as_much() -> None:
    assert (shares_of(0.0) == 0).any()
    assert (shares_of(0.0, strictly=True) > 0).all()


def test_where_no_crop_has_so_much_the_eleventh_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    label = Augment.label
    monkeypatch.setattr(Augment, "label", lambda *arguments: tries.append(1) or label(*arguments))
    _, label_HW = KeepingClass(ZOOM, 7, 0.9, strictly=False)(*painted(), np.random.default_rng(0))
    assert (len(tries), label_HW.shape) == (10, SIZE)


def test_image_and_label_are_cut_from_the_same_place_and_a_generator_gives_one_crop() -> None:
    keeping = KeepingClass(ZOOM, 7, 0.02, strictly=False)
    image_HW3, label_HW = keeping(*painted(), np.random.default_rng(4))
    inner_HW = (image_HW3[..., 0] == 0) | (image_HW3[..., 0] == 7)  # not where bilinear zooming mixes both
    assert (image_HW3[..., 0] == label_HW)[inner_HW].all()
    assert inner_HW.mean() > 0.9
    again_HW3, _ = keeping(*painted(), np.random.default_rng(4))
    assert (again_HW3 == image_HW3).all()


def test_crops_of_the_stream_hold_the_class_for_which_the_image_was_drawn(
    run: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, bool]] = []
    changed = KeepingClass.__call__

    def call(self: KeepingClass, *arguments: Any) -> Any:
        asked.append((self.least_share, self.strictly))
        return changed(self, *arguments)

    monkeypatch.setattr(KeepingClass, "__call__", call)
    for compat in ("paper", "author"):
        section = section_of(crop_share=0.25).model_copy(update={"compat": compat})
        source_stream(run, section, 1, ZOOM, Path("work")).at(0)
    assert asked == [(pytest.approx(0.0025), False), (pytest.approx(0.0025), True)]
