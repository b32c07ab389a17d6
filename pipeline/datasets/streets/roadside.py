"""Models of what stands beside a road: buildings, walls, fences, trees, poles, lights and signs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.streets.geometry import (
    Label,
    Material,
    Part,
    Point,
    Thing,
    along,
    bar,
    disc,
    level,
    upright,
)

WINDOW_DEPTH = 75.0  # metres; beyond this single windows are smaller than a pixel
STAND_OFF = 0.04  # metres by which a window stands before its wall
KERB_HEIGHT = 0.13


@dataclass(frozen=True)
class Plot:
    """A stretch of one side of the street: `side` is -1 (left) or 1 (right), `x` the line that faces the street."""

    side: int
    x: float
    near: float
    far: float

    def back(self, distance: float) -> float:
        """The line that lies `distance` metres behind the front."""
        return self.x + self.side * distance


def building(rng: np.random.Generator, plot: Plot, height: float, reach: float) -> Thing:
    """A house with its street face, its end towards the camera that is `reach` metres wide, and its windows."""
    tint, label = float(rng.random()), Label.BUILDING
    parts = [Part(along(plot.x, 0.0, height, plot.near, plot.far), label, Material.FACADE, tint)]
    if plot.near < WINDOW_DEPTH:
        parts += _facade(rng, plot, height, tint)
    back = plot.back(reach)
    parts.append(Part(upright(plot.x, back, 0.0, height, plot.near), label, Material.FACADE, tint))
    if height < 11 and rng.random() < 0.6:
        parts += _roof(plot, height, reach, float(rng.random()))
    elif rng.random() < 0.5 and plot.near < WINDOW_DEPTH:
        parts += _end_windows(rng, plot, height, reach)
    footprint = [(plot.x, plot.near), (plot.x, plot.far), (back, plot.far), (back, plot.near)]
    return Thing(plot.far, parts, footprint, height)


def _facade(rng: np.random.Generator, plot: Plot, height: float, tint: float) -> list[Part]:
    """Windows in rows, a ground floor of shops or of doors, and a cornice."""
    length, label, front = plot.far - plot.near, Label.BUILDING, plot.x - plot.side * STAND_OFF
    storey, bay = float(rng.uniform(2.9, 3.7)), float(rng.uniform(2.2, 3.6))
    bays, storeys = max(1, int(length / bay)), max(1, int((height - 0.6) / storey))
    bay = length / bays
    wide, tall = float(rng.uniform(0.35, 0.7)) * bay, float(rng.uniform(0.45, 0.65)) * storey
    shop = rng.random() < 0.45
    parts: list[Part] = []
    tints_SB = rng.random((storeys, bays)).tolist()
    for floor in range(1 if shop else 0, storeys):
        low = floor * storey + 0.28 * storey
        for column in range(bays):
            start = plot.near + bay * (column + 0.5) - wide / 2
            pane = along(front, low, low + tall, start, start + wide)
            parts.append(Part(pane, label, Material.WINDOW, tints_SB[floor][column]))
    if shop:
        band = along(front, 0.5, storey * 0.78, plot.near + 0.5, plot.far - 0.5)
        parts.append(Part(band, label, Material.WINDOW, float(rng.random())))
        sign = along(front, storey * 0.8, storey * 0.97, plot.near + 0.3, plot.far - 0.3)
        parts.append(Part(sign, label, Material.SHOP, float(rng.random())))
    door = plot.near + length * float(rng.uniform(0.2, 0.7))
    parts.append(Part(along(front, 0.1, 2.3, door, door + 1.3), label, Material.DOOR, float(rng.random())))
    parts.append(Part(along(front, height - 0.5, height, plot.near, plot.far), label, Material.TRIM, tint))
    return parts


def _end_windows(rng: np.random.Generator, plot: Plot, height: float, reach: float) -> list[Part]:
    """Windows on the end wall that faces the camera."""
    tints = rng.random(64).tolist()
    columns, storeys = max(1, int(min(reach, 14.0) / 3.4)), max(1, int(height / 3.3))
    parts = []
    for floor in range(storeys):
        for column in range(columns):
            first, last = plot.back(column * 3.4 + 1.0), plot.back(column * 3.4 + 2.3)
            low = floor * 3.3 + 1.0
            pane = upright(first, last, low, low + 1.5, plot.near - STAND_OFF)
            parts.append(Part(pane, Label.BUILDING, Material.WINDOW, tints[(floor * columns + column) % 64]))
    return parts


def _roof(plot: Plot, height: float, reach: float, tint: float) -> list[Part]:
    """A saddle roof: the slope over the street face and the gable above the end wall."""
    ridge = plot.back(min(reach, 9.0) / 2)
    eaves, peak = plot.x - plot.side * 0.3, height + 2.6
    slope: list[Point] = [
        (eaves, height - 0.1, plot.near - 0.2),
        (eaves, height - 0.1, plot.far + 0.2),
        (ridge, peak, plot.far + 0.2),
        (ridge, peak, plot.near - 0.2),
    ]
    gable: list[Point] = [
        (plot.x, height, plot.near),
        (ridge, peak, plot.near),
        (plot.back(min(reach, 9.0)), height, plot.near),
    ]
    label = Label.BUILDING
    return [Part(slope, label, Material.ROOF, tint), Part(gable, label, Material.FACADE, tint)]


def wall(rng: np.random.Generator, plot: Plot) -> Thing:
    """A free-standing wall along the street."""
    height, tint = float(rng.uniform(1.3, 3.2)), float(rng.random())
    face = along(plot.x, 0.0, height, plot.near, plot.far)
    coping = along(plot.x - plot.side * 0.08, height - 0.15, height + 0.05, plot.near, plot.far)
    end = upright(plot.x, plot.back(0.35), 0.0, height, plot.near)
    parts = [Part(shape, Label.WALL, Material.MASONRY, tint) for shape in (face, end)]
    parts.append(Part(coping, Label.WALL, Material.TRIM, tint))
    footprint = [(plot.x, plot.near), (plot.x, plot.far), (plot.back(0.35), plot.far), (plot.back(0.35), plot.near)]
    return Thing(plot.far, parts, footprint, height)


def fence(rng: np.random.Generator, plot: Plot) -> Thing:
    """A fence along the street. As in Cityscapes, what shows between its bars is labelled fence too."""
    height, tint = float(rng.uniform(1.0, 1.9)), float(rng.random())
    front = plot.x - plot.side * STAND_OFF
    label = Label.FENCE
    parts = [Part(along(plot.x, 0.0, height, plot.near, plot.far), label, Material.FENCE_GAP, tint)]
    pitch = 0.3 if plot.far < 25 else 0.6
    for post in range(int((plot.far - plot.near) / pitch) if plot.near < 40 else 0):
        start = plot.near + post * pitch
        parts.append(Part(along(front, 0.05, height, start, start + pitch * 0.4), label, Material.FENCE, tint))
    for low, high in ((0.1, 0.2), (height - 0.18, height)):
        parts.append(Part(along(front, low, high, plot.near, plot.far), label, Material.FENCE, tint))
    return Thing(plot.far, parts)


def hedge(rng: np.random.Generator, plot: Plot) -> Thing:
    """A clipped hedge along the street."""
    height, tint = float(rng.uniform(0.8, 2.4)), float(rng.random())
    face = along(plot.x, 0.0, height, plot.near, plot.far)
    end = upright(plot.x, plot.back(1.2), 0.0, height, plot.near)
    parts = [Part(shape, Label.VEGETATION, Material.LEAF, tint) for shape in (face, end)]
    return Thing(plot.far, parts)


def _blob(rng: np.random.Generator, x: float, y: float, z: float, radius: float) -> list[Point]:
    """A ragged round mass of leaves."""
    corners = 13
    reach = rng.uniform(0.78, 1.15, corners).tolist()
    turn = 2 * math.pi / corners
    return [
        (x + radius * reach[c] * math.cos(turn * c), y + radius * 0.9 * reach[c] * math.sin(turn * c), z)
        for c in range(corners)
    ]


def tree(rng: np.random.Generator, x: float, z: float) -> Thing:
    """A trunk and a crown of several masses of leaves, darker beneath and lighter above."""
    stem, crown = float(rng.uniform(1.8, 3.4)), float(rng.uniform(1.2, 2.7))
    tint, girth = float(rng.random()), float(rng.uniform(0.12, 0.24))
    label = Label.VEGETATION
    trunk: list[Point] = [(x - girth, 0.0, z), (x - girth * 0.7, stem + crown, z)]
    trunk += [(x + girth * 0.7, stem + crown, z), (x + girth, 0.0, z)]
    parts = [Part(trunk, label, Material.BARK, tint)]
    middle = stem + crown * 0.8
    offsets = rng.uniform(-0.55, 0.55, (5, 2)).tolist()
    for mass, (aside, above) in enumerate(offsets):
        # Masses drawn later lie higher and nearer; their tints rise, which the palettes read as lighter leaves.
        rise = (mass - 2) * 0.22 * crown
        shape = _blob(rng, x + aside * crown, middle + above * crown * 0.4 + rise, z, crown * (0.95 - 0.09 * mass))
        parts.append(Part(shape, label, Material.LEAF, 0.75 * tint + 0.05 * mass))
    footprint = [(px, z + py) for px, py, _ in disc(x, 0.0, z, crown * 0.85, crown * 0.85, 9)]
    return Thing(z, parts, footprint, stem + crown, stem)


def bush(rng: np.random.Generator, x: float, z: float) -> Thing:
    """Low leaves without a trunk."""
    size, tint = float(rng.uniform(0.4, 1.3)), float(rng.random())
    shapes = [_blob(rng, x + shift * size, size * 0.6, z, size) for shift in (-0.6, 0.5, 0.0)]
    return Thing(z, [Part(shape, Label.VEGETATION, Material.LEAF, tint) for shape in shapes])


def _post(x: float, z: float, height: float, width: float, tint: float) -> Part:
    return Part(upright(x - width / 2, x + width / 2, 0.0, height, z), Label.POLE, Material.METAL, tint)


def _pole_thing(x: float, z: float, parts: list[Part], height: float) -> Thing:
    """A pole's shadow comes from a footprint a little wider than the pole, which a picture can still show."""
    return Thing(z, parts, [(x - 0.1, z), (x - 0.1, z + 0.1), (x + 0.1, z + 0.1), (x + 0.1, z)], height)


def street_lamp(rng: np.random.Generator, x: float, z: float, side: int) -> Thing:
    """A tall lamp whose arm reaches over the road."""
    height, tint = float(rng.uniform(6.0, 9.0)), float(rng.random())
    tip = x - side * 1.6
    arm = Part(bar((x, height), (tip, height + 0.35), 0.11, z), Label.POLE, Material.METAL, tint)
    lamp = Part(bar((tip, height + 0.35), (tip - side * 0.7, height + 0.35), 0.2, z), Label.POLE, Material.LAMP, tint)
    return _pole_thing(x, z, [_post(x, z, height, 0.2, tint), arm, lamp], height)


def _light_box(x: float, y: float, z: float, lit: int, scale: float) -> list[Part]:
    """A box of three lights, of which number `lit` from the top shines."""
    half, rise = 0.24 * scale, 0.4 * scale
    label = Label.LIGHT
    box = upright(x - half, x + half, y, y + 3 * rise, z)
    parts = [Part(box, label, Material.LIGHT_BOX, 0.5)]
    for row, material in enumerate((Material.LIGHT_RED, Material.LIGHT_AMBER, Material.LIGHT_GREEN)):
        shape = disc(x, y + (2.5 - row) * rise, z, 0.16 * scale, 0.16 * scale, 8)
        parts.append(Part(shape, label, material if row == lit else Material.LIGHT_OFF, 0.5))
    return parts


def traffic_light(rng: np.random.Generator, x: float, z: float, side: int, overhead: bool) -> Thing:
    """A set of traffic lights on a post, and with `overhead` another set on an arm over the road."""
    tint, lit = float(rng.random()), (0, 0, 1, 2, 2)[int(rng.integers(5))]
    parts: list[Part] = []
    height = 3.4
    if overhead:
        height, tip = 5.8, x - side * float(rng.uniform(2.5, 4.5))
        parts.append(Part(bar((x, height - 0.1), (tip, height - 0.1), 0.13, z), Label.POLE, Material.METAL, tint))
        parts += _light_box(tip, height - 1.0, z, lit, 1.1)
    parts.insert(0, _post(x, z, height, 0.16, tint))
    parts += _light_box(x - side * 0.08, 2.3, z, lit, 1.0)
    return _pole_thing(x, z, parts, height)


def _plate(rng: np.random.Generator, x: float, y: float, z: float) -> list[Part]:
    """One road sign of the usual kinds: prohibition, warning, order, direction, priority."""
    label, size = Label.SIGN, float(rng.uniform(0.34, 0.52))
    kind = int(rng.integers(5))
    if kind == 0:
        rim, core = disc(x, y, z, size, size), disc(x, y, z, size * 0.68, size * 0.68)
        return [Part(rim, label, Material.SIGN_RED, 0.5), Part(core, label, Material.SIGN_WHITE, 0.5)]
    if kind == 1:
        outer: list[Point] = [(x - size, y - size * 0.7, z), (x, y + size, z), (x + size, y - size * 0.7, z)]
        inner: list[Point] = [(x + (px - x) * 0.58, y - 0.05 + (py - y) * 0.58, pz) for px, py, pz in outer]
        return [Part(outer, label, Material.SIGN_RED, 0.5), Part(inner, label, Material.SIGN_WHITE, 0.5)]
    if kind == 2:
        shape = disc(x, y, z, size, size)
        return [
            Part(shape, label, Material.SIGN_BLUE, 0.5),
            Part(bar((x - 0.15, y), (x + 0.15, y), 0.12, z), label, Material.SIGN_WHITE, 0.5),
        ]
    if kind == 3:
        board = upright(x - size * 1.5, x + size * 1.5, y - size * 0.7, y + size * 0.7, z)
        line = upright(x - size * 1.1, x + size * 1.1, y - size * 0.2, y + size * 0.1, z)
        return [Part(board, label, Material.SIGN_BLUE, 0.5), Part(line, label, Material.SIGN_WHITE, 0.5)]
    diamond: list[Point] = [(x - size, y, z), (x, y + size, z), (x + size, y, z), (x, y - size, z)]
    inner = [(x + (px - x) * 0.65, y + (py - y) * 0.65, pz) for px, py, pz in diamond]
    return [Part(diamond, label, Material.SIGN_WHITE, 0.5), Part(inner, label, Material.SIGN_YELLOW, 0.5)]


def road_sign(rng: np.random.Generator, x: float, z: float) -> Thing:
    """A post with one or two signs."""
    parts = [_post(x, z, 3.0, 0.11, float(rng.random())), *_plate(rng, x, 2.6, z)]
    if rng.random() < 0.3:
        parts += _plate(rng, x, 1.75, z)
    return _pole_thing(x, z, parts, 3.0)


def gantry(rng: np.random.Generator, x: float, z: float, side: int) -> Thing:
    """A direction board held over the road by an arm."""
    tint, tip = float(rng.random()), x - side * float(rng.uniform(3.5, 5.5))
    board = upright(tip - 1.4, tip + 1.4, 4.9, 6.4, z)
    parts = [
        _post(x, z, 6.0, 0.26, tint),
        Part(bar((x, 5.8), (tip, 5.8), 0.2, z), Label.POLE, Material.METAL, tint),
        Part(board, Label.SIGN, Material.SIGN_BLUE if tint < 0.6 else Material.SIGN_YELLOW, tint),
    ]
    parts += [
        Part(upright(tip - 1.1, tip + 0.8, low, low + 0.2, z), Label.SIGN, Material.SIGN_WHITE, tint)
        for low in (5.3, 5.8)
    ]
    return _pole_thing(x, z, parts, 6.0)


def bollard(rng: np.random.Generator, x: float, z: float) -> Thing:
    """A short post at the kerb."""
    return _pole_thing(x, z, [_post(x, z, 1.0, 0.16, float(rng.random()))], 1.0)


def litter_bin(rng: np.random.Generator, x: float, z: float) -> Thing:
    """A bin or a box: one of the many small things that Cityscapes leaves unlabelled."""
    half, height = float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.8, 1.4))
    shape = upright(x - half, x + half, KERB_HEIGHT, height, z)
    parts = [Part(shape, Label.IGNORED, Material.BIN, float(rng.random()))]
    return Thing(z, parts, [(x - half, z), (x - half, z + 0.5), (x + half, z + 0.5), (x + half, z)], height)


def lawn(plot: Plot, depth: float, tint: float) -> Part:
    """Grass behind the front line of a plot."""
    x0, x1 = sorted((plot.x, plot.back(depth)))
    return Part(level(x0, x1, plot.near, plot.far), Label.TERRAIN, Material.GRASS, tint)
