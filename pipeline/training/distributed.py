"""Several processes (torchrun's) that train one network together, each on its share of every batch.

The result does not depend on their number. The value of a loss term is that of the whole batch, on every
process, and its gradient is the process's own share; `all_reduce_gradients` adds the shares up. That is not what
DistributedDataParallel does: it averages the processes' means, which is another loss wherever processes do not have
equally many pixels with a label. With one process, every function here is the plain one.
"""

# C channels

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from pipeline.common.device import Device
from pipeline.common.work import working_folder

# One process may wait for the working folder of a stage that is about to end; torchrun notices a dead one.
_LONGEST_WAIT = timedelta(hours=12)


def world_size() -> int:
    """Return the number of processes that train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, from 0; the first one writes files and messages."""
    return dist.get_rank() if world_size() > 1 else 0


@contextmanager
def process_group(computer: Device) -> Iterator[None]:
    """Join the other processes that torchrun has started; without torchrun, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if computer.device.type == "cuda":
        torch.cuda.set_device(computer.device)
    backend = "cpu:gloo,cuda:nccl" if computer.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_LONGEST_WAIT)
    yield
    dist.destroy_process_group()  # not after an error: the others may be waiting in a call that this one never makes


@contextmanager
def common_folder(stage: str, **inputs: Any) -> Iterator[Path]:
    """Yield the working folder of all processes; the first one locks it, and removes it when all have ended well."""
    if rank() == 0:
        with working_folder(stage, **inputs) as folder:
            broadcast(str(folder))
            yield folder
            barrier()
    else:
        # received, not computed: this process may have waited long while the sources were edited
        yield Path(broadcast(""))
        barrier()


def broadcast(text: str) -> str:
    """Return the first process's text to all."""
    if world_size() == 1:
        return text
    texts = [text]
    dist.broadcast_object_list(texts, src=0, device=torch.device("cpu"))
    return texts[0]


def barrier() -> None:
    """Wait until every process has come here."""
    any_rank(False)


def any_rank(claim: bool) -> bool:
    """Return whether any process claims it; through the CPU, so that no GPU waits."""
    if world_size() == 1:
        return claim
    claims = torch.tensor(int(claim))
    dist.all_reduce(claims)
    return bool(claims > 0)


def all_gather(values: list[str]) -> list[str]:
    """Return the values of all processes, in the order of their ranks."""
    if world_size() == 1:
        return values
    lists: list[list[str]] = [[] for _ in range(world_size())]
    dist.all_gather_object(lists, values)
    return [value for one in lists for value in one]


def draw_as(seed: int, step: int) -> None:
    """Set torch's random state for a step, one for each of several processes; one process alone keeps its state.

    So dropout differs between processes and is the same after a resume; it is not the same as that of one process.
    """
    if world_size() > 1:
        torch.manual_seed(zlib.crc32(f"{seed}/{step}/{rank()}".encode()))


# -------------------------------------------------------------------------------------------- sums over the whole batch


class _AllReduceSum(torch.autograd.Function):
    """The sum over the processes; its gradient is the own share's, because each process adds its own."""

    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:
        whole = share.detach().clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def all_reduce_sum(share: Tensor) -> Tensor:
    """Return the sum of the processes' values, equal on each; its gradient is that of the own value."""
    if world_size() == 1:
        return share
    summed: Tensor = _AllReduceSum.apply(share)
    return summed


def count_of(values: Tensor) -> int:
    """Return the number of values of all processes."""
    return _sum_of(values.numel())


def _sum_of(number: int) -> int:
    return number if world_size() == 1 else int(all_reduce_sum(torch.tensor(number)))


def mean(values: Tensor) -> Tensor:
    """Return the mean of all values of all processes (0-dimensional)."""
    return values.mean() if world_size() == 1 else all_reduce_sum(values.sum()) / count_of(values)


def mean_over_batch(values_N: Tensor) -> Tensor:
    """Return the mean over the first dimension, over all processes' images."""
    if world_size() == 1:
        return values_N.mean(dim=0)
    return all_reduce_sum(values_N.sum(dim=0)) / _sum_of(values_N.shape[0])


def all_reduce_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their sums over the processes, equal on each bit for bit."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    sums = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, total in zip(gradients, sums, strict=True):
        gradient.copy_(total.view_as(gradient))


# -------------------------------------------------------------------------------------------------------- normalisation


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes on a CPU, where torch's own does not work.

    Other processes' losses depend on this one's images through the statistics, so the gradients of the sums are added.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by the statistics of all processes; in evaluation mode as `nn.BatchNorm2d`."""
        if not self.training:
            return super().forward(input)
        count = count_of(input[:, 0])
        mean_C = _sum_both_ways(input.sum(dim=(0, 2, 3))) / count
        centred = input - mean_C[:, None, None]
        variance_C = _sum_both_ways(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean_C.detach(), variance_C.detach() * count / max(1, count - 1))
        normed: Tensor = centred * (variance_C + self.eps).rsqrt()[:, None, None]
        if self.affine:
            normed = normed * self.weight[:, None, None] + self.bias[:, None, None]
        return normed

    def _remember(self, mean_C: Tensor, variance_C: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(variance_C.to(self.running_var.dtype), factor)


def _sum_both_ways(share: Tensor) -> Tensor:
    """Return the sum over the processes; its gradient is also summed over them."""
    summed: Tensor = all_reduce(share)  # type: ignore[no-untyped-call]
    return summed


def share_normalisation(model: nn.Module, computer: Device) -> None:
    """Make layers with batch statistics use those of all processes' batches, in place; one process changes nothing.

    Parameters, statistics and their names stay as they are.
    """
    if world_size() == 1:
        return
    if computer.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call] # in evaluation mode it is an ordinary one
        return
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.__class__ = SharedBatchNorm2d  # the same parameters and buffers, which an optimiser may hold
