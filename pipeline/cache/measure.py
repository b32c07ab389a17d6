"""Measuring a batch of the network's output, and the jobs that encode its images.

On a CPU, measuring belongs to the encoding threads, which run beside the next forward pass. On a GPU, everything that
looks at full-size probabilities happens there; only the logits, one byte each for label and entropy, and sums are
copied, into pinned memory, while the GPU goes on with the next batch.
"""

# N batch, C class, H/W pixels, h/w network resolution

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.cache.codec import LOG_ODDS_STEP, LOWEST_LOG_ODDS
from pipeline.cache.encode import (
    EncodedImage,
    Histograms,
    encode_logits,
    encode_probabilities,
    logits_arrays,
    viewing_arrays,
    volume_arrays,
)
from pipeline.cache.schema import CacheError, CacheSpec
from pipeline.cache.statistics import entropy_byte, histograms, image_statistics, planes_of_probabilities

Job = Callable[[], EncodedImage]
Average = Callable[[list[Tensor]], Tensor]
"""Logits of each view -> float32 probabilities (N,C,H,W) at full size, turned back and averaged, on their device."""


def encoding_jobs(logits: list[Tensor], image_ids: list[str], spec: CacheSpec, average: Average | None) -> list[Job]:
    """Return one job for each image of a batch, to be run in any thread.

    ``logits`` are (N,C,h,w) of each view, on the network's device. Everything but logits on a CPU, whose probabilities
    the jobs compute, needs ``average``.

    Raises:
        ValueError: the network has computed another number of views than the cache has.
    """
    if len(logits) != len(spec.views):
        raise ValueError(f"the network has computed {len(logits)} views, the cache has {len(spec.views)}")
    if spec.profile == "logits" and logits[0].device.type != "cuda":
        return [
            partial(encode_logits, image_id, [view_NChw[row].float().numpy() for view_NChw in logits], spec)
            for row, image_id in enumerate(image_ids)
        ]
    assert average is not None
    prob_NCHW = average(logits)
    if prob_NCHW.device.type == "cuda":
        return jobs_after_measuring(logits, prob_NCHW, image_ids, spec)
    prob = prob_NCHW.numpy()
    return [partial(encode_probabilities, image_id, prob[row], spec) for row, image_id in enumerate(image_ids)]


class _Measured(NamedTuple):
    """A measured batch, on the host once the copies are done: first axis N everywhere but in the histograms."""

    volumes: list[Tensor]
    label_NHW: Tensor
    entropy_byte_NHW: Tensor
    statistics: dict[str, Tensor]
    counts: tuple[Tensor, Tensor]
    finite_N: Tensor


def jobs_after_measuring(logits: list[Tensor], prob_NCHW: Tensor, image_ids: list[str], spec: CacheSpec) -> list[Job]:
    """Measure a batch on its device and return jobs that only compress."""
    finite_N = torch.stack([view_NChw.isfinite().flatten(1).all(dim=1) for view_NChw in logits]).all(dim=0)
    # an image that is not finite is refused when its job runs; until then it must not break the others' statistics
    prob_NCHW = prob_NCHW.nan_to_num()
    planes = planes_of_probabilities(prob_NCHW)
    if spec.profile == "logits":
        volumes = [view_NChw.float() for view_NChw in logits]
    else:
        roots_NCHW = (prob_NCHW.sqrt() * 255 + 0.5).to(torch.uint8)
        volumes = [roots_NCHW, _confidence_code(planes.confidence_NHW)]
    confidence_CB, entropy_CB = histograms(planes, spec.classes)
    measured = _Measured(
        [_to_host(volume) for volume in volumes],
        _to_host(planes.label_NHW.to(torch.uint8)),
        _to_host(entropy_byte(planes.entropy_NHW, spec.classes)),
        {name: _to_host(value) for name, value in image_statistics(prob_NCHW, planes).items()},
        (_to_host(confidence_CB.to(torch.int32)), _to_host(entropy_CB.to(torch.int32))),
        _to_host(finite_N),
    )
    copied = torch.cuda.Event() if prob_NCHW.device.type == "cuda" else None  # type: ignore[no-untyped-call]
    if copied is not None:
        copied.record()
    return [partial(_compress, measured, row, image_id, spec, copied) for row, image_id in enumerate(image_ids)]


def _confidence_code(confidence_NHW: Tensor) -> Tensor:
    """Return codec.confidence_code, by torch, as int32: the nearest code in log-odds."""
    odds = torch.logit(confidence_NHW.double())
    code = ((odds - LOWEST_LOG_ODDS) / LOG_ODDS_STEP + 0.5).clamp(0, 65534).to(torch.int32)
    return torch.where(confidence_NHW >= 1, 65535, code)


def _to_host(values: Tensor) -> Tensor:
    """Return a copy in pinned memory; copying may still be under way."""
    if values.device.type != "cuda":
        return values
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return host.copy_(values, non_blocking=True)


def _compress(
    measured: _Measured, row: int, image_id: str, spec: CacheSpec, copied: torch.cuda.Event | None
) -> EncodedImage:
    if copied is not None:
        copied.synchronize()
    if not measured.finite_N[row]:
        raise CacheError(
            f"{image_id}: the network's output is NaN or infinity; its training has diverged ({spec.origin})"
        )
    volumes = [volume[row].numpy() for volume in measured.volumes]
    if spec.profile == "logits":
        arrays = logits_arrays(volumes, spec)
    else:
        arrays = volume_arrays(volumes[0], volumes[1].astype(np.uint16))
    arrays |= viewing_arrays(measured.label_NHW[row].numpy(), measured.entropy_byte_NHW[row].numpy())
    statistics = {name: value[row].numpy() for name, value in measured.statistics.items()}
    if row > 0:
        return EncodedImage(arrays, statistics, None)
    confidence_CB, entropy_CB = (counts.numpy().astype(np.uint32) for counts in measured.counts)
    return EncodedImage(arrays, statistics, None, Histograms(confidence_CB, entropy_CB))
