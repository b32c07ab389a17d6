"""Random changes of an image together with its label."""

# H/W pixels

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE
from pipeline.training.photometric import Photometric


class Geometry(NamedTuple):
    """Where the pixels of a changed image come from."""

    mirrored: bool
    matrix: tuple[float, ...] | None
    """PIL's affine map: output pixel -> input pixel, after the flip; pixels outside take the fill colour."""

    def of_image(self, image_HW3: np.ndarray) -> np.ndarray:
        """Return the changed image (H,W,3); below a zoom of 1 its border is black."""
        return self._moved(image_HW3, Image.Resampling.BILINEAR, 0)

    def of_label(self, label_HW: np.ndarray) -> np.ndarray:
        """Return the changed label (H,W); below a zoom of 1 its border is ignored."""
        return self._moved(label_HW, Image.Resampling.NEAREST, IGNORE)

    def _moved(self, pixel_HW: np.ndarray, resampling: Image.Resampling, fill: int) -> np.ndarray:
        if self.mirrored:
            pixel_HW = pixel_HW[:, ::-1]
        if self.matrix is None:
            return pixel_HW
        picture = Image.fromarray(np.ascontiguousarray(pixel_HW))
        colour = fill if pixel_HW.ndim == 2 else (fill,) * 3
        moved = picture.transform(picture.size, Image.Transform.AFFINE, self.matrix, resampling, fillcolor=colour)
        return np.asarray(moved)


class Augment(NamedTuple):
    """Flip, zoom, colour and photometric change, in the order in which they are applied."""

    flip: bool
    scale: tuple[float, float]
    colour: float
    photometric: Photometric | None = None

    def __call__(
        self, image_HW3: np.ndarray, label_HW: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the changed image (H,W,3) and label (H,W), of the same size."""
        geometry = self._geometry(label_HW.shape, generator)
        image_HW3, label_HW = geometry.of_image(image_HW3), geometry.of_label(label_HW)
        if self.colour > 0:
            image_HW3 = _change_colour(image_HW3, self.colour, generator)
        if self.photometric is not None:
            image_HW3 = self.photometric.draw(generator).of_array(image_HW3)
        return np.ascontiguousarray(image_HW3), np.ascontiguousarray(label_HW)

    def label(self, label_HW: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return the label (H,W) that a call with a generator in the same state returns."""
        return self._geometry(label_HW.shape, generator).of_label(label_HW)

    def _geometry(self, size: tuple[int, ...], generator: np.random.Generator) -> Geometry:
        mirrored = self.flip and generator.random() < 0.5
        return Geometry(mirrored, None if self.scale == (1.0, 1.0) else _zoom(size, self.scale, generator))


def _zoom(size: tuple[int, ...], limits: tuple[float, float], generator: np.random.Generator) -> tuple[float, ...]:
    """Return the affine map of a window of 1/zoom of the image at the image's size."""
    height, width = size
    zoom = float(np.exp(generator.uniform(*np.log(limits))))
    top, left = (_between(0.0, side - side / zoom, generator) for side in (height, width))
    return (1 / zoom, 0.0, left, 0.0, 1 / zoom, top)


def _between(one: float, other: float, generator: np.random.Generator) -> float:
    return generator.uniform(min(one, other), max(one, other))


def _change_colour(image_HW3: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and white balance by one affine map of the bytes of each channel."""
    contrast = 1 + generator.uniform(-strength, strength)
    gain_3 = contrast * (1 + generator.uniform(-strength, strength, 3) / 2)
    offset = generator.uniform(-strength, strength) * 128
    bytes_256 = np.arange(256)[:, None]
    table_256x3 = np.clip((bytes_256 - 128) * gain_3 + 128 + offset, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(image_HW3))
    return np.asarray(picture.point(table_256x3.T.ravel().tolist()))  # ten times as fast as indexing a table
