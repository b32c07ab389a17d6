"""Streets: a generated pair of domains for trying domain adaptation without a download.

The source looks like a game: flat saturated colours, crisp edges, a blue sky. The target looks like a car's camera:
muted colours, textures, haze, soft shadows, blur, noise and compression, with dusk or rain in about a fifth of the
images, and it sees longer, fuller streets from lower down. Both draw the 19 Cityscapes classes with the same geometry.
"""

from __future__ import annotations

import numpy as np

from pipeline.datasets.streets.camera import draw_weather, photograph, target_light
from pipeline.datasets.streets.rasterise import rasterise
from pipeline.datasets.streets.scene import compose
from pipeline.datasets.streets.shading import paint, source_light

DOMAINS = ("source", "target")

SMALLEST_HEIGHT, SMALLEST_WIDTH = 32, 64


def draw(domain: str, seed: int, index: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (image_HW3 uint8 RGB, label_HW uint8 train ids, 255 = ignored). Pure function of its arguments.

    One seed and index give the same scene at every size of the same proportions.

    Raises:
        ValueError: the domain is another one, or the size is below 32 × 64.
    """
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is unknown; choose one of {', '.join(DOMAINS)}")
    if height < SMALLEST_HEIGHT or width < SMALLEST_WIDTH:
        raise ValueError(f"size {height} × {width} is too small; draw at least {SMALLEST_HEIGHT} × {SMALLEST_WIDTH}")
    sequence = np.random.SeedSequence([seed, index, DOMAINS.index(domain)])
    # Apart from each other, so that the number of pixels, on which the noise depends, does not touch the scene.
    layout_rng, light_rng, pixel_rng = (np.random.default_rng(child) for child in sequence.spawn(3))
    scene = compose(domain, layout_rng, width / height)
    raster = rasterise(scene, height, width)
    if domain == "source":
        image_HW3 = paint(raster, scene, source_light(light_rng), pixel_rng)
        return (image_HW3 * 255.0).astype(np.uint8), raster.label_HW.copy()
    weather = draw_weather(light_rng)
    painted_HW3 = paint(raster, scene, target_light(light_rng, weather), pixel_rng)
    return photograph(painted_HW3, raster, weather, pixel_rng), raster.label_HW.copy()
