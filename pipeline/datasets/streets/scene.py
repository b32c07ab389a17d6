"""Lays out a street: the camera, the ground, both roadsides and the traffic, with statistics that differ by domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.streets import people, roadside, vehicles
from pipeline.datasets.streets.geometry import (
    FARTHEST,
    NEAREST,
    Camera,
    Label,
    Material,
    Part,
    Point,
    Scene,
    Thing,
    level,
    upright,
)
from pipeline.datasets.streets.roadside import KERB_HEIGHT, Plot

END_OF_STREET = 150.0  # metres; beyond it stands a backdrop of distant roofs and trees
STEPS = (1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 15.0, 21.0, 30.0, 42.0, 60.0, 85.0, 115.0, 150.0, 220.0)
LANE = 3.3  # metres


@dataclass(frozen=True)
class Traits:
    """How a domain's streets are seen and how full they are. Pairs are ranges; counts are means."""

    focal: tuple[float, float]  # image heights
    camera_height: tuple[float, float]  # metres
    horizon: tuple[float, float]  # share of the image height, from the top
    moving_cars: float
    parking: float  # probability that a space at the kerb is taken
    walkers: float
    cyclists: float
    large: float  # share of trucks and buses among moving vehicles
    greenery: float  # share of roadside given to parks, gardens and hedges
    bonnet: float  # probability that the camera sees its own vehicle
    bend: float  # largest sideways bend, per metre


SOURCE_TRAITS = Traits((0.95, 1.45), (1.4, 2.4), (0.34, 0.45), 3.0, 0.38, 8.5, 1.1, 0.16, 0.34, 0.25, 0.0016)
TARGET_TRAITS = Traits((1.35, 2.0), (1.2, 1.6), (0.34, 0.45), 3.8, 0.4, 8.0, 0.8, 0.1, 0.34, 0.6, 0.001)
TRAITS = {"source": SOURCE_TRAITS, "target": TARGET_TRAITS}


@dataclass(frozen=True)
class Verge:
    """One side of the road as distances from its middle, in metres: kerb, then track or grass, pavement, front."""

    side: int
    kerb: float
    path: float
    front: float
    tramway: bool

    def at(self, distance: float) -> float:
        """The road's x of a distance from the middle on this side."""
        return self.side * distance


@dataclass(frozen=True)
class Street:
    """A road between two verges, with a crossing between `junction[0]` and `junction[1]` metres ahead, if any."""

    verges: tuple[Verge, Verge]
    junction: tuple[float, float] | None
    parked_sides: tuple[bool, bool]

    def in_junction(self, z: float, margin: float = 0.0) -> bool:
        """Return whether a distance lies within the crossing, widened by `margin` metres."""
        return self.junction is not None and self.junction[0] - margin < z < self.junction[1] + margin


def compose(domain: str, rng: np.random.Generator, aspect: float) -> Scene:
    """A street of the domain for a picture `aspect` times as wide as it is high."""
    traits = TRAITS[domain]
    street = _street(rng)
    camera = _camera(rng, traits, street, aspect)
    things = [*_backdrop(rng), *_roadsides(rng, traits, street), *_furniture(rng, street)]
    things += [*_traffic(rng, traits, street, camera), *_trams(rng, street), *_crossing_traffic(rng, street)]
    things += [*_walkers(rng, traits, street), *_two_wheelers(rng, traits, street)]
    lawns = [part for thing in things for part in thing.parts if part.label == Label.TERRAIN]
    for thing in things:
        thing.parts = [part for part in thing.parts if part.label != Label.TERRAIN]
    things.sort(key=lambda thing: -thing.depth)
    if rng.random() < traits.bonnet:
        things.append(_bonnet(rng, camera, aspect))
    return Scene(camera, aspect, [*_ground(rng, street, lawns)], things)


def _street(rng: np.random.Generator) -> Street:
    lanes = int(rng.choice((1, 2), p=(0.62, 0.38)))
    parked_sides = (bool(rng.random() < 0.55), bool(rng.random() < 0.6))
    tram_side = int(rng.integers(2)) if rng.random() < 0.22 else None
    verges = []
    for number, side in enumerate((-1, 1)):
        kerb = lanes * LANE + (2.2 if parked_sides[number] else 0.4)
        tramway = tram_side == number
        path = kerb + (4.6 if tramway else float(rng.uniform(1.0, 2.4)) if rng.random() < 0.3 else 0.0)
        verges.append(Verge(side, kerb, path, path + float(rng.uniform(1.8, 4.6)), tramway))
    junction = None
    if rng.random() < 0.5:
        start = float(rng.uniform(16, 55))
        junction = (start, start + float(rng.uniform(8, 13)))
    return Street((verges[0], verges[1]), junction, parked_sides)


def _camera(rng: np.random.Generator, traits: Traits, street: Street, aspect: float) -> Camera:
    """A camera in one of the right-hand lanes, looking nearly along the road."""
    focal = float(rng.uniform(*traits.focal))
    lanes = int(street.verges[1].kerb / LANE)
    lane = int(rng.integers(lanes))
    return Camera(
        focal=focal,
        height=float(rng.uniform(*traits.camera_height)),
        horizon=float(rng.uniform(*traits.horizon)),
        centre=aspect / 2 + float(rng.normal(0.0, 0.06)) * focal,
        lateral=LANE * (lane + 0.5) + float(rng.normal(0.0, 0.3)),
        bend=float(rng.uniform(-1.0, 1.0)) * traits.bend,
    )


# ------------------------------------------------------------------------------------------------------------- ground


def _strip(inner: float, outer: float, y: float, near: float = NEAREST, far: float = STEPS[-1]) -> list[Point]:
    """A band along the road that follows its bend: up one edge and down the other."""
    steps = [near, *(step for step in STEPS if near < step < far), far]
    return [(inner, y, z) for z in steps] + [(outer, y, z) for z in reversed(steps)]


def _ground(rng: np.random.Generator, street: Street, lawns: list[Part]) -> Iterator[Part]:
    """The ground in drawing order: land, lawns, verges, the road and what is painted on it."""
    land = level(-FARTHEST, FARTHEST, NEAREST, FARTHEST * 0.8)
    yield Part(land, Label.SIDEWALK, Material.PAVING, float(rng.random()))
    yield from lawns
    paving, asphalt, grass = (float(value) for value in rng.random(3))
    left, right = street.verges
    road = _strip(left.at(left.kerb), right.at(right.kerb), 0.0)
    for verge in street.verges:
        inner, outer = verge.at(verge.kerb), verge.at(verge.front)
        yield Part(_strip(inner, outer, KERB_HEIGHT), Label.SIDEWALK, Material.PAVING, paving)
        if verge.path > verge.kerb:
            strip = _strip(verge.at(verge.kerb + 0.3), verge.at(verge.path), KERB_HEIGHT)
            yield Part(strip, Label.TERRAIN, Material.GRASS, grass)
        if verge.tramway:
            for rail in (1.6, 3.1):
                track = _strip(verge.at(verge.kerb + rail), verge.at(verge.kerb + rail + 0.14), KERB_HEIGHT)
                yield Part(track, Label.TERRAIN, Material.RAIL, 0.5)
        steps = [(inner, z) for z in STEPS]
        face = [(x, KERB_HEIGHT, z) for x, z in steps] + [(x, 0.0, z) for x, z in reversed(steps)]
        yield Part(_strip(inner, inner + verge.side * 0.28, KERB_HEIGHT), Label.SIDEWALK, Material.KERB, 0.4)
        yield Part(face, Label.SIDEWALK, Material.KERB, 0.9)
    yield Part(road, Label.ROAD, Material.ASPHALT, asphalt)
    yield from _repairs(rng, street)
    yield from _markings(rng, street, asphalt)


def _repairs(rng: np.random.Generator, street: Street) -> Iterator[Part]:
    """Patches of newer or older asphalt, and manhole covers."""
    reach = street.verges[1].kerb - 0.8
    for _ in range(int(rng.integers(0, 7))):
        x, z = float(rng.uniform(-reach, reach - 0.8)), float(rng.uniform(3, 35))
        wide, deep = float(rng.uniform(0.5, 2.4)), float(rng.uniform(0.8, 7.0))
        yield Part(level(x, x + wide, z, z + deep), Label.ROAD, Material.PATCH, float(rng.random()))


def _markings(rng: np.random.Generator, street: Street, asphalt: float) -> Iterator[Part]:
    """The crossing road's surface, lane lines, edge lines and zebra crossings."""

    def paint(x0: float, x1: float, z0: float, z1: float) -> Part:
        return Part(level(x0, x1, z0, z1), Label.ROAD, Material.PAINT, 0.5)

    if street.junction:
        yield Part(level(-90.0, 90.0, *street.junction), Label.ROAD, Material.ASPHALT, asphalt)
    lanes = int(street.verges[0].kerb / LANE)
    period, dash = float(rng.choice((6.0, 9.0, 12.0))), float(rng.choice((3.0, 4.0)))
    offset = float(rng.uniform(-period, 0))
    for line in range(-lanes + 1, lanes):
        double = line == 0 and lanes > 1
        for shift in (-0.12, 0.12) if double else (0.0,):
            x = line * LANE + shift
            length = period if double else dash
            for step in range(int(90 / period)):
                z = max(NEAREST, offset + step * period + NEAREST)
                if not street.in_junction(z, length):
                    yield paint(x - 0.07, x + 0.07, z, z + length)
    for verge, parked in zip(street.verges, street.parked_sides, strict=True):
        if parked or rng.random() < 0.4:
            x = verge.at(lanes * LANE)
            yield Part(_strip(x - 0.06, x + 0.06, 0.0, NEAREST, 60.0), Label.ROAD, Material.PAINT, 0.5)
    if street.junction and rng.random() < 0.7:
        yield paint(0.0, lanes * LANE, street.junction[0] - 4.6, street.junction[0] - 4.1)
        for stripe in range(int(-lanes * LANE), int(lanes * LANE)):
            yield paint(stripe, stripe + 0.5, street.junction[0] - 3.5, street.junction[0] - 0.5)


# ---------------------------------------------------------------------------------------------------------- roadsides


def _backdrop(rng: np.random.Generator) -> Iterator[Thing]:
    """Distant roofs and trees that close the street above the horizon."""
    x = -260.0
    while x < 260:
        wide, high = float(rng.uniform(8, 26)), float(rng.uniform(6, 24))
        tint = float(rng.random())
        if rng.random() < 0.5:
            part = Part(upright(x, x + wide, 0.0, high, 240.0), Label.BUILDING, Material.DISTANT, tint)
            yield Thing(240.0, [part])
        else:
            shape: list[Point] = [(x - 4, 0.0, 239.0)]
            peaks = rng.uniform(0.6, 1.0, 6).tolist()
            shape += [(x + wide * step / 5, high * peak, 239.0) for step, peak in enumerate(peaks)]
            shape.append((x + wide + 4, 0.0, 239.0))
            yield Thing(239.0, [Part(shape, Label.VEGETATION, Material.LEAF, tint)])
        x += wide


def _roadsides(rng: np.random.Generator, traits: Traits, street: Street) -> Iterator[Thing]:
    """Plots on both sides, one after another into the distance, and trees along the kerb."""
    for verge in street.verges:
        z, style = 2.0, _style(rng, traits)
        after_gap = True
        while z < END_OF_STREET:
            length = float(rng.uniform(8, 22)) * (1.0 if z < 60 else 1.8)
            if street.junction and street.junction[0] - 3 < z + length and z < street.junction[1] + 3:
                if z < street.junction[0] - 9:
                    length = street.junction[0] - 3 - z
                else:
                    z, after_gap, style = street.junction[1] + 3, True, _style(rng, traits)
                    continue
            plot = Plot(verge.side, verge.at(verge.front), z, z + length)
            yield from style(rng, plot, after_gap)
            after_gap = False
            z += length
            if rng.random() < 0.3:
                style, after_gap = _style(rng, traits), True
        yield from _kerb_trees(rng, traits, street, verge)


Style = Callable[[np.random.Generator, Plot, bool], Iterator[Thing]]


def _style(rng: np.random.Generator, traits: Traits) -> Style:
    """What a stretch of roadside looks like."""
    green = traits.greenery
    shares = (1 - green - 0.14, green * 0.5, green * 0.5, 0.08, 0.06)
    styles: tuple[Style, ...] = (_terrace, _garden, _park, _walled, _fenced)
    return styles[int(rng.choice(len(styles), p=shares))]


def _terrace(rng: np.random.Generator, plot: Plot, first: bool) -> Iterator[Thing]:
    """A town house right at the pavement."""
    height = float(rng.uniform(6, 11) if rng.random() < 0.22 else rng.uniform(11, 23))
    yield roadside.building(rng, plot, height, 40.0 if first else 12.0)


def _garden(rng: np.random.Generator, plot: Plot, first: bool) -> Iterator[Thing]:
    """A house set back behind a lawn with a fence, a low wall or a hedge in front."""
    depth = float(rng.uniform(4, 9))
    house = Plot(plot.side, plot.back(depth), plot.near + 2.0, plot.far - 1.0)
    border = (roadside.fence, roadside.wall, roadside.hedge, roadside.fence)[int(rng.integers(4))]
    yield Thing(plot.far + 1, [roadside.lawn(plot, depth + 14.0, float(rng.random()))])
    yield roadside.building(rng, house, float(rng.uniform(4.5, 10)), 14.0)
    yield border(rng, plot)
    for _ in range(int(rng.integers(0, 3))):
        x, z = plot.back(float(rng.uniform(1, depth))), float(rng.uniform(plot.near, plot.far))
        yield (roadside.tree if rng.random() < 0.6 else roadside.bush)(rng, x, z)


def _park(rng: np.random.Generator, plot: Plot, first: bool) -> Iterator[Thing]:
    """Grass with trees and bushes, closed by a row of trees behind."""
    yield Thing(plot.far + 1, [roadside.lawn(plot, 45.0, float(rng.random()))])
    for _ in range(int((plot.far - plot.near) / 2.2)):
        x, z = plot.back(float(rng.uniform(1.5, 22))), float(rng.uniform(plot.near, plot.far))
        yield (roadside.tree if rng.random() < 0.7 else roadside.bush)(rng, x, z)
    back = Plot(plot.side, plot.back(16), plot.near, plot.far)
    yield roadside.hedge(rng, back)


def _walled(rng: np.random.Generator, plot: Plot, first: bool) -> Iterator[Thing]:
    """A wall with trees or a building behind it."""
    yield roadside.wall(rng, plot)
    yield from _behind(rng, plot)


def _fenced(rng: np.random.Generator, plot: Plot, first: bool) -> Iterator[Thing]:
    """A fence with trees or a building behind it."""
    yield Thing(plot.far + 1, [roadside.lawn(plot, 20.0, float(rng.random()))])
    yield roadside.fence(rng, plot)
    yield from _behind(rng, plot)


def _behind(rng: np.random.Generator, plot: Plot) -> Iterator[Thing]:
    if rng.random() < 0.5:
        back = Plot(plot.side, plot.back(6), plot.near, plot.far)
        yield roadside.building(rng, back, float(rng.uniform(6, 14)), 20.0)
    else:
        for _ in range(int((plot.far - plot.near) / 2.5) + 1):
            yield roadside.tree(rng, plot.back(float(rng.uniform(2, 7))), float(rng.uniform(plot.near, plot.far)) + 0.5)


def _kerb_trees(rng: np.random.Generator, traits: Traits, street: Street, verge: Verge) -> Iterator[Thing]:
    """An avenue on about half of the roadsides."""
    if rng.random() > 0.35 + traits.greenery * 0.6:
        return
    z, pitch = float(rng.uniform(6, 16)), float(rng.uniform(6, 13))
    x = verge.at((verge.kerb + verge.path) / 2 if verge.path > verge.kerb and not verge.tramway else verge.path + 0.9)
    while z < 90:
        if not street.in_junction(z, 3.0):
            yield roadside.tree(rng, x, z)
        z += pitch * float(rng.uniform(0.8, 1.3))


def _furniture(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Lamps, signs, lights, bollards and bins at the kerbs."""
    for verge in street.verges:
        x = verge.at(verge.path + 0.5)
        z, pitch, lamps = float(rng.uniform(5, 18)), float(rng.uniform(16, 30)), rng.random() < 0.8
        while lamps and z < 110:
            if not street.in_junction(z):
                yield roadside.street_lamp(rng, x, z, verge.side)
            z += pitch
        for _ in range(int(rng.poisson(2.2))):
            z = float(rng.uniform(6, 45))
            if not street.in_junction(z):
                yield roadside.road_sign(rng, x + float(rng.uniform(-0.2, 0.6)) * verge.side, z)
        if rng.random() < 0.22:
            row, spacing = float(rng.uniform(5, 20)), float(rng.uniform(1.6, 3.0))
            for number in range(int(rng.integers(4, 14))):
                yield roadside.bollard(rng, verge.at(verge.path + 0.3), row + number * spacing)
        if rng.random() < 0.35:
            yield roadside.litter_bin(rng, verge.at(verge.front - 0.6), float(rng.uniform(7, 30)))
        if rng.random() < 0.1:
            yield roadside.gantry(rng, x, float(rng.uniform(14, 45)), verge.side)
        yield from _lights(rng, street, verge, x)


def _lights(rng: np.random.Generator, street: Street, verge: Verge, x: float) -> Iterator[Thing]:
    """Traffic lights before and beyond a junction."""
    if street.junction and rng.random() < 0.85:
        yield roadside.traffic_light(rng, x, street.junction[0] - 5.0, verge.side, bool(rng.random() < 0.45))
        yield roadside.traffic_light(rng, x, street.junction[1] + 1.0, verge.side, bool(rng.random() < 0.3))
    elif rng.random() < 0.1:
        yield roadside.traffic_light(rng, x, float(rng.uniform(10, 30)), verge.side, bool(rng.random() < 0.3))


# ------------------------------------------------------------------------------------------------------------ traffic


def _large_or_car(rng: np.random.Generator, frame: vehicles.Frame, large: float) -> Thing:
    """Mostly a car; with probability `large` a truck or a bus, where there is room for its length."""
    if frame.z > 14 and rng.random() < large:
        return (vehicles.truck if rng.random() < 0.55 else vehicles.bus)(rng, frame)
    return vehicles.car(rng, frame)


def _traffic(rng: np.random.Generator, traits: Traits, street: Street, camera: Camera) -> Iterator[Thing]:
    """Moving vehicles lane by lane with the gaps of real traffic, and parked ones along the kerbs."""
    lanes = int(street.verges[1].kerb / LANE)
    share = traits.moving_cars * float(rng.gamma(2.0, 0.5)) / (2 * lanes)
    for lane in range(-lanes, lanes):
        x = (lane + 0.5) * LANE
        own = abs(x - camera.lateral) < LANE / 2
        z = float(rng.uniform(9, 16)) if own else float(rng.uniform(4, 14))
        for _ in range(int(rng.poisson(share))):
            z += float(rng.exponential(10.0))
            heading = 0.0 if lane >= 0 else math.pi
            frame = vehicles.Frame(x + float(rng.normal(0, 0.25)), z, heading + float(rng.normal(0, 0.03)))
            vehicle = _large_or_car(rng, frame, traits.large)
            yield vehicle
            z += _length(vehicle) + 3.0
    for verge, parked in zip(street.verges, street.parked_sides, strict=True):
        z = float(rng.uniform(4, 8))
        while parked and z < 95:
            if rng.random() < traits.parking and not street.in_junction(z, 5.0):
                facing = 0.0 if verge.side > 0 or rng.random() < 0.3 else math.pi
                frame = vehicles.Frame(verge.at(verge.kerb - 1.15), z, facing + float(rng.normal(0, 0.03)))
                yield vehicles.truck(rng, frame) if z > 20 and rng.random() < 0.015 else vehicles.car(rng, frame)
            z += float(rng.uniform(5.6, 6.6))


def _length(vehicle: Thing) -> float:
    ends = [z for _, z in vehicle.footprint]
    return max(ends) - min(ends)


def _crossing_traffic(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Vehicles seen from the side as they cross at the junction."""
    if not street.junction:
        return
    near, far = street.junction
    for share, direction in ((0.3, 1.0), (0.7, -1.0)):
        for _ in range(int(rng.poisson(0.55))):
            x, z = float(rng.uniform(-16, 16)), near + (far - near) * share
            yield _large_or_car(rng, vehicles.Frame(x, z, direction * math.pi / 2), 0.12)


def _trams(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """A tram on the tramway of most streets that have one."""
    for verge in street.verges:
        if verge.tramway and rng.random() < 0.75:
            x, heading = verge.at(verge.kerb + 2.35), 0.0 if verge.side > 0 else math.pi
            yield from vehicles.tram(rng, vehicles.Frame(x, float(rng.uniform(13, 40)), heading))


def _walkers(rng: np.random.Generator, traits: Traits, street: Street) -> Iterator[Thing]:
    """People on the pavements, alone or in groups, and some who cross the road."""
    for _ in range(int(rng.poisson(traits.walkers * float(rng.gamma(1.5, 0.67))))):
        verge = street.verges[int(rng.integers(2))]
        z = float(6 + rng.exponential(16))
        x = verge.at(float(rng.uniform(verge.path + 0.4, verge.front - 0.3)))
        for _ in range(1 + int(rng.poisson(0.35))):
            yield people.pedestrian(rng, x, z, KERB_HEIGHT)
            x, z = x + float(rng.uniform(-0.8, 0.8)), z + float(rng.uniform(-0.5, 0.5))
    if street.junction and rng.random() < 0.5:
        for _ in range(int(rng.poisson(1.5))):
            x = float(rng.uniform(-7, 7))
            yield people.pedestrian(rng, x, street.junction[0] - 2.0 + float(rng.normal(0, 0.7)), 0.0)


def _two_wheelers(rng: np.random.Generator, traits: Traits, street: Street) -> Iterator[Thing]:
    """Cyclists and motorcyclists at the edge of the road, and parked bicycles and motorcycles on the pavement."""
    for _ in range(int(rng.poisson(traits.cyclists))):
        verge = street.verges[int(rng.integers(2))]
        x, z = verge.at(verge.kerb - (2.6 if any(street.parked_sides) else 0.8)), float(6 + rng.exponential(13))
        ride = people.bicycle if rng.random() < 0.68 else people.motorcycle
        yield ride(rng, x + float(rng.normal(0, 0.3)), z, True)
    for _ in range(int(rng.poisson(0.65))):
        verge = street.verges[int(rng.integers(2))]
        x, z = verge.at(verge.path + 0.7), float(6 + rng.exponential(12))
        park = people.bicycle if rng.random() < 0.85 else people.motorcycle
        for _ in range(int(rng.integers(1, 4))):
            vehicle = park(rng, x + float(rng.normal(0, 0.2)), z, False)
            yield vehicle
            z += float(rng.uniform(0.6, 1.2))


def _bonnet(rng: np.random.Generator, camera: Camera, aspect: float) -> Thing:
    """The bonnet of the vehicle that carries the camera, at the lower edge of the picture."""
    rise, tint = float(rng.uniform(0.04, 0.12)), float(rng.random())
    points = [camera.on_lens(-0.02, 1.05)]
    for step in range(13):
        across = step / 12
        # A flattened arch: steep at the wings, nearly level over the middle.
        row = 1.0 - rise * (1 - abs(2 * across - 1) ** 3)
        points.append(camera.on_lens(across * aspect, row))
    points.append(camera.on_lens(aspect + 0.02, 1.05))
    return Thing(NEAREST, [Part(points, Label.IGNORED, Material.BONNET, tint)])
