"""Cut the golden values that the tests read out of the whole files.

    python tests/golden/cut.py FOLDER

FOLDER holds author_code_volumes.npz, architectures.npz, checkpoint_keys.json, teacher_code.npz and daformer.npz; what
is written lies beside this program. Numbers stay bit for bit; README.md says what is left out.

# N images, C class, H/W pixels
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

HERE = Path(__file__).resolve().parent
PARTS = 5
STEP = 3
NETWORKS = (
    "deeplabv2_multi", "deeplabv2_single", "fcn8s", "discriminator",
    "segformer_mit_b0", "daformer_mit_b0", "hrda_mit_b0",
)  # fmt: skip
AT_IMAGE_SIZE = ("deeplabv2_single_bdl", "fcn8s")
INPUTS = ("input", "disc_input")
TEACHER_STEP = 6
CHANNEL_STEP = 8
LARGEST_FILE, LARGEST_SUM = 1_000_000, 5_600_000


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an HDF5 file, compressed without loss."""
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": array.shape}
            file.create_dataset(key, data=array, **(packed if array.size > 1000 else {}))


def cut_volumes(source: Path) -> None:
    """Write the probabilities in parts, and the answers without those of stride 1, which no test reads."""
    with np.load(source) as file:
        arrays: dict[str, Any] = {key: file[key] for key in file.files if "stride1" not in key}
    for number, prob_NCHW in enumerate(np.array_split(arrays.pop("prob"), PARTS)):
        write(HERE / f"volumes-{number}.h5", {"prob": prob_NCHW})
    write(HERE / "author_answers.h5", arrays)


def cut_architectures(source: Path) -> None:
    """Write the outputs, of those at image size every third pixel of both axes; inputs are drawn again."""
    with np.load(source) as file:
        arrays = {key: file[key] for key in file.files}
    for key, drawn in drawn_inputs().items():
        np.testing.assert_allclose(drawn.numpy(), arrays.pop(key), rtol=1e-6)
    for key in AT_IMAGE_SIZE:
        arrays[key] = arrays[key][..., ::STEP, ::STEP]
    write(HERE / "architectures.h5", arrays)


def drawn_inputs() -> dict[str, torch.Tensor]:
    """Return the inputs of the networks, by the rule with which they were drawn."""
    first, second = torch.Generator().manual_seed(7), torch.Generator().manual_seed(8)
    return {
        "input": torch.randn(1, 3, 97, 161, generator=first),
        "disc_input": torch.randn(1, 19, 64, 96, generator=second).softmax(dim=1),
    }


def cut_keys(source: Path) -> None:
    """Write the names and shapes of the networks that tests build."""
    stored = json.loads(source.read_text(encoding="utf-8"))
    kept = {name: keys for name, keys in stored.items() if name.startswith(NETWORKS)}
    lines = json.dumps(kept).replace("], ", "],\n").replace("}, ", "},\n")
    (HERE / "checkpoint_keys.json").write_text(f"{lines}\n", encoding="utf-8")


def cut_teacher(source: Path) -> None:
    """Write what tests read: of images and gradients every sixth pixel, of a state dict one vector."""
    with np.load(source) as file:
        kept = {key: file[key] for key in file.files if not _left_out(key)}
    arrays = {key: _thinned(key, array) for key, array in kept.items() if "/" not in key}
    # a vector for each state dict, its tensors in their order: hundreds of small arrays would be mostly headers
    states = [key for key in kept if "/" in key]
    for name, keys in itertools.groupby(states, lambda key: key.split("/")[0]):
        arrays[name] = np.concatenate([kept[key].ravel().astype(np.float32) for key in keys])
    np.savez_compressed(HERE / "teacher_code.npz", **arrays)


def _left_out(key: str) -> bool:
    """Return whether no test reads it, or what it follows from is there."""
    rooms = ("hrda", "fda", "blur", "mix_b_mixed", "mix_b_pseudo")
    return key.startswith(rooms) or "_teacher_logits_" in key or key == "step_mixed_image0" or key.endswith("_seed")


def _thinned(key: str, array: np.ndarray) -> np.ndarray:
    """Return every sixth pixel of both axes of what is compared pixel by pixel, else the whole."""
    pixelwise = key.startswith(("mix_", "mask_")) and key.endswith("image")
    thinned = pixelwise or (key.startswith("loss_") and key.endswith("gradient"))
    return array[..., ::TEACHER_STEP, ::TEACHER_STEP] if thinned else array


def cut_daformer(source: Path) -> None:
    """Write inputs, logits, optimiser and schedule; of features every eighth channel."""
    left_out = ("preprocess", "daformer_b0_label", "daformer_b0_whole", "daformer_b0_logits_64x64", "weight_salt",
                "daformer_b0_upsampled")  # fmt: skip
    with np.load(source) as file:
        arrays = {key: file[key] for key in file.files if not key.startswith(left_out)}
    thinned = {key: array[:, ::CHANNEL_STEP] for key, array in arrays.items() if key.startswith("mit_b0_features")}
    np.savez_compressed(HERE / "daformer.npz", **(arrays | thinned))


def check_sizes() -> None:
    """Raise ValueError where a file or all together are larger than a checkout should carry."""
    sizes = {path.name: path.stat().st_size for path in HERE.iterdir() if path.suffix in (".h5", ".json", ".npz")}
    print(*(f"{size:>9,} {name}" for name, size in sorted(sizes.items())), f"{sum(sizes.values()):>9,}", sep="\n")
    if max(sizes.values()) >= LARGEST_FILE or sum(sizes.values()) >= LARGEST_SUM:
        raise ValueError(f"more than {LARGEST_FILE:,} bytes in a file, or than {LARGEST_SUM:,} in all")


def main() -> None:
    """Cut all files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the whole files are")
    folder = parser.parse_args().folder
    cut_volumes(folder / "author_code_volumes.npz")
    cut_architectures(folder / "architectures.npz")
    cut_keys(folder / "checkpoint_keys.json")
    cut_teacher(folder / "teacher_code.npz")
    cut_daformer(folder / "daformer.npz")
    check_sizes()


if __name__ == "__main__":
    main()
