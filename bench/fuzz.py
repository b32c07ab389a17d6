"""Bad inputs drawn from seeds, through the public readers: refused by a sentence that names the file, or read rightly?

`python -m bench.fuzz` damages, cuts, swaps and saves again images, labels, lists, params, checkpoints and caches.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from ruamel.yaml import YAML

from bench.pipeline import tiny_params
from bench.table import Row, machine, publish
from pipeline.cache.dump import dump
from pipeline.cache.parts import verify_part
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec
from pipeline.checkpoints.reading import read_checkpoint_file
from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.entries import label_reader, label_table
from pipeline.datasets.index import index_split
from pipeline.datasets.listing import Entry, without_suffix
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.problems import raise_on
from pipeline.datasets.split_lists import read_list
from pipeline.params import FolderSplit, read_params

OUTCOMES = ("refused", "right", "other content", "wrong label", "unnamed", "traceback")
"""`other content`: a picture, a list or weights that no reader can know to be wrong; never a label."""
SIZE = (24, 40)
"""height, width of pictures and labels: not a square, so that a turned label has another size"""
_IDS = (0, 1, 2, 7, 255)
Rng = np.random.Generator


class Case(NamedTuple):
    """What a bad input came to; ``message`` is the error."""

    kind: str
    seed: int
    outcome: str
    message: str = ""


def damaged(data: bytes, rng: Rng) -> bytes:
    """Bytes flipped, cut, emptied, zeroed, replaced or added."""
    way, at = int(rng.integers(8)), int(rng.integers(max(1, len(data))))
    content = bytearray(data)
    if way == 0:
        return bytes(content[:at])
    if way == 1:
        return b""
    if way == 2:
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif way == 3:
        return rng.bytes(len(data))
    elif way == 4:
        return b"<!DOCTYPE html><html><body>404</body></html>"
    elif way == 5:
        return data + rng.bytes(16)
    elif way == 6:
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    else:
        for position in rng.integers(len(data), size=int(rng.integers(1, 9))):
            content[position] ^= 1 << int(rng.integers(8))
    return bytes(content)


def encoded(picture: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------------ images, labels


def pair(folder: Path, rng: Rng) -> tuple[Entry, np.ndarray, np.ndarray]:
    """A sound image and label in ``folder``, and what is in them."""
    image_HW3 = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    label_HW = rng.choice(np.array(_IDS, np.uint8), SIZE)
    Image.fromarray(image_HW3).save(folder / "image.png")
    Image.fromarray(label_HW).save(folder / "label.png")
    return Entry("a", folder / "image.png", folder / "label.png"), image_HW3, label_HW


def read_pair(entry: Entry, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read as `prepare` and the stages do; the label is in ids of the class set."""
    meaning = {0: "road", 1: "sidewalk", 2: "building", 7: "sky", 255: "ignore"}
    split = FolderSplit.model_validate({"layout": "folder", "root": str(folder), "class_map": meaning})
    table, read, destination = label_table(split, CITYSCAPES_19), label_reader(split), folder / "manifest.jsonl"
    options: dict[str, Any] = {"needs_labels": True, "crop": None, "workers": 1, "progress": False, "read": read}
    raise_on(index_split([entry], table, destination, **options))
    manifest = Manifest(destination)
    labels = SplitLabels(manifest, crop=None, size=None, table=table, read=read)
    return SplitImages(manifest, crop=None, size=SIZE).image(0), labels.label(0)


def other_image(image_HW3: np.ndarray, rng: Rng) -> bytes:
    """The picture in another mode, format or size."""
    picture = Image.fromarray(image_HW3)
    ways: list[Callable[[], bytes]] = [
        lambda: encoded(Image.fromarray(image_HW3[..., 0].astype(np.uint16) * 257), "PNG"),
        lambda: encoded(picture.convert("L").convert("F"), "TIFF"),
        lambda: encoded(picture.resize((7, 7)), "PNG"),
        lambda: encoded(picture, "GIF"),
        lambda: encoded(picture, "JPEG")[:-40],
        lambda: encoded(picture.convert("CMYK"), "TIFF"),
        lambda: encoded(picture.transpose(Image.Transpose.ROTATE_90), "PNG"),
    ]
    return ways[int(rng.integers(len(ways)))]()


def other_label(label_HW: np.ndarray, rng: Rng) -> bytes:
    """The label as other programs save it again: lossy, coloured, smoothed, shifted, turned, in other bits."""
    picture = Image.fromarray(label_HW)
    coloured = picture.convert("P")
    coloured.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    smooth = picture.resize((SIZE[1] * 2, SIZE[0] * 2), Image.Resampling.BICUBIC).resize(
        SIZE[::-1], Image.Resampling.BOX
    )
    ways: list[Callable[[], bytes]] = [
        lambda: encoded(picture, "JPEG"),
        lambda: encoded(picture, "WEBP"),
        lambda: encoded(coloured, "PNG"),
        lambda: encoded(coloured.convert("RGB"), "PNG"),
        lambda: encoded(picture.convert("RGB"), "PNG"),
        lambda: encoded(picture.convert("LA"), "PNG"),
        lambda: encoded(smooth, "PNG"),
        lambda: encoded(picture.transpose(Image.Transpose.ROTATE_90), "PNG"),
        lambda: encoded(Image.fromarray(label_HW.astype(np.uint16) * 257), "PNG"),
        lambda: encoded(Image.fromarray(label_HW.astype(np.int32)), "TIFF"),
        lambda: encoded(Image.fromarray(label_HW.astype(np.float32)), "TIFF"),
        lambda: encoded(picture, "TIFF"),
        lambda: encoded(picture, "BMP"),
        lambda: encoded(Image.fromarray(np.where(label_HW == 7, 8, label_HW).astype(np.uint8)), "PNG"),
    ]
    return ways[int(rng.integers(len(ways)))]()


def bad_image(folder: Path, rng: Rng) -> str:
    entry, image_HW3, label_HW = pair(folder, rng)
    data = entry.image.read_bytes()
    entry.image.write_bytes(damaged(data, rng) if rng.random() < 0.7 else other_image(image_HW3, rng))
    read_HW3, read_HW = read_pair(entry, folder)
    if not np.array_equal(read_HW, truth_of(label_HW)):
        return "wrong label"
    return "right" if np.array_equal(read_HW3, image_HW3) else "other content"


def bad_label(folder: Path, rng: Rng) -> str:
    entry, _, label_HW = pair(folder, rng)
    assert entry.label is not None
    data = entry.label.read_bytes()
    entry.label.write_bytes(damaged(data, rng) if rng.random() < 0.5 else other_label(label_HW, rng))
    _, read_HW = read_pair(entry, folder)
    return "right" if np.array_equal(read_HW, truth_of(label_HW)) else "wrong label"


def truth_of(label_HW: np.ndarray) -> np.ndarray:
    """Indices of Cityscapes' 19 for the ids of ``pair``."""
    truth = np.full(256, 255, np.uint8)
    truth[[0, 1, 2, 7]] = 0, 1, 2, 10
    truth_HW: np.ndarray = truth[label_HW]
    return truth_HW


def changed_label(folder: Path, rng: Rng) -> str:
    """A label that is overwritten between `prepare` and a stage, by as many bytes."""
    entry, _, label_HW = pair(folder, rng)
    assert entry.label is not None
    label = entry.label
    Image.fromarray(label_HW).save(label, compress_level=0)
    read_pair(entry, folder)
    manifest = Manifest(folder / "manifest.jsonl")
    other_HW = np.roll(label_HW, int(rng.integers(1, 20)), axis=1)
    Image.fromarray(other_HW).save(label, compress_level=0)
    table = label_table(
        FolderSplit.model_validate({"layout": "folder", "root": ".", "class_map": dict.fromkeys(_IDS, "road")}),
        CITYSCAPES_19,
    )
    SplitLabels(manifest, crop=None, size=None, table=table).label(0)
    return "right" if np.array_equal(other_HW, label_HW) else "wrong label"


# --------------------------------------------------------------------------------------- lists, params, weights, caches


def bad_list(folder: Path, rng: Rng) -> str:
    ids = {f"{number:03}" for number in range(20)}
    chosen = set(rng.choice(sorted(ids), 5, replace=False).tolist())
    path = folder / "list.txt"
    path.write_bytes(damaged("".join(f"{name}.png\n" for name in sorted(chosen)).encode(), rng))
    return "right" if read_list(path, ids, without_suffix) == chosen else "other content"


def bad_params(folder: Path, rng: Rng) -> str:
    path, params = folder / "params.yaml", tiny_params()
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(spoilt(params, rng), file)
    if rng.random() < 0.3:
        path.write_bytes(damaged(path.read_bytes(), rng))
    read_params(path)
    return "right"  # other values that are allowed


def spoilt(params: dict[str, Any], rng: Rng) -> dict[str, Any]:
    """The params with one key renamed, removed or of another value, somewhere."""
    values: list[Any] = [None, "", "x", -1, 10**30, float("nan"), [], {}, [1], {"a": 1}, True, "2020-01-01", [[None]]]
    node: Any = params
    while True:
        key = sorted(node, key=str)[int(rng.integers(len(node)))]
        if isinstance(node[key], dict) and node[key] and rng.random() < 0.7:
            node = node[key]
            continue
        way = int(rng.integers(3))
        value = node.pop(key)
        if way == 0:
            node[f"{key}s"] = value
        elif way == 1:
            node[key] = values[int(rng.integers(len(values)))]
        return params


def bad_checkpoint(folder: Path, rng: Rng) -> str:
    path = folder / "weights.pth"
    tensors = {"conv.weight": torch.arange(64.0).reshape(4, 4, 2, 2), "conv.bias": torch.ones(4)}
    torch.save({"state_dict": tensors, "step": 5}, path)
    path.write_bytes(damaged(path.read_bytes(), rng))
    read = read_checkpoint_file(path).tensors
    same = read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    return "right" if same else "other content"


def bad_cache(folder: Path, rng: Rng) -> str:
    """As `roundabout cache verify` and a stage read it: the HDF5 library itself may hang over damaged bytes."""
    logits_NChw = torch.from_numpy(rng.normal(size=(2, 3, 6, 8)).astype(np.float32)) * 4
    spec = CacheSpec("a-fingerprint", ("a", "b", "c"), SIZE, "logits", 2, 2, align_corners=True)
    dump(torch.tensor, ["x", "y"], lambda positions: [logits_NChw[positions]], folder / "cache", spec, batch=2)
    truth = [CacheReader(folder / "cache").label(number) for number in range(2)]
    (path,) = sorted((folder / "cache").glob("part-*.h5"))
    path.write_bytes(damaged(path.read_bytes(), rng))
    verify_part(path)
    reader = CacheReader(folder / "cache")
    read = [reader.pixels(number).label_HW.numpy() for number in range(2)]
    same = all(np.array_equal(one, other) for one, other in zip(read, truth, strict=True))
    return "right" if same else "wrong label"


KINDS: dict[str, Callable[[Path, Rng], str]] = {
    "image": bad_image,
    "label": bad_label,
    "label changed after prepare": changed_label,
    "list": bad_list,
    "params": bad_params,
    "checkpoint": bad_checkpoint,
    "cache": bad_cache,
}


def tried(kind: str, seed: int) -> Case:
    """One bad input of a kind."""
    rng = np.random.default_rng((list(KINDS).index(kind), seed))
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Case(kind, seed, KINDS[kind](Path(folder), rng))
        except ReadableError as error:
            return Case(kind, seed, "refused" if folder in str(error) else "unnamed", str(error))
        except Exception as error:
            return Case(kind, seed, "traceback", f"{type(error).__name__}: {error}")


def fuzz(inputs: int, first: int = 0) -> list[Case]:
    """Try so many bad inputs, as many of each kind."""
    each = -(-inputs // len(KINDS))
    return [tried(kind, seed) for kind in KINDS for seed in range(first, first + each)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2400)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    arguments = parser.parse_args()
    cases = fuzz(arguments.inputs, arguments.first)
    counts = {kind: Counter(case.outcome for case in cases if case.kind == kind) for kind in KINDS}
    bad = [case for case in cases if case.outcome in ("wrong label", "unnamed", "traceback")]
    for case in bad:
        print(f"{case.kind} {case.seed}: {case.outcome}: {case.message[:200]}")
    rows = [Row("inputs", len(cases), "", ">= 2000", len(cases) >= 2000)]
    for outcome in OUTCOMES:
        count, zero = sum(counter[outcome] for counter in counts.values()), outcome in OUTCOMES[3:]
        rows.append(Row(outcome, count, "inputs", "0" if zero else None, count == 0 if zero else None))
    rows += [
        Row(f"{kind}: {outcome}", count, "inputs", None, None)
        for kind, counter in counts.items()
        for outcome, count in sorted(counter.items())
    ]
    publish("fuzz", rows, f"{machine()}; seeds from {arguments.first}")


if __name__ == "__main__":
    main()
