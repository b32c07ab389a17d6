"""Cracks in a surface under two cameras: a generated pair of domains with two classes, for data that are no streets.

The source is a laboratory's: clean grey concrete, even light, sharp pictures, dark cracks. The target is a survey's:
asphalt with stones, shadows, oil stains, saw-cut joints and paint, pale and dark cracks, blur, noise and compression. A
joint and a shadow's edge are background, and look like cracks to a network that has seen concrete only.
"""

# H/W pixels, 3 red, green, blue; pictures are float32 in 0 … 1 until they are bytes

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

DOMAINS = ("source", "target")
BACKGROUND, CRACK = 0, 1
_FINER = 4  # cracks are drawn so much larger and averaged: a pixel is a crack's where at least half of it is
_REFERENCE = 128.0  # the height at which widths, blur and grain are given in pixels


class _Crack(NamedTuple):
    """A polyline (x, y) in pixels, with a width at each of its points."""

    points: list[tuple[float, float]]
    widths: list[float]


def draw(domain: str, seed: int, index: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (image_HW3 uint8 RGB, label_HW uint8: 0 background, 1 crack). Pure function of its arguments.

    Raises:
        ValueError: the domain is another one.
    """
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is unknown; choose one of {', '.join(DOMAINS)}")
    sequence = np.random.SeedSequence([seed, index, DOMAINS.index(domain), 7])
    crack_rng, surface_rng, camera_rng = (np.random.default_rng(child) for child in sequence.spawn(3))
    share_HW = _share_of_cracks(_cracks(crack_rng, height, width), height, width)
    label_HW = np.where(share_HW >= 0.5, CRACK, BACKGROUND).astype(np.uint8)
    if domain == "source":
        return _bytes(_cracked(_concrete(surface_rng, height, width), share_HW, 0.72)), label_HW
    surface_HW3 = _stained(surface_rng, _asphalt(surface_rng, height, width))
    depth = float(surface_rng.uniform(0.45, 0.75))
    lit_HW3 = _lit(surface_rng, _cracked(surface_HW3, share_HW, depth))
    return _photographed(camera_rng, lit_HW3), label_HW


def _cracks(rng: np.random.Generator, height: int, width: int) -> list[_Crack]:
    """One to three cracks that begin at an edge, each perhaps with branches; an eighth of the pictures have none."""
    if rng.random() < 0.125:
        return []
    scale, cracks = height / _REFERENCE, list[_Crack]()
    for _ in range(int(rng.integers(1, 4))):
        across = rng.random() < 0.5
        start = (0.0, rng.uniform(0, height)) if across else (rng.uniform(0, width), 0.0)
        heading = rng.normal(0.0 if across else np.pi / 2, 0.45)
        main = _walk(rng, start, heading, rng.uniform(0.5, 1.3) * max(height, width), scale * rng.uniform(2.0, 5.0))
        cracks.append(main)
        for _ in range(int(rng.integers(0, 3))):
            at = int(rng.integers(len(main.points) // 4, len(main.points)))
            aside = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
            length = rng.uniform(0.15, 0.5) * height
            cracks.append(_walk(rng, main.points[at], aside, length, 0.75 * main.widths[at]))
    return cracks


def _walk(rng: np.random.Generator, start: tuple[float, float], heading: float, length: float, wide: float) -> _Crack:
    """A path that turns a little at every step and comes back to its heading, ever narrower towards its end."""
    step = max(2.0, length / 40)
    count = max(3, int(length / step))
    points, turn = [start], 0.0
    for _ in range(count - 1):
        turn = 0.75 * turn + rng.normal(0.0, 0.32)
        x, y = points[-1]
        points.append((x + step * np.cos(heading + turn), y + step * np.sin(heading + turn)))
    taper = np.linspace(1.0, 0.45, count) * rng.uniform(0.75, 1.25, count)
    return _Crack(points, [float(value) for value in np.maximum(1.2, wide * taper)])


def _share_of_cracks(cracks: list[_Crack], height: int, width: int) -> np.ndarray:
    """The share of each pixel (H,W) that cracks cover."""
    mask = Image.new("L", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(mask)
    for crack in cracks:
        fine = [(x * _FINER, y * _FINER) for x, y in crack.points]
        for (x, y), end, wide in zip(fine, fine[1:], crack.widths, strict=False):
            radius = wide * _FINER / 2
            pen.line([(x, y), end], fill=255, width=round(2 * radius))
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def _noise(rng: np.random.Generator, height: int, width: int, grain: float) -> np.ndarray:
    """Smooth noise (H,W) of mean 0 and deviation 1, whose spots are ``grain`` pixels of a picture of 128 rows wide."""
    rows = max(2, round(_REFERENCE / grain))
    coarse = rng.normal(size=(rows, max(2, round(rows * width / height)))).astype(np.float32)
    fine_HW = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise_HW: np.ndarray = (fine_HW - fine_HW.mean()) / max(float(fine_HW.std()), 1e-6)
    return noise_HW


def _concrete(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    grey_HW = 0.70 + 0.05 * rng.normal() + 0.02 * _noise(rng, height, width, 40) + 0.012 * _noise(rng, height, width, 2)
    pores_HW = _noise(rng, height, width, 3) > 3.0
    surface_HW3: np.ndarray = (
        np.stack([grey_HW, grey_HW, 0.98 * grey_HW], axis=-1) * np.where(pores_HW, 0.75, 1.0)[..., None]
    )
    return surface_HW3


def _asphalt(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    stones_HW = 0.6 * _noise(rng, height, width, 2) + 0.6 * _noise(rng, height, width, 4)
    grey_HW = rng.uniform(0.34, 0.52) + 0.065 * stones_HW + 0.03 * _noise(rng, height, width, 50)
    tint = np.array([1.0 + rng.normal(0, 0.035), 1.0, 1.0 + rng.normal(0, 0.04)])
    surface_HW3: np.ndarray = grey_HW[..., None] * tint
    return surface_HW3


def _cracked(surface_HW3: np.ndarray, share_HW: np.ndarray, depth: float) -> np.ndarray:
    """The surface with cracks that let only ``1 - depth`` of the light out, and one bright rim."""
    rim_HW = np.clip(np.roll(share_HW, (-1, -1), (0, 1)) - share_HW, 0.0, 1.0)
    cracked_HW3: np.ndarray = surface_HW3 * (1.0 - depth * share_HW + 0.12 * rim_HW)[..., None]
    return cracked_HW3


def _stained(rng: np.random.Generator, surface_HW3: np.ndarray) -> np.ndarray:
    """Oil stains, and in half of the pictures a saw-cut joint or a stripe of paint: straight, and no cracks."""
    height, width, _ = surface_HW3.shape
    spots_HW = np.clip(_noise(rng, height, width, 28) - rng.uniform(0.9, 1.8), 0.0, 1.0)
    stained_HW3: np.ndarray = surface_HW3 * (1.0 - 0.45 * spots_HW)[..., None]
    if rng.random() < 0.5:
        return stained_HW3
    painted = rng.random() < 0.5
    wide = height / _REFERENCE * (rng.uniform(8, 16) if painted else rng.uniform(2, 4))
    distance_HW = _distance_to_a_line(rng, height, width)
    band_HW = np.clip(wide / 2 - np.abs(distance_HW) + 0.5, 0.0, 1.0)[..., None]
    worn_HW = np.clip(0.8 + 0.2 * _noise(rng, height, width, 5), 0.0, 1.0)[..., None]
    marked_HW3: np.ndarray = stained_HW3 + band_HW * worn_HW * (0.85 - stained_HW3 if painted else -0.5 * stained_HW3)
    return marked_HW3


def _distance_to_a_line(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle, (y_HW, x_HW) = rng.uniform(0, np.pi), np.mgrid[:height, :width].astype(np.float32)
    y0, x0 = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
    distance_HW: np.ndarray = (x_HW - x0) * np.sin(angle) - (y_HW - y0) * np.cos(angle)
    return distance_HW


def _lit(rng: np.random.Generator, surface_HW3: np.ndarray) -> np.ndarray:
    """Light that falls off to one side, and in two of three pictures the shadow of something with a soft edge."""
    height, width, _ = surface_HW3.shape
    light_HW = 1.0 + rng.uniform(0.05, 0.3) * _distance_to_a_line(rng, height, width) / max(height, width)
    if rng.random() < 0.67:
        edge_HW = _distance_to_a_line(rng, height, width) + 4 * _noise(rng, height, width, 30)
        light_HW *= 1.0 - rng.uniform(0.25, 0.5) / (1.0 + np.exp(-edge_HW / rng.uniform(0.8, 3.0)))
    lit_HW3: np.ndarray = surface_HW3 * light_HW[..., None]
    return lit_HW3


def _photographed(rng: np.random.Generator, picture_HW3: np.ndarray) -> np.ndarray:
    """Blur, noise and JPEG compression of a camera that moves, and its exposure."""
    height = picture_HW3.shape[0]
    exposed_HW3 = np.clip(picture_HW3 * rng.uniform(0.85, 1.3), 0.0, 1.0) ** rng.uniform(0.85, 1.15)
    blurred = Image.fromarray(_bytes(exposed_HW3)).filter(
        ImageFilter.GaussianBlur(height / _REFERENCE * rng.uniform(0.3, 0.9))
    )
    noise_HW3 = rng.normal(0.0, rng.uniform(0.01, 0.035), picture_HW3.shape)
    file = io.BytesIO()
    noisy_HW3 = np.asarray(blurred, np.float32) / 255 + noise_HW3
    Image.fromarray(_bytes(noisy_HW3)).save(file, "JPEG", quality=int(rng.integers(55, 92)))
    pixels_HW3: np.ndarray = np.array(Image.open(file))
    return pixels_HW3


def _bytes(picture_HW3: np.ndarray) -> np.ndarray:
    bytes_HW3: np.ndarray = (np.clip(picture_HW3, 0.0, 1.0) * 255).round().astype(np.uint8)
    return bytes_HW3
