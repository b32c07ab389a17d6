"""A window of an image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Box(NamedTuple):
    """A window of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, plane: Tensor) -> Tensor:
        """The window of a tensor (…,H,W)."""
        return plane[..., self.top : self.top + self.height, self.left : self.left + self.width]
