"""Models of people and of two-wheelers, as flat figures that face the camera."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.datasets.streets.geometry import Label, Material, Part, Point, Thing, bar, disc

Corner = tuple[float, float]


class Figure:
    """Collects flat limbs about a standing point; `squash` narrows what is seen at an angle."""

    def __init__(self, x: float, z: float, scale: float, squash: float) -> None:
        self.x, self.z, self.scale, self.squash = x, z, scale, squash
        self.parts: list[Part] = []

    def add(self, points: list[Point], label: Label, material: Material, tint: float) -> None:
        """One polygon whose x and y are metres from the standing point."""
        placed = [(self.x + x * self.scale * self.squash, y * self.scale, self.z) for x, y, _ in points]
        self.parts.append(Part(placed, label, material, tint))

    def limb(self, path: list[Corner], thickness: float, label: Label, material: Material, tint: float) -> None:
        """A jointed limb through the points of `path`."""
        wide = thickness / max(self.squash, 0.4) ** 0.5  # a limb stays thick where the figure is squashed
        for start, end in pairwise(path):
            self.add(bar(start, end, wide, 0.0), label, material, tint)

    def ball(self, centre: Corner, radius: float, label: Label, material: Material, tint: float) -> None:
        """A round detail, such as a head, which is never squashed."""
        self.add(disc(centre[0], centre[1], 0.0, radius / self.squash, radius, 8), label, material, tint)

    def thing(self, half_width: float, height: float) -> Thing:
        """What was collected, with a small footprint for its shadow."""
        left, right = self.x - half_width, self.x + half_width
        near, far = self.z - 0.2, self.z + 0.2
        return Thing(self.z, self.parts, [(left, near), (left, far), (right, far), (right, near)], height)


def pedestrian(rng: np.random.Generator, x: float, z: float, ground: float) -> Thing:
    """A person who stands or walks: a child or an adult, in trousers or in a skirt or coat."""
    size = float(rng.uniform(1.1, 1.4) if rng.random() < 0.12 else rng.uniform(1.55, 1.92)) / 1.8
    figure = Figure(x, z, size, float(rng.uniform(0.7, 1.15)))
    shirt, trousers, skin, hair = (float(value) for value in rng.random(4))
    stride, swing = (float(value) for value in rng.uniform(0.04, 0.28, 2))
    person = Label.PERSON
    figure.limb([(0.07, 0.9), (stride, 0.45), (stride + 0.02, 0.02)], 0.16, person, Material.TROUSERS, trousers)
    figure.limb([(-0.07, 0.9), (-stride * 0.4, 0.45), (-stride, 0.02)], 0.16, person, Material.TROUSERS, trousers)
    hem = 0.55 if rng.random() < 0.3 else 0.84
    torso = [(-0.19, hem, 0.0), (-0.23, 1.42, 0.0), (-0.1, 1.52, 0.0), (0.1, 1.52, 0.0), (0.23, 1.42, 0.0)]
    figure.add([*torso, (0.19, hem, 0.0)], person, Material.SHIRT, shirt)
    figure.limb([(0.22, 1.4), (0.25, 1.12), (0.22 + swing * 0.5, 0.85)], 0.11, person, Material.SHIRT, shirt)
    figure.limb([(-0.22, 1.4), (-0.26, 1.12), (-0.22 - swing * 0.3, 0.85)], 0.11, person, Material.SHIRT, shirt)
    figure.ball((0.0, 1.7), 0.14, person, Material.HAIR, hair)
    figure.ball((0.03, 1.655), 0.115, person, Material.SKIN, skin)
    if rng.random() < 0.3:
        bag = [(-0.34, 0.7, 0.0), (-0.34, 1.05, 0.0), (-0.12, 1.05, 0.0), (-0.12, 0.7, 0.0)]
        figure.add(bag, person, Material.SHIRT, (shirt + 0.4) % 1)
    for part in figure.parts:
        part.points = [(px, py + ground, pz) for px, py, pz in part.points]
    return figure.thing(0.25, size * 1.8)


def bicycle(rng: np.random.Generator, x: float, z: float, ridden: bool) -> Thing:
    """A bicycle, ridden or left at the kerb."""
    figure = Figure(x, z, 1.0, float(rng.uniform(0.3, 1.0)))
    tint, label = float(rng.random()), Label.BICYCLE
    for hub in (-0.52, 0.52):
        figure.add(disc(hub, 0.34, 0.0, 0.34, 0.34, 12), label, Material.TYRE, 0.5)
        figure.add(disc(hub, 0.34, 0.0, 0.28, 0.28, 12), label, Material.SPOKES, 0.5)
    figure.limb(
        [(-0.52, 0.34), (-0.15, 0.8), (0.4, 0.82), (0.0, 0.32), (-0.52, 0.34)], 0.06, label, Material.CYCLE, tint
    )
    figure.limb([(0.52, 0.34), (0.4, 0.82), (0.36, 1.02)], 0.06, label, Material.CYCLE, tint)
    figure.limb([(-0.28, 0.93), (-0.05, 0.93)], 0.08, label, Material.TYRE, 0.5)
    figure.limb([(0.3, 1.03), (0.48, 1.0)], 0.06, label, Material.TYRE, 0.5)
    if ridden:
        _rider(rng, figure, seat=(-0.16, 0.97), hands=(0.38, 1.05), foot=(0.08, 0.22))
    return figure.thing(0.6 * figure.squash, 1.7 if ridden else 1.0)


def motorcycle(rng: np.random.Generator, x: float, z: float, ridden: bool) -> Thing:
    """A motorcycle or a scooter, ridden or parked."""
    figure = Figure(x, z, 1.0, float(rng.uniform(0.4, 1.0)))
    tint, label = float(rng.random()), Label.MOTORCYCLE
    for hub in (-0.68, 0.68):
        figure.add(disc(hub, 0.32, 0.0, 0.32, 0.32, 12), label, Material.TYRE, 0.3)
        figure.add(disc(hub, 0.32, 0.0, 0.17, 0.17, 8), label, Material.HUB, 0.5)
    figure.limb([(-0.6, 0.4), (0.5, 0.45)], 0.36, label, Material.TYRE, 0.7)
    body = [
        (-0.85, 0.82, 0.0),
        (-0.2, 0.85, 0.0),
        (0.1, 1.0, 0.0),
        (0.45, 0.95, 0.0),
        (0.5, 0.6, 0.0),
        (-0.4, 0.5, 0.0),
    ]
    figure.add(body, label, Material.CYCLE, tint)
    figure.limb([(-0.8, 0.84), (-0.05, 0.86)], 0.14, label, Material.TYRE, 0.5)
    figure.limb([(0.68, 0.34), (0.45, 0.95), (0.35, 1.12)], 0.09, label, Material.METAL, 0.5)
    figure.ball((0.56, 0.88), 0.1, label, Material.HEAD_LAMP, 0.5)
    if ridden:
        _rider(rng, figure, seat=(-0.3, 0.92), hands=(0.36, 1.08), foot=(0.05, 0.35))
    return figure.thing(0.8 * figure.squash, 1.7 if ridden else 1.1)


def _rider(rng: np.random.Generator, figure: Figure, seat: Corner, hands: Corner, foot: Corner) -> None:
    """A person astride, leaning from the seat to the handlebars."""
    shirt, trousers, skin, hair = (float(value) for value in rng.random(4))
    label = Label.RIDER
    knee = ((seat[0] + foot[0]) / 2 + 0.22, (seat[1] + foot[1]) / 2 + 0.16)
    shoulder = (seat[0] + 0.2, seat[1] + 0.55)
    figure.limb([seat, knee, foot], 0.17, label, Material.TROUSERS, trousers)
    figure.limb([seat, shoulder], 0.36, label, Material.SHIRT, shirt)
    figure.limb([shoulder, ((shoulder[0] + hands[0]) / 2, hands[1] + 0.02), hands], 0.12, label, Material.SHIRT, shirt)
    figure.ball((shoulder[0] + 0.08, shoulder[1] + 0.2), 0.15, label, Material.HAIR, hair)
    figure.ball((shoulder[0] + 0.11, shoulder[1] + 0.15), 0.11, label, Material.SKIN, skin)
