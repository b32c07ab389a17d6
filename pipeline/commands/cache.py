"""``roundabout cache``: look at caches, check them, and carry probabilities in and out."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.commands.class_names import CLASSES_HELP, names_of
from pipeline.commands.console import console, failed, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.commands.run_files import Cache
from pipeline.commands.tables import print_table
from pipeline.common.errors import counted

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex

app = typer.Typer(
    help="Probability caches: look, check, import and export. docs/cache.md describes the files.", no_args_is_help=True
)


class KeptAs(StrEnum):
    """How imported volumes are stored."""

    auto = "auto"
    probabilities = "probabilities"
    float32 = "float32"


class VolumeLayout(StrEnum):
    """Order of the axes of one image."""

    auto = "auto"
    chw = "chw"
    hwc = "hwc"


class Exported(StrEnum):
    """What is written out."""

    probabilities = "probabilities"
    labels = "labels"
    entropy = "entropy"


@app.command()
@readable
def info(cache: Cache) -> None:
    """Say what a cache holds: images, classes, size, profile, bytes."""
    from pipeline.cache.index import CacheIndex

    index = CacheIndex(cache)
    spec = index.spec
    stored = sum(path.stat().st_size for path in index.paths)
    volume = 4 * spec.classes * spec.size[0] * spec.size[1]
    table = Table(show_header=False, title=str(cache))
    for name, value in (
        (
            "images",
            f"{len(index):,} in {counted(len(index.paths), 'part')}, {index.image_ids[0]} … {index.image_ids[-1]}",
        ),
        ("probabilities", f"{spec.classes} classes of {spec.size[0]}x{spec.size[1]}"),
        ("profile", spec.profile),
        ("views", ", ".join(view.name for view in spec.views)),
        ("made by", spec.called()),
        ("on disk", f"{stored / 1e6:.1f} MB, {stored / len(index) / 1e6:.3f} MB an image"),
        ("as float32", f"{volume * len(index) / 1e6:.1f} MB, {volume * len(index) / stored:.0f} times as much"),
        (
            "mean entropy",
            f"{100 * index.statistic('entropy_mean').mean() / math.log(spec.classes):.1f} % of ln C, its largest value",
        ),
    ):
        table.add_row(name, value)
    print_table(table)
    print_table(_class_table(index))


def _class_table(index: CacheIndex) -> Table:
    """Share of pixels, mean confidence and mean entropy (in percent of ln C, its largest value) of each class."""
    count_C, confidence_C, entropy_C = (
        index.statistic(name).sum(axis=0) for name in ("pixel_count", "confidence_sum", "entropy_sum")
    )
    images_C = (index.statistic("pixel_count") > 0).sum(axis=0)
    table = Table("class", "pixels", "images", "mean confidence", "mean entropy, % of ln C")
    for number, name in enumerate(index.spec.class_names):
        pixels = count_C[number]
        means = ("–", "–")
        if pixels:
            share = entropy_C[number] / pixels / math.log(index.spec.classes)
            means = (f"{confidence_C[number] / pixels:.4f}", f"{100 * share:.1f}")
        table.add_row(name, f"{100 * pixels / count_C.sum():.3f} %", str(images_C[number]), *means)
    return table


@app.command()
@readable
def verify(cache: Cache) -> None:
    """Read a whole cache and compare every part with its checksum."""
    from pipeline.cache.maintenance import problems_of

    problems = problems_of(cache)
    if problems:
        raise failed("\n".join(problems))
    parts = len(list(cache.glob("part-*.h5")))
    console.print(f"{cache}: {counted(parts, 'part')}, {'whole' if parts == 1 else 'all whole'}")


@app.command()
@readable
def compact(
    cache: Cache,
    out: Annotated[Path, typer.Argument(help="a new folder")],
    part_images: Annotated[int, typer.Option(min=2, help="images per part; a multiple of the present number")] = 256,
) -> None:
    """Write a cache again with fewer, larger parts; the compressed data are copied as they are."""
    from pipeline.cache.maintenance import compact as write_again

    console.print(f"{out}: {counted(write_again(cache, out, part_images), 'part')}")


@app.command("import")
@readable
def import_(
    volumes: Annotated[
        Path, typer.Argument(help="a .npz or .npy (N,C,H,W), or a folder of .npy or .npz, one image each")
    ],
    out: Annotated[Path, typer.Argument(help="the cache's folder; a killed import is continued there")],
    key: Annotated[str | None, typer.Option(help="name of the array in a .npz that has several")] = None,
    layout: Annotated[VolumeLayout, typer.Option(help="order of the axes; auto finds it where a file is one image")] = (
        VolumeLayout.auto
    ),
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    profile: Annotated[
        KeptAs, typer.Option(help="float32: exact; probabilities: one byte each; auto: exact up to 1 GiB in all")
    ] = KeptAs.auto,
    part_images: Annotated[int, typer.Option(min=1, help="images per part")] = 32,
) -> None:
    """Make a cache of probabilities that another program computed; sums that are off by up to 0.05 are divided out."""
    from pipeline.cache.volumes import import_volumes, open_volumes

    source = open_volumes(volumes, key=key, layout=layout.value)
    names = names_of(classes, source.shape[0], "the volumes have")
    spec = import_volumes(source, out, names, profile=profile.value, part_images=part_images)
    size = f"{spec.size[0]}x{spec.size[1]}"
    console.print(f"{out}: {counted(spec.images, 'image')}, {spec.classes} classes of {size}, kept as {spec.profile}")


@app.command()
@readable
def export(
    cache: Cache,
    out: Annotated[Path, typer.Argument(help="a .npz file, or a folder for one .npy per image")],
    what: Annotated[Exported, typer.Option(help="probabilities (C,H,W), labels or entropy in nats (H,W)")] = (
        Exported.probabilities
    ),
    image: Annotated[list[str] | None, typer.Option(help="only this image; may be repeated")] = None,
    force: Force = False,
) -> None:
    """Write full-size probabilities, labels or entropies for other programs."""
    from pipeline.cache.export import export_cache
    from pipeline.cache.reader import CacheReader

    reader = CacheReader(cache)
    ids = image or reader.image_ids
    keep_what_is_there([out] if out.suffix == ".npz" else [out / f"{image_id}.npy" for image_id in ids], force)
    console.print(f"{out}: {counted(export_cache(reader, out, what.value, image), 'image')}")
