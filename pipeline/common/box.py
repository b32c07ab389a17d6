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
        """Return the window of a tensor (…,H,W)."""
        return plane[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def mirrored(self, width: int) -> Box:
        """Return the window in the mirror image of an image of that width."""
        return self._replace(left=width - self.left - self.width)

    def lies_in(self, size: tuple[int, int]) -> bool:
        """Return whether the window holds pixels, and only pixels of an image (H,W)."""
        return (
            self.height > 0
            and self.width > 0
            and 0 <= self.top <= size[0] - self.height
            and 0 <= self.left <= size[1] - self.width
        )
