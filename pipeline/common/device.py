"""Where and how precisely to compute."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch

from pipeline.common.errors import ReadableError

PRECISIONS = ("auto", "float32", "bfloat16")


class Device(NamedTuple):
    """A device and the precision of its forward passes."""

    device: torch.device
    bfloat16: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context for forward passes; back-propagation stays outside of it."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

    def place(self, model: torch.nn.Module) -> None:
        """Move a network to the device, with channels last on a GPU, where its kernels want them."""
        model.to(self.device)
        if self.device.type == "cuda":
            model.to(memory_format=torch.channels_last)


def select_device(device: str, precision: str) -> Device:
    """Return the device and the precision that params.yaml or the command line names.

    ``auto`` is the first GPU where there is one, and bfloat16 on a GPU that has it. Of several processes that share the
    work of a stage (torchrun's), each takes a GPU of its own.

    Raises:
        ReadableError: there is no such GPU, or the words name no device or no precision.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ReadableError(f"device: is {device!r}; choose auto, cpu, cuda, or one GPU, such as cuda:1")
    if precision not in PRECISIONS:
        raise ReadableError(f"precision: is {precision!r}; choose one of {', '.join(PRECISIONS)}")
    position, together = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ReadableError(f"runtime.device: is {device!r}, but torch sees no GPU; set it to auto or cpu")
    if chosen.type == "cuda" and together > 1:
        if chosen.index is not None or together > torch.cuda.device_count():
            raise ReadableError(
                f"site.yaml asks for {together} processes; runtime.device is {device!r} and torch sees "
                f"{torch.cuda.device_count()} GPU(s): set runtime.device to auto, and no more processes than gpus"
            )
        chosen = torch.device("cuda", position)
    automatic = chosen.type == "cuda" and torch.cuda.is_bf16_supported()
    return Device(chosen, precision == "bfloat16" or (precision == "auto" and automatic))
