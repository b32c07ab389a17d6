"""The pool: discriminators also see earlier translated images (Shrivastava et al., CVPR 2017)."""

# N batch, K images remembered, H/W pixels

from __future__ import annotations

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Up to ``capacity`` images of one size. It is a module, so that checkpoints include them."""

    image_K3HW: Tensor
    filled: Tensor

    def __init__(self, capacity: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("image_K3HW", torch.zeros(capacity, 3, *size))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def exchange(self, image_N3HW: Tensor) -> Tensor:
        """Return as many images as given: each is, with even chances, itself or one of the pool, which it replaces.

        Until the pool is full, images are added and returned. Draws from torch's global generator.
        """
        capacity = len(self.image_K3HW)
        if capacity == 0:
            return image_N3HW
        exchanged = []
        for image_3HW in image_N3HW.float():
            if int(self.filled) < capacity:
                self.image_K3HW[int(self.filled)] = image_3HW
                self.filled += 1
                exchanged.append(image_3HW)
            elif float(torch.rand(())) > 0.5:
                index = int(torch.randint(capacity, ()))
                exchanged.append(self.image_K3HW[index].clone())
                self.image_K3HW[index] = image_3HW
            else:
                exchanged.append(image_3HW)
        return torch.stack(exchanged)
