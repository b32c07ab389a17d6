"""CIE L*a*b* (D65) of sRGB bytes, in which distances are roughly those that people see."""

# H/W pixels, 3 channels: red, green, blue or L*, a*, b*

from __future__ import annotations

import numpy as np

# IEC 61966-2-1: linear sRGB to CIE XYZ, and D65's white as this matrix has it, so that grey has a* = b* = 0.
_XYZ_OF_RGB_33 = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE_3 = _XYZ_OF_RGB_33.sum(axis=1)
_TO_XYZ_33 = (_XYZ_OF_RGB_33 / _WHITE_3[:, None]).T.astype(np.float32)
_TO_RGB_33 = np.linalg.inv((_XYZ_OF_RGB_33 / _WHITE_3[:, None]).T).astype(np.float32)

# CIE 15: below, the cube root is a line.
_KNEE = 6 / 29

_BYTES = np.arange(256) / 255
_LINEAR_256 = np.where(_BYTES <= 0.04045, _BYTES / 12.92, ((_BYTES + 0.055) / 1.055) ** 2.4).astype(np.float32)
# From linear light back to bytes by a table: fine enough that every byte survives the way there and back.
_STEPS = 1 << 14
_LIGHT = np.arange(_STEPS) / (_STEPS - 1)
_BYTE_OF_LINEAR = np.where(_LIGHT <= 0.0031308, 12.92 * _LIGHT, 1.055 * _LIGHT ** (1 / 2.4) - 0.055)
_BYTE_OF_LINEAR_S = np.rint(255 * _BYTE_OF_LINEAR).astype(np.uint8)


def lab_of(image_HW3: np.ndarray) -> np.ndarray:
    """Return L*a*b* (H,W,3) float32 of uint8 RGB: L* in [0,100], a* and b* within [-128,127]."""
    xyz_HW3 = _LINEAR_256[image_HW3] @ _TO_XYZ_33
    root_HW3 = np.where(xyz_HW3 > _KNEE**3, np.cbrt(xyz_HW3), xyz_HW3 / (3 * _KNEE**2) + 4 / 29)
    x_HW, y_HW, z_HW = np.moveaxis(root_HW3, -1, 0)
    return np.stack([116 * y_HW - 16, 500 * (x_HW - y_HW), 200 * (y_HW - z_HW)], axis=-1).astype(np.float32)


def rgb_of(lab_HW3: np.ndarray) -> np.ndarray:
    """Return RGB (H,W,3) uint8; colours outside sRGB are clipped, channel by channel."""
    lightness_HW, a_HW, b_HW = np.moveaxis(lab_HW3, -1, 0)
    y_HW = (lightness_HW + 16) / 116
    root_HW3 = np.stack([y_HW + a_HW / 500, y_HW, y_HW - b_HW / 200], axis=-1)
    xyz_HW3 = np.where(root_HW3 > _KNEE, root_HW3**3, 3 * _KNEE**2 * (root_HW3 - 4 / 29))
    linear_HW3 = np.clip(xyz_HW3 @ _TO_RGB_33, 0.0, 1.0)
    byte_HW3: np.ndarray = _BYTE_OF_LINEAR_S[np.rint(linear_HW3 * (_STEPS - 1)).astype(np.intp)]
    return byte_HW3
