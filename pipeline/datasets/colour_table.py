"""Colours of a label file and the ids that they stand for."""

# K colours, H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.datasets.problems import DataError

Colour = tuple[int, int, int]
_NO_ID = 255
_SHOWN = 3  # unknown colours in a message: a resized label has hundreds


class ColourTable:
    """From colours to ids below 255, which several colours may share.

    A table of all 2**24 colours, 16 MB: looking a colour up is five times as fast as a search among the known ones.
    """

    def __init__(self, colours: Sequence[Colour], ids: Sequence[int]) -> None:
        self.colours_K3 = np.array(colours, dtype=np.uint8).reshape(-1, 3)
        self._table = np.full(1 << 24, _NO_ID, np.uint8)
        self._table[_packed(self.colours_K3)] = ids

    def ids(self, colour_HW3: np.ndarray) -> np.ndarray:
        """Return the ids (H,W) uint8 of colours (H,W,3) uint8.

        Raises:
            DataError: with up to three colours that are not in the table, each with its pixels and the nearest that is.
        """
        packed_HW = _packed(colour_HW3)
        id_HW: np.ndarray = self._table[packed_HW]
        if id_HW.max() == _NO_ID:
            raise DataError(self._unknown(packed_HW[id_HW == _NO_ID]))
        return id_HW

    def _unknown(self, packed: np.ndarray) -> str:
        values, counts = np.unique(packed, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:_SHOWN]
        listed = ", ".join(
            f"{colour} ({counts[number]} pixels; nearest: {self._nearest(colour)})"
            for number in most
            for colour in [_unpacked(int(values[number]))]
        )
        more = f" and {len(values) - len(most)} more colours" if len(values) > len(most) else ""
        return (
            f"holds {len(packed)} pixels of colours that the data set does not define, such as {listed}{more}; is it"
            " resized or compressed? Take the label files as published; in the layout `folder`, add to class_map a"
            " class or `ignore` for each colour"
        )

    def _nearest(self, colour: Colour) -> Colour:
        distance_K = ((self.colours_K3.astype(int) - colour) ** 2).sum(axis=1)
        red, green, blue = map(int, self.colours_K3[distance_K.argmin()])
        return red, green, blue


def _packed(colour_HW3: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(colour_HW3.astype(np.uint32), -1, 0)
    packed: np.ndarray = red << 16 | green << 8 | blue
    return packed


def _unpacked(packed: int) -> Colour:
    return packed >> 16, packed >> 8 & 255, packed & 255
