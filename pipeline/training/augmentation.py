"""Random changes of an image together with its label."""

# H/W pixels

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE
from pipeline.training.photometric import Photometric


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
        if self.flip and generator.random() < 0.5:
            image_HW3, label_HW = image_HW3[:, ::-1], label_HW[:, ::-1]
        if self.scale != (1.0, 1.0):
            image_HW3, label_HW = _zoom(image_HW3, label_HW, self.scale, generator)
        if self.colour > 0:
            image_HW3 = _change_colour(image_HW3, self.colour, generator)
        if self.photometric is not None:
            image_HW3 = self.photometric.draw(generator).of_array(image_HW3)
        return np.ascontiguousarray(image_HW3), np.ascontiguousarray(label_HW)


def _zoom(
    image_HW3: np.ndarray, label_HW: np.ndarray, limits: tuple[float, float], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a window of 1/zoom of the image at the image's size; below 1 its border is black, and ignored."""
    height, width = label_HW.shape
    zoom = float(np.exp(generator.uniform(*np.log(limits))))
    window_height, window_width = height / zoom, width / zoom
    top = generator.uniform(*sorted((0.0, height - window_height)))
    left = generator.uniform(*sorted((0.0, width - window_width)))
    # PIL's affine map: output pixel -> input pixel; pixels outside take the fill colour
    matrix = (1 / zoom, 0.0, left, 0.0, 1 / zoom, top)
    image = Image.fromarray(np.ascontiguousarray(image_HW3))
    label = Image.fromarray(np.ascontiguousarray(label_HW))
    zoomed_image = image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    zoomed_label = label.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=IGNORE
    )
    return np.asarray(zoomed_image), np.asarray(zoomed_label)


def _change_colour(image_HW3: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and white balance by one affine map of the bytes of each channel."""
    contrast = 1 + generator.uniform(-strength, strength)
    gain_3 = contrast * (1 + generator.uniform(-strength, strength, 3) / 2)
    offset = generator.uniform(-strength, strength) * 128
    bytes_256 = np.arange(256)[:, None]
    table_256x3 = np.clip((bytes_256 - 128) * gain_3 + 128 + offset, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(image_HW3))
    return np.asarray(picture.point(table_256x3.T.ravel().tolist()))  # ten times as fast as indexing a table
