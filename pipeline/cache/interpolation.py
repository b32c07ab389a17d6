"""Positions and weights of a bilinear up-sample, with the very numbers of torch's CPU kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Axis(NamedTuple):
    """For each output position: two input positions and their float32 weights."""

    first: np.ndarray
    second: np.ndarray
    first_weight: np.ndarray
    second_weight: np.ndarray

    def window(self, start: int, length: int) -> Axis:
        """Return the axis for a range of output positions."""
        return Axis(*(values[start : start + length] for values in self))


def linear_axis(input_length: int, output_length: int, align_corners: bool) -> Axis:
    """Return positions and weights as torch's interpolate(mode="bilinear") has them in float32, bit for bit.

    For contiguous tensors whose output height and width add up to more than 128; below, torch takes another kernel.
    """
    output = np.arange(output_length, dtype=np.float32)
    if align_corners:
        scale = np.float32(input_length - 1) / np.float32(output_length - 1) if output_length > 1 else np.float32(0)
        source = scale * output
    else:
        scale = np.float32(input_length) / np.float32(output_length)
        # torch's compiler fuses the product and the difference: one rounding, which float64 reproduces
        fused = scale.astype(np.float64) * (output + np.float32(0.5)) - 0.5
        source = np.maximum(fused.astype(np.float32), np.float32(0))
    first = np.minimum(source.astype(np.int32), input_length - 1)
    second = np.minimum(first + 1, input_length - 1)
    second_weight = np.clip(source - first.astype(np.float32), np.float32(0), np.float32(1))
    return Axis(first, second, np.float32(1) - second_weight, second_weight)
