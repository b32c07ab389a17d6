"""The target's weather and camera: from a bright hazy day to rain and dusk, then blur, noise and JPEG compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipeline.datasets.streets.geometry import Floats, Material
from pipeline.datasets.streets.rasterise import Raster
from pipeline.datasets.streets.shading import LEVEL, Light, lamps

REFERENCE_HEIGHT = 128.0  # the image height at which blur radii and streak lengths are given in pixels
DUSK_SHARE, RAIN_SHARE = 0.11, 0.10  # of the target's images; the two never coincide


@dataclass(frozen=True)
class Weather:
    """The conditions of one target picture.

    `difficulty` in 0 … 1 drives haze, blur, noise and compression together, so that the target ranges without a break
    from pictures not far from the source's to hard ones. `dusk` and `rain` are 0 or a strength up to 1.
    """

    difficulty: float
    dusk: float
    rain: float
    blur: float  # pixels at REFERENCE_HEIGHT
    noise: float  # standard deviation of a mid grey, in 0 … 1
    quality: int  # of the JPEG
    vignette: float
    cast: tuple[float, float, float]
    gamma: float
    saturation: float


def draw_weather(rng: np.random.Generator) -> Weather:
    """The conditions of a target picture."""
    difficulty, lot = float(rng.beta(1.5, 2.0)), float(rng.random())
    warmth, green = float(rng.normal(0.0, 0.05)), float(rng.normal(0.0, 0.02))
    return Weather(
        difficulty=difficulty,
        dusk=float(rng.uniform(0.35, 1.0)) if lot < DUSK_SHARE else 0.0,
        rain=float(rng.uniform(0.35, 1.0)) if lot > 1 - RAIN_SHARE else 0.0,
        blur=0.25 + 0.6 * difficulty * float(rng.random()),
        noise=0.012 + 0.035 * difficulty * float(rng.random()),
        quality=int(92 - 50 * difficulty * float(rng.random())),
        vignette=float(rng.uniform(0.1, 0.4)),
        cast=(1.0 + warmth, 1.0 + green, 1.0 - warmth),
        gamma=float(rng.uniform(0.78, 1.12)),
        saturation=float(rng.uniform(0.75, 1.1)),
    )


def target_light(rng: np.random.Generator, weather: Weather) -> Light:
    """The light of a target picture: a low or veiled sun, grey or pale skies, haze."""
    sun = (float(rng.uniform(-1.8, 1.8)), 1.0, float(rng.uniform(-1.2, 1.0)))
    overcast = max(float(rng.random()) * (0.5 + 0.5 * weather.difficulty), weather.rain, weather.dusk)
    grey = float(rng.uniform(0.72, 0.9))
    pale = np.array((0.42, 0.62, 0.88)) * (1 - overcast) + np.array((grey, grey * 1.01, grey * 1.03)) * overcast
    if weather.dusk:
        pale = np.array((0.34, 0.38, 0.52)) * (1.25 - 0.4 * weather.dusk)
    skyline = np.array((0.80, 0.64, 0.56)) if weather.dusk else np.minimum(pale * 1.1 + 0.05, 0.97)
    if weather.rain:
        pale, skyline = pale * 0.72, skyline * 0.78
    haze = 0.0015 + 0.011 * weather.difficulty**1.5 + 0.006 * weather.rain
    haze_colour = skyline * 0.92
    return Light(
        sun, 0.62 + 0.2 * overcast, 0.5 * (1 - 0.75 * overcast), 0.06 + 0.5 * (1 - overcast), 0.008 + 0.02 * overcast,
        0.4 + 0.55 * weather.difficulty, 0.4 + 0.35 * float(rng.random()) + 0.35 * weather.difficulty, haze,
        (float(haze_colour[0]), float(haze_colour[1]), float(haze_colour[2])),
        (float(pale[0]), float(pale[1]), float(pale[2])),
        (float(skyline[0]), float(skyline[1]), float(skyline[2])), 0.3 + 0.6 * overcast,
    )  # fmt: skip


def photograph(image_HW3: Floats, raster: Raster, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of the painted scene in this weather, uint8[H, W, 3]."""
    if weather.rain:
        image_HW3 = _wet_ground(image_HW3, raster, weather.rain)
    if weather.dusk:
        image_HW3 = _dusk(image_HW3, raster, weather.dusk)
    image_HW3 = _grade(image_HW3, raster, weather)
    picture = Image.fromarray((np.clip(image_HW3, 0.0, 1.0) * 255.0).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(weather.blur * raster.height / REFERENCE_HEIGHT))
    image_HW3 = np.asarray(picture, dtype=np.float32) / 255.0
    if weather.rain:
        image_HW3 = _streaks(image_HW3, weather.rain, rng)
    return _sensor(image_HW3, weather, rng)


def _wet_ground(image_HW3: Floats, raster: Raster, rain: float) -> Floats:
    """Level ground darkens and mirrors, about the horizon and smeared up and down, what stands beyond it."""
    height = raster.height
    mirror_H = np.clip((2 * raster.camera.horizon * height - np.arange(height)).astype(np.int64), 0, height - 1)
    smeared = Image.fromarray((image_HW3 * 255).astype(np.uint8)).resize((raster.width, max(4, height // 12)))
    smeared = smeared.resize((raster.width, height), Image.Resampling.BILINEAR)
    mirrored_HW3 = (np.asarray(smeared, dtype=np.float32) / 255.0)[mirror_H]
    level_HW = np.isin(raster.material_P, LEVEL)[raster.seen_HW]
    grass_HW = (raster.material_P == Material.GRASS)[raster.seen_HW]
    # Water mirrors more at a glancing angle, which is nearer the horizon.
    glance_H1 = 1.0 - np.clip((raster.row_H1 - raster.camera.horizon) / 0.6, 0.0, 1.0)
    share_HW = (level_HW & ~grass_HW) * (0.2 + 0.45 * glance_H1) * rain
    wet_HW3 = image_HW3 * (1.0 - 0.35 * rain * level_HW)[..., None]
    return np.asarray(wet_HW3 + (mirrored_HW3 - wet_HW3) * share_HW[..., None], dtype=np.float32)


def _dusk(image_HW3: Floats, raster: Raster, dusk: float) -> Floats:
    """Less light and a bluer one; lamps and lit windows shine and glow."""
    sky_HW = raster.seen_HW == 0
    dark_3 = 1.0 - dusk * np.array((0.60, 0.56, 0.44), dtype=np.float32)
    dim_HW3 = np.where(sky_HW[..., None], image_HW3 * (1 - 0.3 * dusk), image_HW3 * dark_3)
    shine_HW = lamps(raster)
    warm_3 = np.array((1.0, 0.80, 0.50), dtype=np.float32)
    light_HW3 = shine_HW[..., None] * (0.55 * image_HW3 + 0.45 * warm_3)
    halo = Image.fromarray((np.clip(light_HW3, 0, 1) * 255).astype(np.uint8))
    halo = halo.filter(ImageFilter.GaussianBlur(0.03 * raster.height))
    halo_HW3 = np.asarray(halo, dtype=np.float32) / 255.0
    dim_HW3 += (light_HW3 - dim_HW3) * (shine_HW * min(1.0, 0.4 + dusk))[..., None]
    return np.asarray(dim_HW3 + 0.8 * dusk * halo_HW3, dtype=np.float32)


def _grade(image_HW3: Floats, raster: Raster, weather: Weather) -> Floats:
    """Saturation, gamma, colour cast and the darker corners of a real lens."""
    grey_HW1 = image_HW3.mean(axis=2, keepdims=True)
    graded_HW3 = np.clip(grey_HW1 + (image_HW3 - grey_HW1) * weather.saturation, 0.0, 1.0) ** weather.gamma
    centre = raster.width / raster.height / 2
    distance_HW = ((raster.column_1W - centre) / centre) ** 2 + ((raster.row_H1 - 0.5) / 0.5) ** 2
    falloff_HW1 = (1.0 - weather.vignette * 0.5 * distance_HW)[..., None]
    return np.asarray(graded_HW3 * falloff_HW1 * np.array(weather.cast, np.float32), dtype=np.float32)


def _streaks(image_HW3: Floats, rain: float, rng: np.random.Generator) -> Floats:
    """Falling drops as thin slanted lines, brighter than what lies behind them."""
    height, width = image_HW3.shape[:2]
    layer = Image.new("L", (width, height))
    draw = ImageDraw.Draw(layer)
    slant, count = float(rng.uniform(-0.25, 0.25)), int(60 + 160 * rain)
    starts_N2 = rng.random((count, 2)) * (width, height)
    lengths_N = rng.uniform(3.0, 13.0, count) * height / REFERENCE_HEIGHT
    for (x, y), length in zip(starts_N2.tolist(), lengths_N.tolist(), strict=True):
        draw.line((x, y, x + slant * length, y + length), fill=int(70 + 80 * rain))
    layer_HW1 = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.5)), dtype=np.float32)[..., None] / 255.0
    return np.asarray(image_HW3 + (0.85 - image_HW3) * layer_HW1 * 0.8, dtype=np.float32)


def _sensor(image_HW3: Floats, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Sensor noise, stronger in the dark of dusk, and one round of JPEG compression."""
    strength = weather.noise * (1.0 + 0.9 * weather.dusk)
    grain_HW3 = rng.standard_normal(image_HW3.shape, dtype=np.float32)
    # Photon noise grows with the root of the light; a floor stands for the electronics.
    noisy_HW3 = image_HW3 + grain_HW3 * strength * (0.5 + np.sqrt(np.clip(image_HW3, 0.0, 1.0)))
    picture = Image.fromarray((np.clip(noisy_HW3, 0.0, 1.0) * 255.0).astype(np.uint8))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=weather.quality)
    return np.array(Image.open(buffer).convert("RGB"), dtype=np.uint8)
