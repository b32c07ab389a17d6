"""The bins of the cache's histograms.

Confidence: of width 2^-16 (1.5e-5) below 1 - 2^-9, and from there one bin for each float32: that is where networks put
most of their pixels, and where equal-width bins would tie them together.
"""

from __future__ import annotations

import numpy as np

SURE = 1 - 2**-9
"""From this confidence on, every float32 has a bin of its own."""
COARSE_BINS = 65536 - 128
CONFIDENCE_BINS = COARSE_BINS + 2**15 + 1
ENTROPY_BINS = 2048
"""Of equal width from 0 to ln C."""
ENTROPY_LEVELS = 51
"""Steps of the entropy plane, which is for viewing: finer ones cost a tenth of the cache and show nothing more."""


def confidence_edges() -> np.ndarray:
    """Return the smallest confidence of each bin, (CONFIDENCE_BINS,) float64."""
    return np.concatenate([np.arange(COARSE_BINS) / 65536, 1 - np.arange(2**15, -1, -1) / 2**24])
