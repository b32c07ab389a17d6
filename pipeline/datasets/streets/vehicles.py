"""Models of what drives: cars, vans, trucks, buses and trams, as extruded side views with details laid on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.streets.geometry import Label, Material, Part, Point, Thing, disc

DETAIL_DEPTH = 70.0  # metres; beyond this a vehicle is a few pixels high and is drawn without its small details
LIFT = 0.02  # metres by which a detail stands off the surface that it lies on

Outline = list[tuple[float, float]]  # (along, up) points of a side view: rear bottom, rear top, front top, front bottom


@dataclass(frozen=True)
class Frame:
    """A vehicle's own axes: across to its right, up, and along towards its front, from its middle on the ground."""

    x: float
    z: float
    heading: float

    def at(self, across: float, up: float, ahead: float) -> Point:
        """A point of the vehicle, on the road."""
        cosine, sine = math.cos(self.heading), math.sin(self.heading)
        return self.x + across * cosine + ahead * sine, up, self.z - across * sine + ahead * cosine


class Bodywork:
    """Collects the polygons of one vehicle."""

    def __init__(self, frame: Frame, label: Label) -> None:
        self.frame = frame
        self.label = label
        self.parts: list[Part] = []

    def add(self, points: list[Point], material: Material, tint: float = 0.5) -> None:
        """One surface, drawn where its outward side is seen; the points are in the vehicle's axes."""
        placed = [self.frame.at(*point) for point in points]
        self.parts.append(Part(placed, self.label, material, tint, solid=True))

    def hull(self, outline: Outline, widths: list[float], material: Material, tint: float) -> None:
        """The side view `outline` (clockwise, front to the right) extruded to half of `widths`, one width a corner."""
        right = [(width / 2, up, ahead) for (ahead, up), width in zip(outline, widths, strict=True)]
        left = [(-across, up, ahead) for across, up, ahead in right]
        for corner in range(len(outline)):
            following = (corner + 1) % len(outline)
            self.add([left[corner], left[following], right[following], right[corner]], material, tint)
        self.add(right, material, tint)
        self.add(left[::-1], material, tint)

    def on_sides(self, outline: Outline, width: float, material: Material, tint: float = 0.5) -> None:
        """A flat detail on both sides, given clockwise with the front to the right."""
        across = width / 2 + LIFT
        self.add([(across, up, ahead) for ahead, up in outline], material, tint)
        self.add([(-across, up, ahead) for ahead, up in outline[::-1]], material, tint)

    def on_end(self, ahead: float, box: tuple[float, float, float, float], material: Material, tint: float) -> None:
        """A rectangle (left, right, bottom, top) on the front (ahead > 0) or on the rear."""
        left, right, bottom, top = box
        corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
        if ahead > 0:
            corners.reverse()
        lifted = ahead + math.copysign(LIFT, ahead)
        self.add([(across, up, lifted) for across, up in corners], material, tint)

    def wheels(self, places: list[float], radius: float, width: float) -> None:
        """Wheels on both sides and, seen from the ends, the tyres and the dark between them."""
        for position in places:
            tyre = [(ahead, up) for ahead, up, _ in disc(position, radius, 0.0, radius, radius)][::-1]
            hub = [(ahead, up) for ahead, up, _ in disc(position, radius, 0.0, radius * 0.55, radius * 0.55, 8)][::-1]
            self.on_sides(tyre, width, Material.TYRE)
            self.on_sides(hub, width + LIFT, Material.HUB)

    def under(self, length: float, width: float, clearance: float) -> None:
        """The dark gap between the road and the body, which labels count as the vehicle."""
        low = 0.06
        outline = [(-length / 2, low), (-length / 2, clearance), (length / 2, clearance), (length / 2, low)]
        self.hull(outline, [width] * 4, Material.TYRE, 0.2)

    def ends(self, length: float, width: float, lamp: float) -> None:
        """Tail lamps and plate behind, head lamps and grille in front; `lamp` is their height above the road."""
        size = 0.13 * width
        for ahead, material in ((-length / 2, Material.TAIL_LAMP), (length / 2, Material.HEAD_LAMP)):
            self.on_end(ahead, (-width / 2 + 0.06, -width / 2 + 0.06 + size, lamp, lamp + 0.2), material, 0.5)
            self.on_end(ahead, (width / 2 - 0.06 - size, width / 2 - 0.06, lamp, lamp + 0.2), material, 0.5)
            self.on_end(ahead, (-0.26, 0.26, lamp - 0.2, lamp - 0.06), Material.PLATE, 0.5)
            self.on_end(ahead, (-width / 2 + 0.1, width / 2 - 0.1, 0.22, 0.34), Material.TYRE, 0.5)

    def thing(self, length: float, width: float, height: float) -> Thing:
        """What was collected, with its footprint for the shadow."""
        corners = (
            (-width / 2, -length / 2),
            (-width / 2, length / 2),
            (width / 2, length / 2),
            (width / 2, -length / 2),
        )
        placed = [self.frame.at(across, 0.0, ahead) for across, ahead in corners]
        return Thing(self.frame.z, self.parts, [(x, z) for x, _, z in placed], height)


@dataclass(frozen=True)
class CarShape:
    """A car's side view: lengths in metres; the cabin's four corners as shares of the length, from the rear."""

    length: float
    width: float
    height: float
    belt: float
    cabin: tuple[float, float, float, float]


CAR_SHAPES = (
    CarShape(4.5, 1.8, 1.45, 0.88, (0.08, 0.24, 0.56, 0.74)),  # saloon
    CarShape(4.0, 1.75, 1.5, 0.92, (0.01, 0.10, 0.56, 0.74)),  # hatchback
    CarShape(4.7, 1.8, 1.5, 0.92, (0.01, 0.07, 0.56, 0.73)),  # estate
    CarShape(4.6, 1.9, 1.75, 1.08, (0.01, 0.06, 0.60, 0.75)),  # off-roader
    CarShape(5.0, 1.95, 2.1, 1.15, (0.005, 0.02, 0.74, 0.88)),  # van
    CarShape(3.5, 1.65, 1.5, 0.9, (0.01, 0.12, 0.66, 0.86)),  # city car
)


def car(rng: np.random.Generator, frame: Frame) -> Thing:
    """A car or a van of a random shape and colour."""
    shape = CAR_SHAPES[rng.choice(len(CAR_SHAPES), p=(0.22, 0.26, 0.18, 0.16, 0.1, 0.08))]
    tint, half = float(rng.random()), shape.length / 2
    body = Bodywork(frame, Label.CAR)
    body.under(shape.length * 0.94, shape.width * 0.94, 0.3)
    lower = [(-half, 0.26), (-half, shape.belt), (half - 0.1, shape.belt - 0.12), (half, 0.26)]
    body.hull(lower, [shape.width] * 4, Material.CAR_PAINT, tint)
    base_rear, roof_rear, roof_front, base_front = (share * shape.length - half for share in shape.cabin)
    cabin = [(base_rear, shape.belt), (roof_rear, shape.height), (roof_front, shape.height), (base_front, shape.belt)]
    narrow = shape.width * 0.8
    body.hull(cabin, [shape.width - 0.06, narrow, narrow, shape.width - 0.06], Material.CAR_PAINT, tint)
    if frame.z < DETAIL_DEPTH:
        _windows(body, shape, cabin, narrow)
        body.wheels([-half + 0.2 * shape.length, half - 0.18 * shape.length], 0.32, shape.width)
        body.ends(shape.length, shape.width, shape.belt - 0.28)
    return body.thing(shape.length, shape.width, shape.height)


def _windows(body: Bodywork, shape: CarShape, cabin: Outline, narrow: float) -> None:
    """The glass of a cabin: a pane inside each of its four upright faces, and a pillar between the side panes."""
    wide = shape.width - 0.06
    inset_low, inset_high = 0.1, 0.86  # shares of the cabin's height between which the panes lie

    def at(corner_low: int, corner_high: int, share: float) -> tuple[float, float, float]:
        (ahead_low, up_low), (ahead_high, up_high) = cabin[corner_low], cabin[corner_high]
        width = wide + (narrow - wide) * share
        return width / 2, up_low + (up_high - up_low) * share, ahead_low + (ahead_high - ahead_low) * share

    for low, high, sign, push in ((0, 1, 1.0, -LIFT), (3, 2, -1.0, LIFT)):
        lower, upper = at(low, high, inset_low), at(low, high, inset_high)
        corners = [(-lower[0], lower), (-upper[0], upper), (upper[0], upper), (lower[0], lower)]
        pane = [(across * 0.9 * sign, point[1], point[2] + push) for across, point in corners]
        body.add(pane, Material.GLASS)
    rear = [at(0, 1, inset_low), at(0, 1, inset_high)]
    front = [at(3, 2, inset_high), at(3, 2, inset_low)]
    middle = (rear[1][2] + front[0][2]) / 2
    for first, last in ((rear[0][2] + 0.12, middle - 0.05), (middle + 0.05, front[1][2] - 0.1)):
        top_first, top_last = max(first, rear[1][2] + 0.1), min(last, front[0][2] - 0.06)
        low_across, high_across = rear[0][0] + LIFT, rear[1][0] + LIFT
        pane = [(low_across, rear[0][1], first), (high_across, rear[1][1], top_first)]
        pane += [(high_across, rear[1][1], top_last), (low_across, rear[0][1], last)]
        body.add(pane, Material.GLASS)
        body.add([(-across, up, ahead) for across, up, ahead in pane[::-1]], Material.GLASS)


def _box(ahead: float, length: float, bottom: float, top: float) -> Outline:
    return [
        (ahead - length / 2, bottom),
        (ahead - length / 2, top),
        (ahead + length / 2, top),
        (ahead + length / 2, bottom),
    ]


def _panes(body: Bodywork, length: float, width: float, sill: float, lintel: float) -> None:
    """A row of side windows with thin pillars between them."""
    count = max(3, round(length / 1.6))
    pitch = length * 0.94 / count
    for pane in range(count):
        middle = -length * 0.47 + pitch * (pane + 0.5)
        body.on_sides(_box(middle, pitch - 0.14, sill, lintel), width, Material.GLASS)


def truck(rng: np.random.Generator, frame: Frame) -> Thing:
    """A lorry: a driver's cab and a cargo box or a flat bed behind it."""
    length, width = float(rng.uniform(6.5, 10.0)), 2.4
    height, cab_height = float(rng.uniform(2.9, 3.6)), float(rng.uniform(2.5, 2.9))
    tint = float(rng.random())
    body = Bodywork(frame, Label.TRUCK)
    body.under(length * 0.96, width * 0.85, 0.75)
    half, cab = length / 2, 1.9

    def draw_cab() -> None:
        body.hull(_box(half - cab / 2, cab, 0.5, cab_height), [width * 0.96] * 4, Material.CAR_PAINT, tint)
        body.on_end(half, (-width * 0.42, width * 0.42, cab_height * 0.52, cab_height * 0.88), Material.GLASS, 0.5)
        window = _box(half - cab * 0.4, cab * 0.5, cab_height * 0.55, cab_height * 0.86)
        body.on_sides(window, width * 0.96, Material.GLASS)

    def draw_cargo() -> None:
        top = height if tint < 0.8 else 1.6
        cargo = _box(-cab / 2 - 0.1, length - cab - 0.2, 0.75, top)
        body.hull(cargo, [width] * 4, Material.CARGO, (tint * 7) % 1)
        body.on_end(-half, (-0.03, 0.03, 0.8, top - 0.1), Material.TYRE, 0.5)

    # The nearer block must be drawn over the farther one.
    order = (draw_cab, draw_cargo) if math.cos(frame.heading) > 0 else (draw_cargo, draw_cab)
    for draw in order:
        draw()
    body.wheels([-half + 1.0, -half + 2.1, half - 1.1], 0.5, width)
    body.ends(length, width, 0.8)
    return body.thing(length, width, height)


def bus(rng: np.random.Generator, frame: Frame) -> Thing:
    """A town bus: one long box with a band of windows, doors and a destination board."""
    length, width, height = float(rng.uniform(9.5, 12.5)), 2.5, float(rng.uniform(2.9, 3.3))
    if rng.random() < 0.15:
        height = 4.2  # two decks
    tint, half = float(rng.random()), length / 2
    body = Bodywork(frame, Label.BUS)
    body.under(length * 0.96, width * 0.9, 0.35)
    body.hull(_box(0.0, length, 0.32, height), [width] * 4, Material.BUS_PAINT, tint)
    _panes(body, length, width, 1.25, 2.35)
    if height > 4:
        _panes(body, length, width, 2.75, 3.7)
    for ahead in (-half, half):
        body.on_end(ahead, (-width * 0.44, width * 0.44, 1.2, 2.4), Material.GLASS, 0.5)
        body.on_end(ahead, (-width * 0.3, width * 0.3, 2.5, 2.78), Material.LIGHT_AMBER, 0.5)
    for ahead in (half - 1.4, 0.2):
        body.on_sides(_box(ahead, 1.2, 0.4, 2.4), width + LIFT, Material.GLASS, 0.9)
    body.wheels([-half + 2.4, half - 2.7], 0.48, width + 2 * LIFT)
    body.ends(length, width, 0.75)
    return body.thing(length, width, height)


def tram(rng: np.random.Generator, frame: Frame) -> list[Thing]:
    """A tram of two to four coaches, each a thing of its own so that each has its own depth."""
    tint, length, width, height = float(rng.random()), 7.5, 2.5, float(rng.uniform(3.3, 3.6))
    coaches = []
    for coach in range(int(rng.integers(2, 5))):
        body = Bodywork(Frame(frame.x, frame.z + coach * (length + 0.3), frame.heading), Label.TRAIN)
        body.under(length, width * 0.9, 0.4)
        body.hull(_box(0.0, length + 0.3, 0.3, height), [width] * 4, Material.TRAM_PAINT, tint)
        body.on_sides(_box(0.0, length, 0.35, 0.75), width, Material.TRAM_PAINT, (tint + 0.5) % 1)
        _panes(body, length, width, 1.3, 2.6)
        body.on_sides(_box(0.4, 1.3, 0.5, 2.7), width + LIFT, Material.GLASS, 0.9)
        if coach == 0:
            for ahead in (-length / 2 - 0.15, length / 2 + 0.15):
                body.on_end(ahead, (-width * 0.45, width * 0.45, 1.25, 2.7), Material.GLASS, 0.5)
                body.on_end(ahead, (-width * 0.3, width * 0.3, 2.85, 3.15), Material.LIGHT_AMBER, 0.5)
                body.on_end(ahead, (-0.95, -0.65, 0.8, 1.0), Material.HEAD_LAMP, 0.5)
                body.on_end(ahead, (0.65, 0.95, 0.8, 1.0), Material.HEAD_LAMP, 0.5)
        coaches.append(body.thing(length, width, height))
    return coaches
