"""Names and colours of a cache's classes."""

from __future__ import annotations

import colorsys

from pipeline.common.labels import CLASS_SETS, ClassSet

_GOLDEN = 0.618034


def classes_of(names: tuple[str, ...]) -> ClassSet:
    """Return the classes of a cache: in the class sets' colours where one has the name, else in distinct hues."""
    known = {
        name: colour
        for classes in CLASS_SETS.values()
        for name, colour in zip(classes.names, classes.palette, strict=True)
    }
    return ClassSet("cache", names, tuple(known.get(name) or _own(number) for number, name in enumerate(names)))


def _own(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb((number * _GOLDEN) % 1, (0.62, 0.42, 0.76)[number % 3], 0.65)
    return round(255 * red), round(255 * green), round(255 * blue)
