"""Reading a cache: the probabilities are the network's, bit for bit, in any process.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.cache.dump import dump
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import ALL_STATISTICS, CacheError, CacheSpec, View
from pipeline.cache.statistics import planes_of_probabilities
from pipeline.common.box import Box

SIZE = (64, 128)
IDS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def logits() -> torch.Tensor:
    return 5 * torch.randn((5, 19, 5, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def reader(tmp_path: Path, write_cache: Callable[..., Path], logits: torch.Tensor) -> CacheReader:
    return CacheReader(write_cache(tmp_path / "cache", logits, SIZE, IDS))


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(functional.interpolate(logits, SIZE, mode="bilinear", align_corners=True), dim=1)


def test_probabilities_are_bit_identical_to_the_networks(reader: CacheReader, logits: torch.Tensor) -> None:
    prob_NCHW = probabilities(logits)
    assert (len(reader), reader.image_ids) == (5, IDS)
    for number in range(5):
        assert torch.equal(reader.probability(number), prob_NCHW[number])
        np.testing.assert_array_equal(reader.label(number), prob_NCHW[number].argmax(dim=0).numpy())


def test_pixels_are_label_confidence_and_entropy_of_the_probabilities(reader: CacheReader) -> None:
    for volume in (True, False):
        pixels = reader.pixels(2, volume=volume)
        assert (pixels.prob_CHW is not None) == volume
        expected = planes_of_probabilities(reader.probability(2)[None])
        assert torch.equal(pixels.label_HW.long(), expected.label_NHW[0])
        assert torch.equal(pixels.confidence_HW, expected.confidence_NHW[0])
        torch.testing.assert_close(pixels.entropy_HW, expected.entropy_NHW[0], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("profile", ["logits", "probabilities"])
def test_a_window_is_the_window_of_the_whole(tmp_path: Path, logits: torch.Tensor, profile: str) -> None:
    reader = CacheReader(_cache_of(tmp_path, logits, profile, (View(), View(flip=True))))
    whole, box = reader.pixels(3), Box(10, 20, 41, 67)
    window = reader.pixels(3, box)
    for name, plane in window._asdict().items():
        assert torch.equal(plane, box.of(getattr(whole, name))), name
    np.testing.assert_array_equal(reader.label(3, box), box.of(whole.label_HW).numpy())
    assert reader.entropy_byte(3, box).shape == (41, 67)


def test_a_window_outside_the_image_is_refused(reader: CacheReader) -> None:
    for box in (Box(0, 0, 65, 10), Box(-1, 0, 5, 5), Box(60, 0, 5, 5), Box(0, 0, 0, 5)):
        with pytest.raises(ValueError, match="is not inside an image of 64x128"):
            reader.pixels(0, box)


def test_views_are_averaged_after_softmax_and_flipped_back(tmp_path: Path, logits: torch.Tensor) -> None:
    views = (View(), View(0.5), View(1.0, True))
    small = logits[:, :, ::2, ::2].contiguous()
    reader = CacheReader(_cache_of(tmp_path, [logits, small, logits], "logits", views))
    expected = (probabilities(logits) + probabilities(small) + probabilities(logits).flip(-1)) / 3
    for number in range(5):
        torch.testing.assert_close(reader.probability(number), expected[number], atol=1e-7, rtol=1e-6)
        np.testing.assert_array_equal(reader.label(number), expected[number].argmax(dim=0).numpy())
    counts = np.stack([np.bincount(image.argmax(dim=0).flatten(), minlength=19) for image in expected])
    np.testing.assert_array_equal(reader.index.statistic("pixel_count"), counts)


def test_totals_are_sums_over_all_images_to_the_bit(tmp_path: Path, logits: torch.Tensor) -> None:
    index = CacheReader(_cache_of(tmp_path, [logits], "logits", (View(),))).index
    assert len(index.paths) > 1
    for name in ALL_STATISTICS:
        np.testing.assert_array_equal(index.total(name), index.statistic(name).sum(axis=0), err_msg=name)


def test_a_volume_comes_back_close_with_exact_labels(tmp_path: Path, logits: torch.Tensor) -> None:
    reader = CacheReader(_cache_of(tmp_path, logits, "probabilities", (View(),)))
    prob_NCHW = probabilities(logits)
    for number in range(5):
        pixels = reader.pixels(number)
        assert pixels.prob_CHW is not None
        torch.testing.assert_close(pixels.prob_CHW, prob_NCHW[number], atol=5e-3, rtol=0)
        torch.testing.assert_close(pixels.prob_CHW.sum(dim=0), torch.ones(SIZE), atol=2e-3, rtol=0)
        assert torch.equal(pixels.label_HW.long(), prob_NCHW[number].argmax(dim=0))
        torch.testing.assert_close(pixels.confidence_HW, prob_NCHW[number].amax(dim=0), atol=5e-5, rtol=0)


def test_statistics_of_a_volume_are_those_of_the_exact_probabilities(tmp_path: Path, logits: torch.Tensor) -> None:
    exact = CacheReader(_cache_of(tmp_path / "a", logits, "logits", (View(),)))
    stored = CacheReader(_cache_of(tmp_path / "b", logits, "probabilities", (View(),)))
    for name in ALL_STATISTICS:
        np.testing.assert_allclose(
            stored.index.statistic(name), exact.index.statistic(name), rtol=1e-5, atol=1e-6, err_msg=name
        )
    np.testing.assert_array_equal(stored.index.histogram("confidence"), exact.index.histogram("confidence"))


def test_threads_do_not_change_a_bit(reader: CacheReader) -> None:
    alone, many = CacheReader(reader.index.folder, threads=1), CacheReader(reader.index.folder, threads=5)
    for number in range(5):
        for one, other in zip(alone.pixels(number), many.pixels(number), strict=True):
            assert torch.equal(one, other)


def _cache_of(folder: Path, logits: torch.Tensor | list[torch.Tensor], profile: str, views: tuple[View, ...]) -> Path:
    """A cache of given logits by view."""
    given = logits if isinstance(logits, list) else [logits] * len(views)

    def average(logits: list[torch.Tensor]) -> torch.Tensor:
        each = [probabilities(low) for low in logits]
        turned = [prob.flip(-1) if view.flip else prob for prob, view in zip(each, views, strict=True)]
        return torch.stack(turned).mean(dim=0)

    names = tuple(f"class {number}" for number in range(19))
    spec = CacheSpec("f", names, SIZE, profile, 5, 2, align_corners=True, views=views)
    dump(
        torch.tensor, IDS, lambda positions: [view[positions] for view in given], folder, spec, batch=2, average=average
    )
    return folder


def test_images_may_be_read_in_any_order(reader: CacheReader) -> None:
    forwards = [reader.probability(number) for number in range(5)]
    for number in (4, 0, 3, 1, 2, 0):
        assert torch.equal(reader.probability(number), forwards[number])


def test_damaged_logits_are_an_error_that_names_the_part(reader: CacheReader) -> None:
    path = reader.index.paths[1]
    with h5py.File(path) as file:
        chunk = file["logits/1"].id.get_chunk_info(0)
    damaged = bytearray(path.read_bytes())
    damaged[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CacheError, match=r"part-00001\.h5: logits/1 is damaged"):
        reader.probability(2)


def test_a_reader_travels_after_it_was_used(reader: CacheReader) -> None:
    expected = reader.probability(3)
    copy = pickle.loads(pickle.dumps(reader))
    assert torch.equal(copy.probability(3), expected)


def _digests(reader: CacheReader, answer: Connection) -> None:
    order = [3, 0, 4, 1, 2]
    found = {number: hashlib.sha256(reader.probability(number).numpy().tobytes()).hexdigest() for number in order}
    answer.send([found[number] for number in range(5)])
    answer.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_four_workers_read_identical_bytes(reader: CacheReader, method: str) -> None:
    here, there = multiprocessing.Pipe(duplex=False)
    _digests(reader, there)  # the parent has read before: files open, threads running
    expected = here.recv()
    context = multiprocessing.get_context(method)
    pipes = [context.Pipe(duplex=False) for _ in range(4)]
    workers = [context.Process(target=_digests, args=(reader, pipe[1])) for pipe in pipes]
    for worker in workers:
        worker.start()
    for receiver, _ in pipes:
        assert receiver.poll(120)
        assert receiver.recv() == expected
    for worker in workers:
        worker.join(20)
        assert worker.exitcode == 0
    assert torch.equal(reader.probability(0), reader.probability(0))


def _labels_in_child(reader: CacheReader, answer: Connection) -> None:
    answer.send([reader.label(number) for number in (0, 3, 4)])
    answer.close()


def test_a_forked_process_opens_its_own_files_and_leaves_its_parents(reader: CacheReader) -> None:
    expected = [reader.label(number) for number in (3, 4, 0)]  # the parent has a part open
    assert reader._open is not None
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_labels_in_child, args=(reader, there))
    child.start()
    there.close()
    assert here.poll(20)
    first, second, third = here.recv()
    child.join(20)
    assert child.exitcode == 0
    for found, wanted in zip((second, third, first), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(reader.label(0), first)


def test_a_file_opened_by_another_process_is_not_used(reader: CacheReader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.label(0)
    assert reader._open is not None
    opened = reader._open[2]
    monkeypatch.setattr("os.getpid", lambda: -1)
    reader.label(0)
    assert reader._open[2] is not opened
