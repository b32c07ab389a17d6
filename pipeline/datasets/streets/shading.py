"""Paints a raster: the clean game-like look of the source, and the light and textures of the target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipeline.datasets.streets.geometry import Camera, Floats, Material, Scene, Thing
from pipeline.datasets.streets.palette import SHADES, SOURCE_PALETTE, TARGET_PALETTE
from pipeline.datasets.streets.rasterise import OVERSAMPLING, SKY_PART, Raster

LEVEL = (
    Material.ASPHALT, Material.PATCH, Material.PAINT, Material.KERB, Material.PAVING, Material.GRASS, Material.RAIL,
)  # fmt: skip
TILE = 256  # texels on a side of the noise that textures are cut from
TALLEST_CONTACT = 5.0  # metres; buildings are too tall for the dark seam under vehicles and people
SHADOW_DEPTH = 70.0  # metres; beyond this shadows are too thin to be seen


@dataclass(frozen=True)
class Light:
    """How a picture is lit. Colours are RGB in 0 … 1; `mix` goes from the source's palette (0) to the target's (1)."""

    sun: tuple[float, float, float]  # points to the sun; its height is 1
    ambient: float
    direct: float
    shadow: float  # share of light that shadows take away
    softness: float  # image heights over which a shadow's edge fades
    mix: float
    texture: float  # 0: flat surfaces
    haze: float  # per metre
    haze_colour: tuple[float, float, float]
    zenith: tuple[float, float, float]
    skyline: tuple[float, float, float]
    cloud: float


@dataclass(frozen=True)
class Texture:
    """How a material departs from its flat colour: strength of fine and coarse noise, and texels per metre."""

    fine: float
    coarse: float
    grain: float


PLAIN = Texture(0.05, 0.04, 6.0)
TEXTURES = {
    Material.ASPHALT: Texture(0.22, 0.14, 9.0),
    Material.PATCH: Texture(0.22, 0.15, 9.0),
    Material.PAINT: Texture(0.30, 0.25, 8.0),
    Material.PAVING: Texture(0.28, 0.15, 5.0),
    Material.KERB: Texture(0.2, 0.2, 6.0),
    Material.GRASS: Texture(0.50, 0.35, 7.0),
    Material.FACADE: Texture(0.22, 0.16, 4.0),
    Material.TRIM: Texture(0.15, 0.2, 4.0),
    Material.ROOF: Texture(0.35, 0.15, 5.0),
    Material.MASONRY: Texture(0.42, 0.2, 5.0),
    Material.WINDOW: Texture(0.30, 0.5, 1.5),
    Material.GLASS: Texture(0.25, 0.5, 2.0),
    Material.CAR_PAINT: Texture(0.06, 0.15, 3.0),
    Material.LEAF: Texture(0.75, 0.3, 9.0),
    Material.BARK: Texture(0.4, 0.2, 9.0),
    Material.SHIRT: Texture(0.15, 0.2, 12.0),
    Material.TROUSERS: Texture(0.15, 0.2, 12.0),
    Material.DISTANT: Texture(0.3, 0.3, 0.5),
}


def source_light(rng: np.random.Generator) -> Light:
    """Noon in a game: a bright blue sky, hard light and nearly clear air."""
    sun = (float(rng.uniform(-0.9, 0.9)), 1.0, float(rng.uniform(-0.6, 0.3)))
    depth = float(rng.uniform(-0.06, 0.06))
    return Light(
        sun, 0.68, 0.42, float(rng.uniform(0.25, 0.42)), 0.003, 0.0, 0.0, 0.0008, (0.75, 0.86, 0.98),
        (0.16 + depth, 0.45 + depth, 0.90), (0.62, 0.82, 0.98), float(rng.uniform(0.0, 0.6)),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- surfaces


def paint(raster: Raster, scene: Scene, light: Light, rng: np.random.Generator) -> Floats:
    """The lit scene before any lens, float32[H, W, 3] in 0 … 1."""
    flat_P3 = _flat_colours(raster, light)
    fine_HW3 = flat_P3[raster.index_HW]
    image_HW3 = _reduce(fine_HW3)
    if light.texture > 0:
        image_HW3 *= _texture(raster, light, rng)[..., None]
    image_HW3 *= _shadows(raster, scene, light)[..., None]
    haze_HW1 = np.exp(-light.haze * raster.depth_HW)[..., None]
    image_HW3 = image_HW3 * haze_HW1 + np.array(light.haze_colour, np.float32) * (1 - haze_HW1)
    sky_HW1 = _reduce((raster.index_HW == SKY_PART).astype(np.float32)[..., None])
    image_HW3 += sky_HW1 * (_sky(raster, light, rng) - image_HW3)
    return np.asarray(np.clip(image_HW3, 0.0, 1.0), dtype=np.float32)


def _reduce(fine_HWC: Floats) -> Floats:
    """Averages the oversampled picture to its size."""
    step = OVERSAMPLING
    total_HWC = fine_HWC[::step, ::step].copy()
    for row in range(step):
        for column in range(step):
            if row or column:
                total_HWC += fine_HWC[row::step, column::step]
    return np.asarray(total_HWC / step**2, dtype=np.float32)


def _flat_colours(raster: Raster, light: Light) -> Floats:
    """The colour of each polygon under the light, float32[P, 3]."""
    shade_P = np.clip(raster.tint_P * SHADES, 0, SHADES - 1).astype(np.int64)
    source_P3, target_P3 = SOURCE_PALETTE[raster.material_P, shade_P], TARGET_PALETTE[raster.material_P, shade_P]
    colour_P3 = source_P3 + (target_P3 - source_P3) * light.mix
    # Things of one colour differ a little in lightness; the tint's later digits serve as its own random number.
    variation_P = 1.0 + 0.14 * ((raster.tint_P * 37.0) % 1.0 - 0.5)
    sun_3 = np.array(light.sun, dtype=np.float32) / np.linalg.norm(light.sun)
    lit_P = light.ambient + light.direct * np.clip(raster.normal_P3 @ sun_3, 0.0, 1.0)
    return np.asarray(colour_P3 * (variation_P * lit_P)[:, None], dtype=np.float32)


@lru_cache(maxsize=1)
def noise_tile() -> Floats:
    """Smooth noise that repeats at its edges, float32[TILE, TILE], mean 0 and deviation near 1.

    The tile is the same for all pictures, each of which reads it from another offset.
    """
    rng = np.random.default_rng(0)
    total_TT = np.zeros((TILE, TILE), dtype=np.float32)
    for cells, weight in ((16, 0.6), (32, 0.7), (64, 0.8), (128, 0.8), (256, 0.7)):
        grain_CC = rng.standard_normal((cells, cells)).astype(np.float32)
        padded_CC = np.pad(grain_CC, 2, mode="wrap")
        scale = TILE // cells
        smooth_TT = np.asarray(Image.fromarray(padded_CC).resize((TILE + 4 * scale,) * 2, Image.Resampling.BICUBIC))
        total_TT += weight * smooth_TT[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return np.asarray((total_TT - total_TT.mean()) / total_TT.std(), dtype=np.float32)


def read_noise(first_HW: Floats, second_HW: Floats) -> Floats:
    """The noise at texel coordinates, which may lie anywhere, blended between neighbouring texels."""
    first_HW, second_HW = np.broadcast_arrays(first_HW, second_HW)
    left_HW, top_HW = np.floor(first_HW), np.floor(second_HW)
    right_share_HW, low_share_HW = first_HW - left_HW, second_HW - top_HW
    column_HW, row_HW = left_HW.astype(np.int32), top_HW.astype(np.int32)
    tile_T, last = noise_tile().ravel(), TILE - 1

    def line(row_HW: NDArray[np.int32]) -> Floats:
        start_HW = (row_HW & last) * TILE
        left_value_HW, right_value_HW = tile_T[start_HW + (column_HW & last)], tile_T[start_HW + (column_HW + 1 & last)]
        return np.asarray(left_value_HW + (right_value_HW - left_value_HW) * right_share_HW)

    upper_HW = line(row_HW)
    return np.asarray(upper_HW + (line(row_HW + 1) - upper_HW) * low_share_HW, dtype=np.float32)


def _texture(raster: Raster, light: Light, rng: np.random.Generator) -> Floats:
    """Factors by which textures change the flat colours, float32[H, W]."""
    table_M3 = np.array([(t.fine, t.coarse, t.grain) for t in (TEXTURES.get(m, PLAIN) for m in Material)], np.float32)
    table_P3 = table_M3[raster.material_P]
    table_HW3 = table_P3[raster.seen_HW]
    camera, depth_HW = raster.camera, raster.depth_HW
    across_HW = (raster.column_1W - camera.centre) / camera.focal * depth_HW
    up_HW = camera.height - (raster.row_H1 - camera.horizon) / camera.focal * depth_HW
    level_HW = np.isin(raster.material_P, LEVEL)[raster.seen_HW]
    # Upright surfaces run along the street or across it: the sum of both directions is a coordinate on either.
    first_HW = np.where(level_HW, across_HW, across_HW + depth_HW)
    second_HW = np.where(level_HW, depth_HW, up_HW)
    start_2 = rng.uniform(0, TILE, 2)
    grain_HW = table_HW3[..., 2]
    fine_HW = read_noise(first_HW * grain_HW + start_2[0], second_HW * grain_HW + start_2[1])
    coarse_HW = read_noise(first_HW * grain_HW / 9 + start_2[1], second_HW * grain_HW / 9 + start_2[0])
    # Texels finer than a pixel average out: the noise fades with the number of texels that a pixel covers.
    stretch_HW = np.where(level_HW, depth_HW / camera.height, camera.focal)
    texels_HW = grain_HW * depth_HW * stretch_HW / (camera.focal * camera.focal * raster.height)
    fade_HW = 1.0 / np.maximum(1.0, texels_HW) ** 0.6
    change_HW = table_HW3[..., 0] * fade_HW * fine_HW + table_HW3[..., 1] * coarse_HW
    return np.asarray(np.clip(1.0 + 0.6 * light.texture * change_HW, 0.3, 1.9), dtype=np.float32)


def _sky(raster: Raster, light: Light, rng: np.random.Generator) -> Floats:
    """The sky over the whole picture: a gradient, and clouds on a level layer above."""
    rise_H1 = np.clip((raster.camera.horizon - raster.row_H1) / 0.45, 0.0, 1.0)
    zenith_3, skyline_3 = np.array(light.zenith, np.float32), np.array(light.skyline, np.float32)
    sky_H13 = (skyline_3 + (zenith_3 - skyline_3) * (rise_H1**0.7))[:, None, :].reshape(raster.height, 1, 3)
    start_2 = rng.uniform(0, TILE, 2)
    layer_H1 = 5.0 / (rise_H1 + 0.18)
    first_HW = (raster.column_1W - raster.camera.centre) * layer_H1 * 1.6 + start_2[0]
    noise_HW = read_noise(first_HW, layer_H1 * 2.5 + start_2[1])
    cover_HW = np.clip(noise_HW * 0.5 + light.cloud - 0.35, 0.0, 1.0) * light.cloud
    white_3 = np.minimum(skyline_3 * 1.12, 1.0)
    return np.asarray(sky_H13 + (white_3 - sky_H13) * cover_HW[..., None], dtype=np.float32)


# ----------------------------------------------------------------------------------------------------------- shadows


def _shadows(raster: Raster, scene: Scene, light: Light) -> Floats:
    """Factors by which shadows darken level ground, float32[H, W]."""
    mask_HW = _cast(raster, scene, light)
    level_HW = np.isin(raster.material_P, LEVEL)[raster.seen_HW]
    return np.asarray(1.0 - mask_HW * level_HW, dtype=np.float32)


def _cast(raster: Raster, scene: Scene, light: Light) -> Floats:
    """Light lost on the ground to what stands between it and the sun, and to what stands right over it."""
    size = (raster.width, raster.height)
    cast, contact = Image.new("L", size), Image.new("L", size)
    draw_cast, draw_contact = ImageDraw.Draw(cast), ImageDraw.Draw(contact)
    for thing in _casters(scene):
        lengths = (thing.lift, thing.height)
        outline = [(x - light.sun[0] * far, z - light.sun[2] * far) for far in lengths for x, z in thing.footprint]
        draw_cast.polygon(_on_ground(scene.camera, hull(outline), raster.height), fill=255)
        if thing.lift == 0 and thing.height < TALLEST_CONTACT:
            draw_contact.polygon(_on_ground(scene.camera, thing.footprint, raster.height), fill=255)
    soft = cast.filter(ImageFilter.GaussianBlur(light.softness * raster.height))
    near = contact.filter(ImageFilter.GaussianBlur(0.012 * raster.height))
    soft_HW, near_HW = (np.asarray(mask, dtype=np.float32) / 255.0 for mask in (soft, near))
    return np.asarray(np.maximum(soft_HW * light.shadow, near_HW * 0.45))


def _casters(scene: Scene) -> list[Thing]:
    """The things near enough for their shadows to be seen."""
    return [thing for thing in scene.things if thing.footprint and thing.depth < SHADOW_DEPTH]


def _on_ground(camera: Camera, corners: list[tuple[float, float]], height: int) -> list[float]:
    """Pixel coordinates of (x, z) corners on the road, flattened."""
    points_M3 = np.array([(x, 0.0, z) for x, z in corners], dtype=np.float32)
    flat: list[float] = (camera.project(camera.straighten(points_M3)) * height - 0.5).ravel().tolist()
    return flat


def hull(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The convex hull of points in the plane, in order around it."""
    ordered = sorted(set(corners))
    halves: list[list[tuple[float, float]]] = []
    for sweep in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for x, z in sweep:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, z)) <= 0:
                chain.pop()
            chain.append((x, z))
        halves.append(chain[:-1])
    return halves[0] + halves[1]


def _turn(first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]) -> float:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])


def lamps(raster: Raster) -> NDArray[np.float32]:
    """How strongly each pixel shines by itself at night, float32[H, W] in 0 … 1."""
    shining = (
        Material.LAMP, Material.HEAD_LAMP, Material.TAIL_LAMP, Material.LIGHT_RED, Material.LIGHT_AMBER,
        Material.LIGHT_GREEN,
    )  # fmt: skip
    glow_P = np.isin(raster.material_P, shining).astype(np.float32)
    # About a third of the windows are lit.
    lit_P = (raster.material_P == Material.WINDOW) & ((raster.tint_P * 101.0) % 1.0 < 0.33)
    glow_P[lit_P] = 0.75
    return np.asarray(glow_P[raster.seen_HW])
