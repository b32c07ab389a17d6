"""The dump: finished parts are kept, an interrupted one leaves whole parts only.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.cache.dump import Share, dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.kernels import PlanesHW
from pipeline.cache.measure import Average, Job, jobs_after_measuring
from pipeline.cache.parts import part_name, verify_part, write_part
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import ALL_STATISTICS, CacheError, CacheSpec
from pipeline.cache.statistics import entropy_byte, image_statistics, planes_of_probabilities
from pipeline.datasets.problems import DataError

SIZE = (8, 12)
IDS = [f"image-{number}" for number in range(7)]
SPEC = CacheSpec("model-a", ("road", "sky", "car", "bus"), SIZE, "logits", 7, 3, align_corners=True)


def images(positions: list[int]) -> Tensor:
    """Each position's image, whatever batch it is asked in."""
    one = [torch.randint(0, 256, (3, *SIZE), generator=torch.Generator().manual_seed(p)) for p in positions]
    return torch.stack(one).to(torch.uint8)


class Network:
    """A fixed 4×4 convolution, stride 4, that counts the images it sees and can fail."""

    def __init__(self, fails_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.randn((4, 3, 4, 4), generator=generator) / 500
        self.seen, self.calls, self.fails_at = 0, 0, fails_at

    def __call__(self, image_N3HW: Tensor) -> list[Tensor]:
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("out of memory")
        self.seen += len(image_N3HW)
        return [torch.nn.functional.conv2d(image_N3HW.float(), self.weight, stride=4)]


def average(logits: list[Tensor]) -> Tensor:
    """As eager torch computes the probabilities of a single view."""
    logits_NCHW = torch.nn.functional.interpolate(logits[0], SIZE, mode="bilinear", align_corners=True)
    return torch.softmax(logits_NCHW, dim=1)


def probabilities(positions: list[int]) -> Tensor:
    return average(Network()(images(positions)))


def run(folder: Path, network: Network, ids: list[str] = IDS, spec: CacheSpec = SPEC) -> int:
    return dump(images, ids, network, folder, spec, batch=2)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_image_is_dumped_once_into_parts_of_the_asked_size(tmp_path: Path) -> None:
    network = Network()
    assert run(tmp_path, network) == 0
    assert (network.seen, network.calls) == (7, 5)  # parts of 3, 3, 1 in batches of 2
    assert sorted(content_of(tmp_path)) == ["part-00000.h5", "part-00001.h5", "part-00002.h5"]
    index = CacheIndex(tmp_path)
    assert index.image_ids == IDS
    assert index.places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


def test_a_second_dump_makes_nothing_again(tmp_path: Path) -> None:
    run(tmp_path, Network())
    before = content_of(tmp_path)
    network = Network()
    assert run(tmp_path, network) == 3
    assert network.calls == 0
    assert content_of(tmp_path) == before


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, Network())
    before = content_of(tmp_path)
    damaged = bytearray(before["part-00001.h5"])
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "part-00001.h5").write_bytes(damaged)
    assert run(tmp_path, Network()) == 2
    assert content_of(tmp_path) == before


def test_an_interrupted_dump_leaves_whole_parts_and_goes_on_from_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path / "resumed", Network(fails_at=4))  # in the middle of the second part
    assert list(content_of(tmp_path / "resumed")) == ["part-00000.h5"]

    network = Network()
    assert run(tmp_path / "resumed", network) == 1
    assert network.seen == 4
    run(tmp_path / "at-once", Network())
    assert content_of(tmp_path / "resumed") == content_of(tmp_path / "at-once")


def test_a_truncated_part_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, Network())
    before = content_of(tmp_path)
    (tmp_path / "part-00001.h5").write_bytes(before["part-00001.h5"][:500])
    network = Network()
    assert run(tmp_path, network) == 2
    assert network.seen == 3
    assert content_of(tmp_path) == before


def test_a_dump_into_another_models_cache_is_refused_before_the_network_runs(tmp_path: Path) -> None:
    run(tmp_path, Network())
    network = Network()
    other = replace(SPEC, fingerprint="model-b", origin="runs/lse-1/model.pt")
    with pytest.raises(CacheError, match=r"written by model-a, this dump is model-b \(runs/lse-1/model.pt\)"):
        run(tmp_path, network, spec=other)
    assert network.calls == 0


def test_the_cache_holds_what_the_network_answered(tmp_path: Path) -> None:
    run(tmp_path, Network())
    reader = CacheReader(tmp_path)
    prob_NCHW = probabilities(list(range(7)))
    answer = planes_of_probabilities(prob_NCHW)
    for number in range(7):
        torch.testing.assert_close(reader.probability(number), prob_NCHW[number])
        np.testing.assert_array_equal(reader.label(number), answer.label_NHW[number].numpy())
    for name, expected in image_statistics(prob_NCHW, answer).items():
        np.testing.assert_allclose(reader.index.statistic(name), expected.numpy(), rtol=1e-5, atol=1e-9, err_msg=name)


def test_the_entropy_plane_is_that_of_the_logits(tmp_path: Path) -> None:
    run(tmp_path, Network())
    entropy_NHW = planes_of_probabilities(probabilities([0, 1])).entropy_NHW
    reader = CacheReader(tmp_path)
    for number in range(2):
        np.testing.assert_array_equal(reader.entropy_byte(number), entropy_byte(entropy_NHW[number], 4).numpy())


def test_several_writers_in_any_order_make_the_same_cache(tmp_path: Path) -> None:
    run(tmp_path / "one", Network())
    for rank in (2, 0, 1):
        dump(images, IDS, Network(), tmp_path / "three", SPEC, batch=2, share=Share(rank, 3))
    assert content_of(tmp_path / "three") == content_of(tmp_path / "one")


def _write_share(folder: Path, rank: int) -> None:
    dump(images, IDS, Network(), folder, SPEC, batch=2, share=Share(rank, 3))


def test_writers_at_the_same_time_need_no_locks(tmp_path: Path) -> None:
    run(tmp_path / "one", Network())
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_share, args=(tmp_path / "three", rank)) for rank in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    assert content_of(tmp_path / "three") == content_of(tmp_path / "one")


def test_a_writer_leaves_other_writers_unfinished_files_alone(tmp_path: Path) -> None:
    mine, theirs = tmp_path / ".part-00000.h5.1.partial", tmp_path / ".part-00001.h5.2.partial"
    mine.touch(), theirs.touch()
    dump(images, IDS, Network(), tmp_path, SPEC, batch=2, share=Share(0, 2))
    assert not mine.exists()
    assert theirs.exists()


def test_a_part_is_acknowledged_when_it_is_there(tmp_path: Path) -> None:
    heard: list[int] = []

    def progress(number: int) -> None:
        verify_part(tmp_path / part_name(number))
        heard.append(number)

    dump(images, IDS, Network(), tmp_path, SPEC, batch=2, progress=progress)
    assert heard == [0, 1, 2]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_answers_nan_is_named_with_the_image(tmp_path: Path, value: float) -> None:
    def network(image_N3HW: Tensor) -> list[Tensor]:
        answer = Network()(image_N3HW)[0]
        answer[0, 1, 0, 0] = value
        return [answer]

    with pytest.raises(CacheError, match="image-0: the network's output is NaN or infinity"):
        dump(images, IDS, network, tmp_path, SPEC, batch=7)
    assert not content_of(tmp_path)


def test_an_error_while_loading_is_raised_as_it_is(tmp_path: Path) -> None:
    def broken(positions: list[int]) -> Tensor:
        if 5 in positions:
            raise DataError("image-5: cannot be read")
        return images(positions)

    with pytest.raises(DataError, match="image-5"):
        dump(broken, IDS, Network(), tmp_path, SPEC, batch=2)
    assert list(content_of(tmp_path)) == ["part-00000.h5"]


def test_a_full_disk_keeps_what_is_finished_and_the_next_dump_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [40_000]
    write = os.write

    def limited(descriptor: int, data: memoryview) -> int:
        if len(data) > room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(data)
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", limited)
        with pytest.raises(CacheError, match=r"the disk is full; (1|2) of 3 parts are finished"):
            run(tmp_path / "full", Network())
    finished = sorted(content_of(tmp_path / "full"))
    assert finished in (["part-00000.h5"], ["part-00000.h5", "part-00001.h5"])  # no partial file
    assert run(tmp_path / "full", Network()) == len(finished)
    run(tmp_path / "at-once", Network())
    assert content_of(tmp_path / "full") == content_of(tmp_path / "at-once")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), r"your quota is used up .*Make room and run the dump again"),
        (OSError("write failed: errno = 28, error message = 'No space left'"), "the disk is full; 0 of 3 .*Make room"),
        (OSError(errno.EROFS, "Read-only"), r"the file system is read-only; .*stay\. Run the dump again"),
        (OSError("something else"), r"cannot be written \(something else\)"),
    ],
)
def test_what_else_a_part_cannot_be_written_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("pipeline.cache.dump.write_part", fails)
    with pytest.raises(CacheError, match=said):
        run(tmp_path, Network())


# ------------------------------------------------------------------------------ measured on the device, as on a GPU


def jobs_as_on_a_gpu(logits: list[Tensor], ids: list[str], spec: CacheSpec, average: Average) -> list[Job]:
    return jobs_after_measuring(logits, average(logits), ids, spec)


@pytest.mark.parametrize("profile", ["logits", "probabilities"])
def test_measuring_on_the_device_gives_the_same_cache_within_rounding(
    tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, profile=profile)
    dump(images, IDS, Network(), tmp_path / "cpu", spec, batch=2, average=average)
    monkeypatch.setattr("pipeline.cache.dump.encoding_jobs", jobs_as_on_a_gpu)
    dump(images, IDS, Network(), tmp_path / "device", spec, batch=2, average=average)
    cpu, device = CacheReader(tmp_path / "cpu"), CacheReader(tmp_path / "device")
    for number in range(7):
        torch.testing.assert_close(cpu.probability(number), device.probability(number), rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(cpu.label(number), device.label(number))
        assert np.abs(cpu.entropy_byte(number).astype(int) - device.entropy_byte(number)).max() <= 5
    for name in ALL_STATISTICS:
        np.testing.assert_allclose(
            cpu.index.statistic(name), device.index.statistic(name), rtol=1e-5, atol=1e-6, err_msg=name
        )
    for name in ("confidence", "entropy"):
        mine, theirs = cpu.index.histogram(name), device.index.histogram(name)
        np.testing.assert_array_equal(mine.sum(axis=1), theirs.sum(axis=1))
        assert np.abs(mine.cumsum(axis=1) - theirs.cumsum(axis=1)).max() <= 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_is_named_with_its_image_on_the_device_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def network(image_N3HW: Tensor) -> list[Tensor]:
        answer = Network()(image_N3HW)[0]
        answer[1, 1, 0, 0] = value
        return [answer]

    monkeypatch.setattr("pipeline.cache.dump.encoding_jobs", jobs_as_on_a_gpu)
    with pytest.raises(CacheError, match="image-1: the network's output is NaN or infinity"):
        dump(images, IDS, network, tmp_path, SPEC, batch=7, average=average)


def test_nothing_uncompressed_is_kept_until_a_part_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []

    def write(*arguments: object) -> None:
        gc.collect()
        alive.append(sum(isinstance(item, PlanesHW) for item in gc.get_objects()))
        write_part(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.cache.dump.write_part", write)
    dump(images, IDS, Network(), tmp_path, replace(SPEC, part_images=7), batch=1, workers=1)
    assert alive == [0]
