"""Fourier domain adaptation: the lowest frequencies of an image take on the amplitudes of another's.

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020. Only the window of frequencies
that changes is transformed, by two products with a few rows of the Fourier matrix: the result is that of whole
transforms, and a target image is described by its window.
"""

# H/W pixels, 3 red, green, blue, V vertical frequencies -b … b, U horizontal frequencies 0 … b

from __future__ import annotations

from functools import lru_cache

import numpy as np


def reach(size: tuple[int, int], beta: float) -> int:
    """Return b = ⌊β · min(H,W)⌋, the highest frequency that changes (as the released code; the paper has βH and βW)."""
    return int(np.floor(min(size) * beta))


def amplitudes(image_HW3: np.ndarray, beta: float) -> np.ndarray:
    """Return amplitudes (3,V,U) float32 of the window; those of negative horizontal frequencies mirror them."""
    height, width = image_HW3.shape[:2]
    amplitude_3VU: np.ndarray = np.abs(_window(image_HW3, reach((height, width), beta))).astype(np.float32)
    return amplitude_3VU


def swap_amplitudes(image_HW3: np.ndarray, amplitude_3VU: np.ndarray) -> np.ndarray:
    """Return the image (H,W,3) uint8 with these amplitudes of its lowest frequencies and its own phases (Eq. 2, 3).

    Rounded and clipped to bytes, which the released code, going on in floats, does not.
    """
    height, width = image_HW3.shape[:2]
    window_3VU = _window(image_HW3, amplitude_3VU.shape[2] - 1)
    size_3VU = np.abs(window_3VU)
    phase_3VU = np.where(size_3VU > 0, window_3VU / np.maximum(size_3VU, np.finfo(np.float32).tiny), 1.0)
    change_3VU = amplitude_3VU * phase_3VU - window_3VU
    change_3VU[..., 1:] *= 2  # the image is real: a negative frequency adds what its positive twin does
    vertical_VH, horizontal_UW = _waves(height, width, amplitude_3VU.shape[2] - 1)
    rows_3HU = vertical_VH.conj().T @ change_3VU
    change_3HW = rows_3HU.real @ horizontal_UW.real + rows_3HU.imag @ horizontal_UW.imag  # Re(rows · conj(waves))
    changed_HW3 = image_HW3 + np.moveaxis(change_3HW, 0, -1) / (height * width)
    byte_HW3: np.ndarray = np.clip(np.rint(changed_HW3), 0, 255).astype(np.uint8)
    return byte_HW3


def _window(image_HW3: np.ndarray, highest: int) -> np.ndarray:
    """Return the discrete Fourier transform (3,V,U) at the lowest frequencies, complex."""
    height, width = image_HW3.shape[:2]
    vertical_VH, horizontal_UW = _waves(height, width, highest)
    image_3HW = np.moveaxis(image_HW3, -1, 0).astype(np.float32)
    rows_3HU = image_3HW @ horizontal_UW.real.T + 1j * (image_3HW @ horizontal_UW.imag.T)
    window_3VU: np.ndarray = vertical_VH @ rows_3HU
    return window_3VU


@lru_cache(maxsize=8)
def _waves(height: int, width: int, highest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return exp(-2πi·v·y/H) as (V,H) and exp(-2πi·u·x/W) as (U,W), complex64."""
    vertical_V, horizontal_U = np.arange(-highest, highest + 1), np.arange(highest + 1)
    vertical_VH = np.exp(-2j * np.pi * np.outer(vertical_V, np.arange(height)) / height)
    horizontal_UW = np.exp(-2j * np.pi * np.outer(horizontal_U, np.arange(width)) / width)
    return vertical_VH.astype(np.complex64), horizontal_UW.astype(np.complex64)
