"""Small data sets in the published formats: names, folders, bit depth, channel order, palette, one odd-sized image.

Each writer answers the labels that it wrote, as ids of the data set, by the image's id in Roundabout.

# H/W pixels, 3 red, green, blue
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID
from pipeline.datasets.layouts.camvid import CAMVID_COLOURS
from pipeline.datasets.layouts.carla import CARLA_IDS
from pipeline.datasets.layouts.synthia import SYNTHIA_IDS
from pipeline.datasets.meaning import CITYSCAPES_IDS, TRAIN_IDS

Labels = dict[str, np.ndarray]
SIZE = (24, 44)
ODD = (22, 42)
"""One image of each set is as large as this: the published ones have strays too (GTA5)."""


def png(channel_CHW: np.ndarray) -> bytes:
    """A PNG file of one to four channels of 8 or 16 bits, written by hand: Pillow cannot write 16 bits a channel."""
    channels, height, width = channel_CHW.shape
    bits = 8 * channel_CHW.dtype.itemsize
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    plain = np.moveaxis(channel_CHW, 0, -1).astype(f">u{bits // 8}").reshape(height, -1).view(np.uint8).astype(int)
    left = np.pad(plain, ((0, 0), (channels * bits // 8, 0)))[:, : plain.shape[1]]
    above = np.pad(plain, ((1, 0), (0, 0)))[:-1]
    filtered = (plain, plain - left, plain - above)  # none, sub and up in turns, as real files mix them
    pixels = b"".join(
        bytes([row % 3]) + (filtered[row % 3][row] % 256).astype(np.uint8).tobytes() for row in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def photograph(seed: int, size: tuple[int, int]) -> Image.Image:
    """An 8-bit colour image; no two are equal."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def blocks(seed: int, size: tuple[int, int], ids: list[int]) -> np.ndarray:
    """A label (H,W) uint8 of blocks of 2x2 pixels in which every id occurs."""
    height, width = size
    generator = np.random.default_rng([seed, 7])
    small = np.resize(generator.permutation(ids), height * width // 4)
    small = generator.permutation(small).reshape(height // 2, width // 2)
    return small.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)


def sizes(count: int) -> list[tuple[int, int]]:
    """The sizes of so many images: the last is odd."""
    return [SIZE] * (count - 1) + [ODD]


def save(picture: Image.Image | bytes, path: Path) -> None:
    """Writes a picture, or a file's bytes, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path)


def in_colour(label_HW: np.ndarray) -> Image.Image:
    """Cityscapes label ids as an indexed picture with Cityscapes' palette, as GTA5 has them."""
    palette = np.zeros((256, 3), np.uint8)
    for identity, train_id in CITYSCAPES_ID_TO_TRAIN_ID.items():
        palette[identity] = CITYSCAPES_19.palette[train_id]
    picture = Image.fromarray(label_HW)
    picture.putpalette(palette.ravel().tolist())
    return picture


def gta5(root: Path, count: int = 3) -> Labels:
    """images/00001.png, labels/00001.png: mode P, of which the indices count."""
    labels = {}
    for number, size in enumerate(sizes(count), start=1):
        name = f"{number:05}"
        labels[name] = blocks(number, size, [identity for identity in CITYSCAPES_IDS if identity != 255])
        save(photograph(number, size), root / "images" / f"{name}.png")
        save(in_colour(labels[name]), root / "labels" / f"{name}.png")
    return labels


def cityscapes(root: Path, split: str = "train", count: int = 3) -> Labels:
    """leftImg8bit/ and gtFine/ with all that the archives hold beside the label ids; test has placeholders."""
    labels = {}
    for number, size in enumerate(sizes(count)):
        city, stem = "aachen", f"aachen_{number:06}_000019"
        seed = 100 + number + 50 * len(split)
        label_HW = blocks(seed, size, [identity for identity in CITYSCAPES_IDS if identity not in (34, 255)])
        save(photograph(seed, size), root / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png")
        fine = root / "gtFine" / split / city
        save(Image.fromarray(label_HW * (split != "test")), fine / f"{stem}_gtFine_labelIds.png")
        save(Image.fromarray(label_HW.astype(np.uint16) * 1000), fine / f"{stem}_gtFine_instanceIds.png")
        save(in_colour(label_HW).convert("RGBA"), fine / f"{stem}_gtFine_color.png")
        save(b"{}", fine / f"{stem}_gtFine_polygons.json")
        labels[stem] = label_HW
    return labels


def synthia(root: Path, count: int = 3, copy: str | None = None) -> Labels:
    """RGB/ and GT/: 16-bit labels, class in the first channel and instance in the second; or an 8-bit ``copy``.

    ``copy`` is a folder of LABEL_FOLDERS, or "train ids" for DAFormer's files beside the published ones.
    """
    labels = {}
    for number, size in enumerate(sizes(count)):
        name = f"{number:07}"
        label_HW = blocks(200 + number, size, [identity for identity in SYNTHIA_IDS if SYNTHIA_IDS[identity].occurs])
        instance_HW = np.random.default_rng(number).integers(0, 977, size, dtype=np.uint16)
        save(photograph(200 + number, size), root / "RGB" / f"{name}.png")
        if copy is None or copy == "train ids":
            deep_CHW = np.stack([label_HW.astype(np.uint16), instance_HW, np.zeros(size, np.uint16)])
            save(png(deep_CHW), root / "GT" / "LABELS" / f"{name}.png")
            save(photograph(number, size), root / "GT" / "COLOR" / f"{name}.png")
        else:
            save(Image.fromarray(label_HW), root / copy / f"{name}.png")
        if copy == "train ids":
            label_HW = blocks(200 + number, size, list(TRAIN_IDS))
            save(Image.fromarray(label_HW), root / "GT" / "LABELS" / f"{name}_labelTrainIds.png")
        labels[name] = label_HW
    return labels


def synscapes(root: Path, count: int = 11) -> Labels:
    """img/rgb/1.png, img/class/1.png: numbers without zeros in front."""
    labels = {}
    for number, size in enumerate(sizes(count), start=1):
        label_HW = blocks(300 + number, size, [identity for identity in CITYSCAPES_IDS if identity not in (34, 255)])
        save(photograph(300 + number, size), root / f"img/rgb/{number}.png")
        save(Image.fromarray(label_HW), root / f"img/class/{number}.png")
        labels[f"{number:08}"] = label_HW
    return labels


def nthu(root: Path, city: str = "Rome", test: int = 3, train: int = 2) -> Labels:
    """CITY/Images/{Train,Test} and CITY/Labels/Test/*_eval.png; answers the test images' labels."""
    labels = {}
    for number in range(train):
        save(photograph(400 + number, SIZE), root / city / f"Images/Train/pano_{number:05}_0_0.jpg")
    for number, size in enumerate(sizes(test)):
        stem = f"pano_{number:05}_2_180"
        label_HW = blocks(400 + number, size, [identity for identity in CITYSCAPES_IDS if identity not in (34, 255)])
        ending = "png" if number % 2 else "jpg"
        save(photograph(450 + number, size), root / city / f"Images/Test/{stem}.{ending}")
        save(Image.fromarray(label_HW), root / city / f"Labels/Test/{stem}_eval.png")
        labels[stem] = label_HW
    return labels


def bdd100k(root: Path, split: str = "train", count: int = 3, old: bool = False) -> Labels:
    """images/10k/SPLIT/*.jpg and labels/sem_seg/masks/SPLIT/*.png; or the release of 2018, seg/."""
    labels = {}
    for number, size in enumerate(sizes(count)):
        stem = f"{number:08x}-7dff88{number:02x}"
        images, masks = f"images/10k/{split}", f"labels/sem_seg/masks/{split}"
        if old:
            images, masks = f"seg/images/{split}", f"seg/labels/{split}"
        save(photograph(500 + 1000 * len(split) + number, size), root / images / f"{stem}.jpg")
        if split != "test":
            labels[stem] = blocks(500 + number, size, list(TRAIN_IDS))
            save(Image.fromarray(labels[stem]), root / masks / f"{stem}{'_train_id' * old}.png")
    return labels


def camvid_segnet(root: Path, split: str = "train", count: int = 3) -> Labels:
    """SPLIT/*.png and SPLITannot/*.png with ids 0 to 11."""
    labels = {}
    for number, size in enumerate(sizes(count)):
        stem = f"0001TP_{6690 + 30 * number:06}"
        labels[stem] = blocks(600 + number, size, list(range(12)))
        save(photograph(600 + number, size), root / split / f"{stem}.png")
        save(Image.fromarray(labels[stem]), root / f"{split}annot" / f"{stem}.png")
    return labels


def camvid_original(root: Path, count: int = 3) -> Labels:
    """701_StillsRaw_full/*.png and LabeledApproved_full/*_L.png: colours, no ids."""
    labels = {}
    palette = np.array(CAMVID_COLOURS, np.uint8)
    for number, size in enumerate(sizes(count)):
        stem = f"0001TP_{6690 + 30 * number:06}"
        labels[stem] = blocks(700 + number, size, list(range(32)))
        save(photograph(700 + number, size), root / "701_StillsRaw_full" / f"{stem}.png")
        save(Image.fromarray(palette[labels[stem]]), root / "LabeledApproved_full" / f"{stem}_L.png")
    return labels


def carla(root: Path, tags: str = "0.9.10", count: int = 11) -> Labels:
    """rgb/N.png and segmentation/N.png: BGRA cameras saved as RGBA, the tag in red."""
    labels = {}
    for number, size in enumerate(sizes(count)):
        label_HW = blocks(800 + number, size, list(CARLA_IDS[tags]))
        empty_HW = np.zeros(size, np.uint8)
        save(photograph(800 + number, size), root / f"rgb/{number}.png")
        save(
            Image.fromarray(np.dstack([label_HW, empty_HW, empty_HW, empty_HW + 255])),
            root / f"segmentation/{number}.png",
        )
        labels[f"{number:08}"] = label_HW
    return labels
