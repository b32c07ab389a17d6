"""Several processes (torchrun's) that train one network together, each on its share of every batch.

What is trained does not depend on how many they are. The value of a loss term is that of the whole batch, on every
process, and its gradient is the process's own share; `add_gradients` adds the shares up. That is not what
DistributedDataParallel does: it averages the processes' means, which is another loss wherever processes do not have
equally many pixels with a label. Alone, every function here is the plain one.

# C channels
"""

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

# One process may wait for the working folder of a stage that is about to end; a dead one is torchrun's to notice.
_LONGEST_WAIT = timedelta(hours=12)


def processes() -> int:
    """How many train together; 1 for a process that is alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process among them, from 0: the first one writes files and tells."""
    return dist.get_rank() if processes() > 1 else 0


@contextmanager
def joined(computer: Device) -> Iterator[None]:
    """Meets the other processes that torchrun has started; does nothing for a process that is alone."""
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
    """The working folder of all: the first process holds it, and removes it when all have ended well."""
    if rank() == 0:
        with working_folder(stage, **inputs) as folder:
            _first_says(str(folder))
            yield folder
            wait_for_all()
    else:
        # told, not found out: this process may have waited long, and the sources have been edited meanwhile
        yield Path(_first_says(""))
        wait_for_all()


def _first_says(text: str) -> str:
    """The first process's text; all wait for it."""
    if processes() == 1:
        return text
    told = [text]
    dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
    return told[0]


def wait_for_all() -> None:
    """Goes on when every process has come here."""
    agreed(False)


def agreed(claim: bool) -> bool:
    """Whether any process claims it. Through the CPU, so that no GPU waits."""
    if processes() == 1:
        return claim
    claims = torch.tensor(int(claim))
    dist.all_reduce(claims)
    return bool(claims > 0)


def gathered(values: list[str]) -> list[str]:
    """The values of all processes, one after the other."""
    if processes() == 1:
        return values
    found: list[list[str]] = [[] for _ in range(processes())]
    dist.all_gather_object(found, values)
    return [value for part in found for value in part]


def draw_as(seed: int, step: int) -> None:
    """Sets torch's random state for a step. Alone, it runs on from step to step; together, every process has its own.

    So dropout differs between processes and is the same after a resume; it is not the same as that of one process.
    """
    if processes() > 1:
        torch.manual_seed(zlib.crc32(f"{seed}/{step}/{rank()}".encode()))


# -------------------------------------------------------------------------------------------- sums over the whole batch


class _Total(torch.autograd.Function):
    """The sum over the processes; the gradient goes to the own share alone, for every process has one to give."""

    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:
        whole = share.detach().clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def total(share: Tensor) -> Tensor:
    """The sum of the processes' values, the same on each; its gradient is that of the own value."""
    if processes() == 1:
        return share
    summed: Tensor = _Total.apply(share)
    return summed


def count_of(values: Tensor) -> int:
    """How many values all processes have."""
    return _sum_of(values.numel())


def _sum_of(number: int) -> int:
    return number if processes() == 1 else int(total(torch.tensor(number)))


def mean(values: Tensor) -> Tensor:
    """The mean of all values of all processes (0-dimensional)."""
    return values.mean() if processes() == 1 else total(values.sum()) / count_of(values)


def mean_over_batch(values_N: Tensor) -> Tensor:
    """The mean over the first dimension, over all processes' images."""
    if processes() == 1:
        return values_N.mean(dim=0)
    return total(values_N.sum(dim=0)) / _sum_of(values_N.shape[0])


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Gives every process the sum of all processes' gradients, bit for bit the same on each."""
    if processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


# -------------------------------------------------------------------------------------------------------- normalisation


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, where torch's own, which wants a GPU, does not work.

    Other processes' losses depend on this one's images through the statistics, so the gradients of the sums are added.
    """

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.BatchNorm2d`; in evaluation exactly that."""
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
    """The sum over the processes, whose gradient is the sum over the processes, too."""
    summed: Tensor = all_reduce(share)  # type: ignore[no-untyped-call]
    return summed


def share_normalisation(model: nn.Module, computer: Device) -> None:
    """Makes layers that use statistics of the batch use those of all processes' batches. In place; alone, nothing.

    Parameters, statistics and their names stay as they are.
    """
    if processes() == 1:
        return
    if computer.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call] # in evaluation mode it is an ordinary one
        return
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.__class__ = SharedBatchNorm2d  # the same parameters and buffers, which an optimiser may hold
