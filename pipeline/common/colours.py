"""Numbers as colours."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

import numpy as np

# Anchors of matplotlib's "cividis": even steps of lightness, distinct with every kind of colour vision.
_CIVIDIS = np.array(
    [(0, 34, 78), (40, 57, 108), (87, 93, 109), (124, 123, 120), (165, 156, 116), (210, 193, 92), (254, 232, 56)],
    dtype=np.float64,
)


def entropy_picture(share_HW: np.ndarray) -> np.ndarray:
    """Return (H,W,3) uint8 of values in [0,1]: dark blue is certain, yellow is undecided. Others are clipped."""
    step_HW = np.clip(share_HW, 0.0, 1.0) * (len(_CIVIDIS) - 1)
    steps = np.arange(len(_CIVIDIS))
    channels = [np.interp(step_HW, steps, _CIVIDIS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
