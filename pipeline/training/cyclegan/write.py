"""Writing all source images, translated. Files that a killed run has written are kept."""

# H/W pixels

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from pipeline.common.device import Device
from pipeline.common.files import whole_file, write_bytes
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import content_hash, line_of
from pipeline.datasets.parallel import in_order
from pipeline.training.cyclegan.objective import scaled, to_bytes

_IN_FLIGHT = 4  # per thread: loaded images, and translated ones that are not written yet


@torch.inference_mode()
def translated(generator: nn.Module, image_HW3: np.ndarray, computer: Device) -> np.ndarray:
    """Return an image (H,W,3) uint8, translated."""
    image_13HW = torch.from_numpy(image_HW3).permute(2, 0, 1)[None].to(computer.device)
    with computer.autocast():
        translated_13HW = to_bytes(generator(scaled(image_13HW)))
    translated_HW3: np.ndarray = translated_13HW[0].permute(1, 2, 0).cpu().numpy()
    return translated_HW3


def write_images(generator: nn.Module, images: SplitImages, folder: Path, computer: Device, threads: int) -> None:
    """Write ``folder``/ID.png for every image without one; threads load and compress beside the generator."""
    generator.eval()

    def load(position: int) -> tuple[Path, np.ndarray]:
        return picture_path(folder, images.id(position)), images.image(position)

    def write(picture: tuple[Path, np.ndarray]) -> None:
        buffer = BytesIO()
        Image.fromarray(picture[1]).save(buffer, format="PNG")
        write_bytes(picture[0], buffer.getvalue())

    missing = [position for position in range(len(images)) if not picture_path(folder, images.id(position)).exists()]
    # Two pools: a thread that waits to write must not keep one from loading
    with ThreadPoolExecutor(threads) as loaders, ThreadPoolExecutor(threads) as writers:
        loaded = in_order(loaders, load, missing, threads * _IN_FLIGHT)
        pictures = ((path, translated(generator, image_HW3, computer)) for path, image_HW3 in loaded)
        written = in_order(writers, write, pictures, threads * _IN_FLIGHT)
        for _ in tqdm(written, total=len(missing), desc="translated", unit=" images", disable=None):
            pass


def write_manifest(images: SplitImages, folder: Path, destination: Path, path: Path) -> None:
    """Write the source's manifest for the translated images in ``folder``, with their paths in ``destination``."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as manifest:
        manifest.writelines(_lines(images, folder, destination))


def picture_path(folder: Path, identity: str) -> Path:
    """Return the path of an id's translated image; an id may hold ``/``."""
    return folder / f"{identity}.png"


def _lines(images: SplitImages, folder: Path, destination: Path) -> Iterator[str]:
    height, width = images.size
    for row in images.manifest:
        data = picture_path(folder, row.id).read_bytes()
        yield line_of(
            row._replace(
                image=str(picture_path(destination, row.id)),
                image_hash=content_hash(data),
                image_bytes=len(data),
                height=height,
                width=width,
                image_box=None,  # a tile has become a picture; its label is still a window of a larger one
            )
        )
