"""Reading a cache: the probabilities are the network's, bit for bit, in any process.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.cache.dump import dump
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec

SIZE = (32, 64)
IDS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def logits() -> torch.Tensor:
    return 5 * torch.randn((5, 19, 5, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def reader(tmp_path: Path, write_cache: Callable[..., Path], logits: torch.Tensor) -> CacheReader:
    return CacheReader(write_cache(tmp_path / "cache", logits, SIZE, IDS))


def test_probabilities_are_bit_identical_to_the_networks(reader: CacheReader, logits: torch.Tensor) -> None:
    logits_NCHW = functional.interpolate(logits, SIZE, mode="bilinear", align_corners=True)
    prob_NCHW = torch.softmax(logits_NCHW, dim=1)
    assert (len(reader), reader.image_ids) == (5, IDS)
    for number in range(5):
        assert torch.equal(reader.logits(number), logits_NCHW[number])
        assert torch.equal(reader.probability(number), prob_NCHW[number])
        np.testing.assert_array_equal(reader.label(number), prob_NCHW[number].argmax(dim=0).numpy())


def test_at_a_size_that_does_not_fill_vectors_the_logits_are_still_bit_identical(
    tmp_path: Path, write_cache: Callable[..., Path], logits: torch.Tensor
) -> None:
    # torch's softmax rounds the pixels that are left over after whole vectors in another way than the others, so which
    # pixels differ by a bit depends on the batch; what is stored does not.
    size = (33, 65)
    reader = CacheReader(write_cache(tmp_path, logits, size, IDS))
    logits_NCHW = functional.interpolate(logits, size, mode="bilinear", align_corners=True)
    for number in range(5):
        assert torch.equal(reader.logits(number), logits_NCHW[number])
        expected = torch.softmax(logits_NCHW[number].double(), dim=0).float()
        torch.testing.assert_close(reader.probability(number), expected, rtol=1e-5, atol=1e-12)


def test_a_network_that_answers_at_full_size_is_read_as_it_is(tmp_path: Path) -> None:
    logits_NCHW = torch.randn((2, 3, 4, 6), generator=torch.Generator().manual_seed(0))
    spec = CacheSpec("f", ("a", "b", "c"), (4, 6), "none", False)
    dump(torch.tensor, ["x", "y"], lambda p: logits_NCHW[p], lambda x: x, tmp_path, spec, part_images=2, batch=2)
    assert torch.equal(CacheReader(tmp_path).logits(1), logits_NCHW[1])


def test_images_may_be_read_in_any_order(reader: CacheReader) -> None:
    forwards = [reader.logits(number) for number in range(5)]
    for number in (4, 0, 3, 1, 2, 0):
        assert torch.equal(reader.logits(number), forwards[number])


def test_a_reader_travels_after_it_was_used(reader: CacheReader) -> None:
    expected = reader.label(3)
    copy = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(copy.label(3), expected)


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
