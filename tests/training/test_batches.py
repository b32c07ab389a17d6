"""Batches are pure functions of (seed, step).

# N batch, H/W pixels
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from pipeline.training.batches import Batch, Labelled, Sample, Stream, batch_at, prefetched, share_of


def sample_at(index: int, generator: np.random.Generator) -> Sample:
    """A sample that shows its index and its random number."""
    image_HW3 = np.full((2, 4, 3), index, dtype=np.uint8)
    image_HW3[..., 2] = generator.integers(0, 256)
    return f"image-{index}", image_HW3, np.full((2, 4), index + 1, dtype=np.uint8)


def stream(name: str = "source", length: int = 7, batch: int = 3, seed: int = 1) -> Stream:
    return Stream(name, sample_at, length, batch, seed)


def same(first: Labelled, second: Labelled) -> bool:
    equal = torch.equal(first.image_N3HW, second.image_N3HW) and torch.equal(first.label_NHW, second.label_NHW)
    return equal and first.ids == second.ids


def test_a_batch_has_images_channels_first_beside_their_labels() -> None:
    labelled = stream().at(0)
    assert (labelled.image_N3HW.shape, labelled.label_NHW.shape) == ((3, 3, 2, 4), (3, 2, 4))
    assert (labelled.image_N3HW.dtype, labelled.label_NHW.dtype) == (torch.uint8, torch.uint8)
    for image_3HW, label_HW, image_id in zip(labelled.image_N3HW, labelled.label_NHW, labelled.ids, strict=True):
        index = int(image_id.removeprefix("image-"))
        assert (image_3HW[:2] == index).all()
        assert (label_HW == index + 1).all()


def test_a_batch_depends_on_seed_and_step_and_not_on_what_was_asked_before() -> None:
    forwards = [stream().at(step) for step in range(20)]
    for step in (19, 3, 0, 11):
        assert same(stream().at(step), forwards[step])
    assert not same(forwards[0], stream(seed=2).at(0))
    assert not same(forwards[0], forwards[1])


def test_each_pass_visits_every_sample_once_in_an_order_of_its_own() -> None:
    drawn = [image_id for step in range(28) for image_id in stream().at(step).ids]  # 84 draws, 12 passes of 7
    passes = [drawn[first : first + 7] for first in range(0, 84, 7)]
    for one in passes:
        assert Counter(one) == Counter(f"image-{index}" for index in range(7))
    assert len({tuple(one) for one in passes}) == 12


def test_a_sample_is_changed_anew_in_each_pass() -> None:
    changes = {int(stream(length=1, batch=1).at(step).image_N3HW[0, 2, 0, 0]) for step in range(20)}
    assert len(changes) > 10


def test_two_streams_of_one_seed_are_shuffled_apart() -> None:
    batch = batch_at([stream("source", 100), stream("patches", 100)], 0)
    assert batch["source"].ids != batch["patches"].ids


def test_a_batch_larger_than_the_set_goes_round() -> None:
    assert Counter(stream(length=2, batch=4).at(0).ids) == {"image-0": 2, "image-1": 2}


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_do_not_change_the_batches(threads: int) -> None:
    streams = [stream("source"), stream("patches", length=5, batch=2)]
    batches = list(prefetched(streams, 3, 12, threads))
    assert len(batches) == 9
    for step, batch in enumerate(batches, 3):
        expected = batch_at(streams, step)
        assert list(batch) == ["source", "patches"]
        assert all(same(batch[name], expected[name]) for name in expected)


def test_nothing_is_loaded_where_no_step_is_left() -> None:
    assert list(prefetched([stream()], 5, 5, 2)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_thread_surfaces_at_its_step(threads: int) -> None:
    def fails(index: int, generator: np.random.Generator) -> Sample:
        if index == broken:
            raise OSError("image-x.png: truncated")
        return sample_at(index, generator)

    broken = int(stream(length=50, batch=1).at(6).ids[0].removeprefix("image-"))
    arrived: list[Batch] = []
    with pytest.raises(OSError, match="truncated"):
        for batch in prefetched([Stream("source", fails, 50, 1, 1)], 0, 50, threads):
            arrived.append(batch)
    assert len(arrived) == 6


def test_leaving_early_ends_the_threads() -> None:
    loaded = []

    def counted(index: int, generator: np.random.Generator) -> Sample:
        loaded.append(index)
        return sample_at(0, generator)

    batches = prefetched([Stream("source", counted, 1000, 1, 1)], 0, 1000, 2)
    next(batches)
    batches.close()
    assert len(loaded) < 20


def test_every_run_draws_its_own_order() -> None:
    def order(run: str) -> list[str]:
        stream = Stream("source", lambda index, generator: (str(index), IMAGE, LABEL), 50, 10, 1, run)
        return stream.at(0).ids

    assert order("lse-1") == order("lse-1")
    assert order("lse-1") != order("lse-2")


IMAGE, LABEL = np.zeros((2, 2, 3), dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8)


def test_a_share_of_a_stream_holds_that_many_samples_and_the_smaller_shares() -> None:
    seen = {}
    for portion in (0.3, 0.6, 1.0):
        part = share_of(stream(length=10), portion, seed=1)
        assert part.length == round(10 * portion)
        drawn = [image_id for step in range(part.length) for image_id in part._replace(batch=1).at(step).ids]
        seen[portion] = set(drawn)
        assert len(seen[portion]) == part.length
    assert seen[0.3] < seen[0.6] < seen[1.0]
    assert {image_id for step in range(9) for image_id in share_of(stream(), 0.01, seed=1).at(step).ids} != set()


def test_a_share_depends_on_the_seed_and_not_on_the_run() -> None:
    def chosen(run: str, seed: int) -> set[str]:
        part = share_of(Stream("source", sample_at, 20, 1, seed, run), 0.3, seed)
        return {image_id for step in range(part.length) for image_id in part.at(step).ids}

    assert chosen("cbst-1", 1) == chosen("cbst-2", 1) != chosen("cbst-1", 2)
