"""The dump: finished parts are kept, an interrupted one leaves whole parts only.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.cache.dump import dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheError, CacheSpec
from pipeline.cache.statistics import class_statistics, entropy_byte, planes
from pipeline.models.base import Upsample

SIZE = (8, 12)
IDS = [f"image-{number}" for number in range(7)]
UPSAMPLE = Upsample("bilinear", align_corners=True)
SPEC = CacheSpec("model-a", ("road", "sky", "car", "bus"), SIZE, "bilinear", True)


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

    def __call__(self, image_N3HW: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("out of memory")
        self.seen += len(image_N3HW)
        return torch.nn.functional.conv2d(image_N3HW.float(), self.weight, stride=4)


def run(folder: Path, network: Network, ids: list[str] = IDS, spec: CacheSpec = SPEC) -> int:
    def full_size(logits: Tensor) -> Tensor:
        return UPSAMPLE(logits, SIZE)

    return dump(images, ids, network, full_size, folder, spec, part_images=3, batch=2)


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
    other = CacheSpec("model-b", SPEC.class_names, SIZE, "bilinear", True)
    with pytest.raises(CacheError, match="made by model-a, this dump is model-b"):
        run(tmp_path, network, spec=other)
    assert network.calls == 0


def test_the_cache_holds_what_the_network_answered(tmp_path: Path) -> None:
    run(tmp_path, Network())
    reader = CacheReader(tmp_path)
    logits_NCHW = UPSAMPLE(Network()(images(list(range(7)))), SIZE)
    answer = planes(logits_NCHW)
    for number in range(7):
        torch.testing.assert_close(reader.logits(number), logits_NCHW[number])
        np.testing.assert_array_equal(reader.label(number), answer.label_NHW[number].numpy())
    for name, expected in class_statistics(answer, 4).items():
        np.testing.assert_allclose(reader.index.statistic(name), expected.numpy(), rtol=1e-5, err_msg=name)


def test_the_entropy_plane_is_that_of_the_logits(tmp_path: Path) -> None:
    import h5py

    run(tmp_path, Network())
    entropy_NHW = planes(UPSAMPLE(Network()(images([0, 1])), SIZE)).entropy_NHW
    with h5py.File(tmp_path / "part-00000.h5") as file:
        np.testing.assert_array_equal(file["entropy"][:2], entropy_byte(entropy_NHW, 4).numpy())
