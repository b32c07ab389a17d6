"""Importing probabilities that another program wrote as .npy or .npz into a cache."""

# N images, C class, H/W pixels

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.cache.dump import write_cache
from pipeline.cache.encode import encode_probabilities
from pipeline.cache.measure import Job
from pipeline.cache.schema import CacheError, CacheSpec
from pipeline.common.files import fingerprint

Layout = Literal["auto", "chw", "hwc"]
_USUAL_NAMES = ("probabilities", "prob", "probs")
_EXACT_UP_TO = 2**30  # bytes of float32 volumes that the profile auto keeps as they are
# Sums over the classes that are off by more than the first are divided out, by more than the second refused. Half
# floats are off by 5e-4, bytes over 255 by some hundredths.
_DIVIDED_FROM, _REFUSED_FROM = 1e-3, 0.05


Header = tuple[tuple[int, ...], bool, np.dtype]
"""Shape of an array in a .npz, whether it is in Fortran order, its type."""


class Volumes(NamedTuple):
    """Volumes in files: ids, the shape that all share, and how to read one after the other."""

    image_ids: list[str]
    shape: tuple[int, int, int]
    """(C,H,W)."""
    read: Callable[[int], np.ndarray]
    """Position -> (C,H,W), any float type. Positions must rise from call to call for speed."""
    array: str
    """The array of a .npz, or the order of the axes in a folder's files."""
    files: list[Path]

    @property
    def origin(self) -> str:
        """Their source in words."""
        where = self.files[0] if len(self.files) == 1 else self.files[0].parent
        return f"{where}, {self.array}" if self.array else str(where)


def open_volumes(path: Path, *, key: str | None = None, layout: Layout = "auto") -> Volumes:
    """Open a .npz or .npy with an array (N,C,H,W), or a folder of .npy or .npz files with one image each.

    An image in a folder is (C,H,W), (H,W,C) or, of one channel, (H,W). One channel is the probability of the second of
    two classes: the first has the rest. ``layout`` hwc: an array is (N,H,W,C). Memory holds one image, also of a .npz.

    Raises:
        CacheError: there are no such volumes; the message names what is there instead.
    """
    if path.is_dir():
        return _named(_two_classes(_folder(path, key, layout)))
    if path.suffix == ".npz" and path.is_file():
        return _named(_two_classes(_last_axis_first(_npz(path, key), layout)))
    if path.suffix == ".npy" and path.is_file():
        return _named(_two_classes(_last_axis_first(_npy(path), layout)))
    cause = "there is no such file or folder" if not path.exists() else "it is none of these"
    raise CacheError(f"{path}: volumes come as a .npz, a .npy or a folder of .npy or .npz files; {cause}")


def _named(volumes: Volumes) -> Volumes:
    """Return the volumes if a cache can hold their names: its texts are UTF-8."""
    for name in (*volumes.image_ids, volumes.origin):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise CacheError(f"{name!a}: this name is not UTF-8; rename the file or the image") from None
    return volumes


def _two_classes(volumes: Volumes) -> Volumes:
    """Return volumes of one channel as those of two classes, of which it is the second."""
    if volumes.shape[0] != 1:
        return volumes

    def read(number: int) -> np.ndarray:
        image_1HW = volumes.read(number)
        if image_1HW.ndim != 3 or len(image_1HW) != 1:
            return image_1HW  # of another shape than the first: whoever checks it names it
        return np.concatenate([1 - image_1HW, image_1HW])

    return volumes._replace(shape=(2, *volumes.shape[1:]), read=read)


def _last_axis_first(volumes: Volumes, layout: Layout) -> Volumes:
    """Return volumes whose images (H,W,C), by the caller's layout, are turned to (C,H,W)."""
    if layout != "hwc":
        return volumes
    height, width, classes = volumes.shape
    return volumes._replace(
        shape=(classes, height, width),
        read=lambda number: volumes.read(number).transpose(2, 0, 1),
        array=f"{volumes.array} hwc".strip(),
    )


def _npy(path: Path) -> Volumes:
    array = _loaded(path)
    if array.ndim != 4:
        raise CacheError(f"{path}: holds an array of shape {array.shape}; (N,C,H,W) is needed")
    return Volumes(_default_ids(len(array)), array.shape[1:], lambda number: array[number], "", [path])


def _loaded(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        # numpy recommends allow_pickle here, which would run what is in the file
        why: object = error
        if "pickle" in str(error):
            why = (
                "it holds Python objects, which are not opened" if _is_npy(path) else "its content is another format's"
            )
        raise CacheError(f"{path}: cannot be read as .npy ({why})") from None
    if not isinstance(array, np.ndarray):
        raise CacheError(f"{path}: is a .npz by its content; give it that name")
    return array


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def _npz(path: Path, key: str | None) -> Volumes:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            headers = {name.removesuffix(".npy"): _header(archive, name) for name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise CacheError(f"{path}: cannot be read as .npz ({error})") from None
    volumes = [name for name, (shape, _, dtype) in headers.items() if len(shape) == 4 and dtype.kind == "f"]
    if key is None:  # one array, or one that is called what it is
        volumes = [name for name in volumes if name in _USUAL_NAMES] or volumes
    if key is None and len(volumes) != 1:
        if not volumes:
            arrays = ", ".join(f"{name} {dtype} {shape}" for name, (shape, _, dtype) in headers.items()) or "no array"
            raise CacheError(f"{path}: an array (N,C,H,W) of floats is needed; it holds {arrays}")
        raise CacheError(f"{path}: has several arrays (N,C,H,W) of floats ({', '.join(volumes)}); name one with --key")
    key = key or volumes[0]
    if key not in volumes:
        raise CacheError(
            f"{path}: {key!r} is not an array (N,C,H,W) of floats; there are {', '.join(volumes) or 'none'}"
        )
    shape, fortran, dtype = headers[key]
    if fortran:
        raise CacheError(f"{path}: {key!r} is in Fortran order; save np.ascontiguousarray(…) of it")
    ids = _ids_in(path, headers, shape[0])
    _, classes, height, width = shape
    return Volumes(
        ids, (classes, height, width), _Stream(path, f"{key}.npy", shape, dtype).read, f"{path}, array {key}", [path]
    )


def _ids_in(path: Path, headers: dict[str, Header], count: int) -> list[str]:
    """Return the archive's ids, or numbers; raise CacheError for ids that cannot be those of the images."""
    if "image_ids" not in headers:
        return _default_ids(count)
    shape, _, dtype = headers["image_ids"]
    if dtype.kind not in "US" or shape != (count,):
        raise CacheError(f"{path}: image_ids is {dtype} of shape {shape}; {count} texts are needed")
    with np.load(path, allow_pickle=False) as arrays:
        values = arrays["image_ids"].tolist()
    # surrogates stand for bytes that are not UTF-8, as in file names
    return [value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value) for value in values]


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        return _read_header(member)


def _read_header(member: Any) -> Header:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header: Header = read(member)
    return header


class _Stream:
    """Reads the images of one array of a .npz one after the other, without holding the array."""

    def __init__(self, path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._path, self._member, self._dtype = path, member, dtype
        self._count, self._shape = shape[0], shape[1:]
        self._images: Iterator[np.ndarray] = iter(())
        self._next = -1

    def read(self, number: int) -> np.ndarray:
        if self._next < 0 or number < self._next:
            self._images, self._next = self._from_the_start(), 0
        while True:
            try:
                image_CHW = next(self._images)
            except (zipfile.BadZipFile, zlib.error, ValueError) as error:
                raise CacheError(f"{self._path}: image {self._next} of {self._member} is damaged ({error})") from None
            self._next += 1
            if self._next == number + 1:
                return image_CHW

    def _from_the_start(self) -> Iterator[np.ndarray]:
        size = math.prod(self._shape) * self._dtype.itemsize
        with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as member:
            _read_header(member)
            for left in range(self._count - 1, -1, -1):
                image = member.read(size)
                if not left:
                    member.read(1)  # at its end the archive compares its checksum
                yield np.frombuffer(image, self._dtype).reshape(self._shape)


def _image_in(path: Path, key: str | None) -> np.ndarray:
    """Return the one image of a file, (C,H,W) or (H,W,C); one of a single channel without its axis gets it in front."""
    array = _loaded(path) if path.suffix == ".npy" else _only_array(path, key)
    if array.ndim == 4 and len(array) == 1:
        return np.asarray(array[0])
    return array[None] if array.ndim == 2 else array


def _only_array(path: Path, key: str | None) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = [key] if key is not None else [name for name in _USUAL_NAMES if name in arrays] or arrays.files
            if len(names) != 1 or names[0] not in arrays:
                raise CacheError(f"{path}: holds {', '.join(arrays.files) or 'no array'}; name one with --key")
            array: np.ndarray = arrays[names[0]]
            return array
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise CacheError(f"{path}: cannot be read as .npz ({error})") from None


def _folder(path: Path, key: str | None, layout: Layout) -> Volumes:
    # macOS leaves ._name.npy
    files = sorted(file for file in path.rglob("*.np[yz]") if not file.name.startswith("."))
    if not files:
        raise CacheError(f"{path}: holds no .npy files and no .npz files")
    first = _image_in(files[0], key)
    if first.ndim != 3:
        raise CacheError(f"{files[0]}: holds an array of shape {first.shape}; one image, (C,H,W) or (H,W,C), is needed")
    if layout == "auto":
        layout = _layout_of(files[0], first)

    def read(number: int) -> np.ndarray:
        array = _image_in(files[number], key)
        return array.transpose(2, 0, 1) if layout == "hwc" and array.ndim == 3 else array

    ids = [str(file.relative_to(path).with_suffix("")) for file in files]
    shape = (first.shape[2], *first.shape[:2]) if layout == "hwc" else first.shape
    return Volumes(ids, shape, read, layout, files)


def _layout_of(path: Path, array: np.ndarray) -> Literal["chw", "hwc"]:
    """Return the layout: one channel is where the 1 is; of several, probabilities sum to 1 over the class axis."""
    if 1 in (array.shape[0], array.shape[2]):
        return "chw" if array.shape[0] == 1 else "hwc"
    errors = {axis: np.abs(array.sum(axis=axis, dtype=np.float64) - 1).max() for axis in (0, 2)}
    if min(errors.values()) > 0.05:
        raise CacheError(f"{path}: sums to 1 neither over its first nor over its last axis; probabilities are needed")
    return "chw" if errors[0] <= errors[2] else "hwc"


def _default_ids(count: int) -> list[str]:
    return [f"{number:05}" for number in range(count)]


def import_volumes(
    volumes: Volumes,
    folder: Path,
    class_names: tuple[str, ...],
    *,
    profile: Literal["auto", "probabilities", "float32"] = "auto",
    part_images: int = 32,
    workers: int = 2,
) -> CacheSpec:
    """Write a cache of the volumes; a killed import continues with the next part.

    ``auto`` keeps volumes of up to 1 GiB in all as float32, exactly, and larger ones as ``probabilities``. An image
    whose sums are off by more than 1e-3 is divided by them: statistics and all readings are of distributions.

    Raises:
        CacheError: the values of an image are not probabilities, or its shape differs from the others'.
    """
    count, size = len(volumes.image_ids), math.prod(volumes.shape)
    inputs = {"files": [_identity(file) for file in volumes.files], "array": volumes.array, "ids": volumes.image_ids}
    if len(set(volumes.image_ids)) < count:
        raise CacheError(f"{volumes.origin}: an id occurs twice")
    if profile == "auto":
        profile = "float32" if 4 * size * count <= _EXACT_UP_TO else "probabilities"
    spec = CacheSpec(
        fingerprint=fingerprint(**inputs, kept=profile, class_names=class_names, part_images=part_images),
        class_names=class_names,
        size=(volumes.shape[1], volumes.shape[2]),
        profile=profile,
        images=count,
        part_images=part_images,
        origin=volumes.origin,
    )

    def load(positions: list[int]) -> list[np.ndarray]:
        return [_checked(volumes, position) for position in positions]

    def jobs(loaded: list[np.ndarray], ids: list[str]) -> list[Job]:
        return [partial(encode_probabilities, i, prob_CHW, spec) for i, prob_CHW in zip(ids, loaded, strict=True)]

    write_cache(load, jobs, volumes.image_ids, folder, spec, batch=1, workers=workers)
    return spec


def _identity(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return file.name, status.st_size, status.st_mtime_ns


def _checked(volumes: Volumes, position: int) -> np.ndarray:
    """Return one volume, contiguous float32, between 0 and 1; sums that are off by more than rounding become 1."""
    image_id, array = volumes.image_ids[position], volumes.read(position)
    if array.shape != volumes.shape:
        raise CacheError(f"{image_id}: has shape {array.shape}, the first image {volumes.shape}: all must be alike")
    if array.dtype.kind != "f":
        raise CacheError(f"{image_id}: holds {array.dtype}; probabilities as floats are needed")
    prob_CHW = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(prob_CHW).all():
        raise CacheError(f"{image_id}: holds NaN or infinity ({volumes.origin})")
    smallest = float(prob_CHW.min())
    if -1e-3 < smallest < 0:  # cubic resampling overshoots
        prob_CHW = np.maximum(prob_CHW, np.float32(0))
    sum_HW = prob_CHW.sum(axis=0)
    off = float(np.abs(sum_HW - 1).max())
    if smallest <= -1e-3 or off > _REFUSED_FROM:
        last = np.abs(array.sum(axis=2, dtype=np.float64) - 1).max() <= _REFUSED_FROM
        hint = "it does over its last axis: use --layout hwc" if last else "are these logits? apply softmax first"
        raise CacheError(
            f"{image_id}: does not sum to 1 over its {len(prob_CHW)} classes (off by {off:.3g}, smallest value "
            f"{smallest:.3g}); {hint} ({volumes.origin})"
        )
    if off > _DIVIDED_FROM:
        prob_CHW = prob_CHW / sum_HW
    return np.minimum(prob_CHW, np.float32(1))  # rounding may leave 1.0000001
