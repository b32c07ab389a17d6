"""The vocabulary of a generated street: classes, materials, polygons in space, and the camera that sees them.

Space is measured in metres: x to the right, y up from the road surface, z ahead of the camera. The picture is measured
in image heights, so that one scene can be drawn at any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Bytes = NDArray[np.uint8]

NEAREST = 1.0  # metres; nothing is drawn nearer to the camera than this
FARTHEST = 400.0  # metres; the depth at which the sky is thought to hang
SHOULDER = 60.0  # image heights; projected points are held within this, which keeps the rasteriser's integers small


class Label(IntEnum):
    """The 19 Cityscapes train ids, and the id of what is not scored."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    WALL = 3
    FENCE = 4
    POLE = 5
    LIGHT = 6
    SIGN = 7
    VEGETATION = 8
    TERRAIN = 9
    SKY = 10
    PERSON = 11
    RIDER = 12
    CAR = 13
    TRUCK = 14
    BUS = 15
    TRAIN = 16
    MOTORCYCLE = 17
    BICYCLE = 18
    IGNORED = 255


class Material(IntEnum):
    """The material of a polygon; the two domains paint each material in their own way."""

    SKY = 0
    ASPHALT = 1
    PATCH = 2
    PAINT = 3
    KERB = 4
    PAVING = 5
    GRASS = 6
    RAIL = 7
    FACADE = 8
    TRIM = 9
    WINDOW = 10
    SHOP = 11
    DOOR = 12
    ROOF = 13
    MASONRY = 14
    FENCE = 15
    FENCE_GAP = 16
    METAL = 17
    LAMP = 18
    LIGHT_BOX = 19
    LIGHT_RED = 20
    LIGHT_AMBER = 21
    LIGHT_GREEN = 22
    LIGHT_OFF = 23
    SIGN_RED = 24
    SIGN_BLUE = 25
    SIGN_WHITE = 26
    SIGN_YELLOW = 27
    BARK = 28
    LEAF = 29
    CAR_PAINT = 30
    GLASS = 31
    TYRE = 32
    HUB = 33
    TAIL_LAMP = 34
    HEAD_LAMP = 35
    PLATE = 36
    BUS_PAINT = 37
    TRAM_PAINT = 38
    CARGO = 39
    SKIN = 40
    HAIR = 41
    SHIRT = 42
    TROUSERS = 43
    CYCLE = 44
    SPOKES = 45
    BONNET = 46
    BIN = 47
    DISTANT = 48


@dataclass(slots=True)
class Part:
    """One polygon in space.

    `tint` in [0, 1) picks among a material's colours. The outward side of a `solid` part is the one from which its
    points go round so that (p1 - p0) x (last - p0) points outward; seen from the other side it is not drawn.
    """

    points: list[Point]
    label: Label
    material: Material
    tint: float
    solid: bool = False


@dataclass(slots=True)
class Thing:
    """A group of parts drawn together, at one position in the order from far to near.

    `footprint` holds (x, z) corners of what it covers on the ground; its shadow is that of a block with this outline
    from `lift` to `height` metres above the ground.
    """

    depth: float
    parts: list[Part]
    footprint: list[tuple[float, float]] = field(default_factory=list)
    height: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera over a road that bends sideways by `bend * z ** 2` metres at distance z."""

    focal: float
    height: float
    horizon: float
    centre: float
    lateral: float
    bend: float

    def straighten(self, points_M3: Floats) -> Floats:
        """Road coordinates to camera coordinates, float32[M, 3], with z held at or beyond `NEAREST`."""
        depth_M = np.maximum(points_M3[:, 2], NEAREST)
        across_M = points_M3[:, 0] + self.bend * depth_M**2 - self.lateral
        return np.stack((across_M, points_M3[:, 1] - self.height, depth_M), axis=1).astype(np.float32)

    def project(self, seen_M3: Floats) -> Floats:
        """Camera coordinates to the picture, float32[M, 2] as (column, row) in image heights."""
        scale_M = self.focal / seen_M3[:, 2]
        column_M = self.centre + seen_M3[:, 0] * scale_M
        row_M = self.horizon - seen_M3[:, 1] * scale_M
        return np.clip(np.stack((column_M, row_M), axis=1), -SHOULDER, SHOULDER).astype(np.float32)

    def on_lens(self, column: float, row: float) -> Point:
        """The point right before the lens that is seen at (column, row): for what is fixed to the camera."""
        across = (column - self.centre) / self.focal * NEAREST
        up = (self.horizon - row) / self.focal * NEAREST
        return across - self.bend * NEAREST**2 + self.lateral, up + self.height, NEAREST


@dataclass(frozen=True)
class Scene:
    """A composed street: the ground in drawing order, then the things on it from far to near."""

    camera: Camera
    aspect: float
    ground: list[Part]
    things: list[Thing]

    def parts(self) -> list[Part]:
        """All polygons in drawing order, back to front."""
        return [*self.ground, *(part for thing in self.things for part in thing.parts)]


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Point]:
    """A rectangle that faces the camera."""
    return [(x0, y0, z), (x0, y1, z), (x1, y1, z), (x1, y0, z)]


def along(x: float, y0: float, y1: float, z0: float, z1: float) -> list[Point]:
    """An upright rectangle along the street, as a facade is."""
    return [(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)]


def level(x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> list[Point]:
    """A rectangle that lies on the ground."""
    return [(x0, y, z0), (x0, y, z1), (x1, y, z1), (x1, y, z0)]


def disc(x: float, y: float, z: float, radius_x: float, radius_y: float, corners: int = 10) -> list[Point]:
    """An ellipse that faces the camera."""
    turn = 2 * math.pi / corners
    return [
        (x + radius_x * math.cos(turn * corner), y + radius_y * math.sin(turn * corner), z) for corner in range(corners)
    ]


def bar(start: tuple[float, float], end: tuple[float, float], thickness: float, z: float) -> list[Point]:
    """A straight limb of even thickness between two (x, y) points, facing the camera."""
    run, rise = end[0] - start[0], end[1] - start[1]
    length = math.hypot(run, rise) or 1.0
    side_x, side_y = -rise / length * thickness / 2, run / length * thickness / 2
    return [
        (start[0] + side_x, start[1] + side_y, z),
        (end[0] + side_x, end[1] + side_y, z),
        (end[0] - side_x, end[1] - side_y, z),
        (start[0] - side_x, start[1] - side_y, z),
    ]
