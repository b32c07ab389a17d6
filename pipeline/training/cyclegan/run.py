"""Training CycleGAN on source and target, and what it leaves: translated images, generators, curves, a gallery."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pipeline.common.device import Device, select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, whole_file, write_json
from pipeline.common.work import publish, working_folder
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import content_of, images_of, prepared_split, write_split
from pipeline.models.cyclegan import discriminator, generator
from pipeline.models.state import load_model
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt, Stream
from pipeline.training.cyclegan.objective import Critics, Game, Generators, Weights
from pipeline.training.cyclegan.pool import ImagePool
from pipeline.training.cyclegan.semantics import Semantics
from pipeline.training.cyclegan.write import picture_path, write_images, write_manifest
from pipeline.training.image_samples import unlabelled_samples
from pipeline.training.loop import Adversary, Plan, train
from pipeline.training.optimisation import make_optimiser
from pipeline.training.progress import CURVES
from pipeline.training.run import augment_of
from pipeline.translation.gallery import Shown, write_gallery
from pipeline.translation.style import SETTINGS

if TYPE_CHECKING:
    from pipeline.params import CycleganTranslation, Params


def run_cyclegan(params: Params, name: str, settings: CycleganTranslation, destination: Path) -> None:
    """Trains the generators, translates every source image, and moves all of it into place."""
    computer = select_device(params.runtime.device, params.runtime.precision)
    inputs = {
        "translation": settings.model_dump(),
        "source": content_of("source"),
        "target": content_of("target"),
        "size": params.data.size,
        "seed": params.seed,
        "segmentation": None if settings.segmentation is None else _hash_of(name, settings.segmentation),
        "computer": (computer.device.type, computer.bfloat16),
    }
    with working_folder(f"translate-{name}", **inputs) as folder:
        source = images_of("source", params.data.size)
        target = images_of("target", params.data.size)
        generators = _trained(params, name, settings, (source, target), computer, folder)
        prepared, made = manifest_path(name).parent, folder / "translated"
        write_images(generators.to_target, source, made / "images", computer, params.runtime.workers)
        write_manifest(source, made / "images", prepared / "images", made / "manifest.jsonl")
        write_split(made, prepared_split("source")._replace(crop=None))  # the images are cut and sized already
        write_json(made / SETTINGS, {"method": settings.method})
        _write_run(generators, source, target, made / "images", folder / "run", params.seed)
        shutil.copytree(folder / "live" / CURVES, folder / "run" / "curves", dirs_exist_ok=True)
        publish(folder / "run", destination)
        publish(made, prepared)  # last: killed between the two, the next run still finds the images here


def _trained(
    params: Params,
    name: str,
    settings: CycleganTranslation,
    images: tuple[SplitImages, SplitImages],
    computer: Device,
    folder: Path,
) -> Generators:
    generators, critics = new_players(settings, params.seed)
    semantics = _semantics(settings, computer)
    computer.place(generators)
    computer.place(critics)
    weights = Weights(
        settings.lambda_cycle,
        settings.lambda_identity * settings.lambda_cycle,
        settings.lambda_semantic,
        settings.lambda_semantic_cycle,
    )
    game = Game(critics, weights, semantics)
    players = (
        make_optimiser({"weights": list(module.parameters())}, settings.optimiser) for module in (generators, critics)
    )
    optimiser, critics_optimiser = players
    adversary = Adversary(critics, game.critic_terms, critics_optimiser, settings.schedule)
    runtime, steps = params.runtime, settings.budget(len(images[0]))
    plan = Plan(
        steps=steps,
        schedule=settings.schedule,
        gradient_clip=settings.gradient_clip,
        checkpoint_every=runtime.checkpoint_every,
        log_every=runtime.log_every,
        threads=runtime.workers,
        compile=False,  # the loop compiles a network's forward, and the game calls two networks
    )
    augment = augment_of(settings)
    streams = [
        Stream(domain, windows(split, augment, settings.crop), len(split), settings.batch, params.seed, name)
        for domain, split in zip(("source", "target"), images, strict=True)
    ]
    train(
        generators, game.generator_terms, streams, optimiser, plan, computer, folder,
        name=name, seed=params.seed, adversary=adversary,
    )  # fmt: skip
    return generators


def new_players(settings: CycleganTranslation, seed: int) -> tuple[Generators, Critics]:
    """Fresh generators and discriminators, with empty pools."""
    random = torch.Generator().manual_seed(zlib.crc32(f"{seed}/cyclegan".encode()))
    generators = Generators(*(generator(settings.width, settings.blocks, random) for _ in range(2)))
    of_target, of_source = (discriminator(settings.width, random) for _ in range(2))
    made_target, made_source = (ImagePool(settings.pool, settings.crop) for _ in range(2))
    return generators, Critics(of_target, of_source, made_target, made_source)


def windows(images: SplitImages, augment: Augment, crop: tuple[int, int]) -> SampleAt:
    """Images changed at random, and of each a random window."""
    whole = unlabelled_samples(images, augment)

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        identity, image_HW3, label_HW = whole(index, generator)
        top, left = (int(generator.integers(side - cut + 1)) for side, cut in zip(label_HW.shape, crop, strict=True))
        rows, columns = slice(top, top + crop[0]), slice(left, left + crop[1])
        return identity, image_HW3[rows, columns], label_HW[rows, columns]

    return sample_at


def _semantics(settings: CycleganTranslation, computer: Device) -> Semantics | None:
    if settings.segmentation is None:
        return None
    model = load_model(settings.segmentation, "cpu")
    computer.place(model)
    return Semantics(model)


def _hash_of(name: str, path: str) -> str:
    if not Path(path).is_file():
        raise ReadableError(f"translations.{name}.segmentation: {path}: there is no such model file")
    return file_hash(Path(path))


def _write_run(
    generators: Generators, source: SplitImages, target: SplitImages, made: Path, folder: Path, seed: int
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "generators.pt") as temporary, temporary.open("wb") as file:
        torch.save({key: value.cpu() for key, value in generators.state_dict().items()}, file)

    def shown_at(position: int) -> Shown:
        picture = Image.open(picture_path(made, source.id(position)))
        drawn = np.random.default_rng([seed, position]).integers(len(target))
        return Shown(source.image(position), np.asarray(picture), target.image(int(drawn)))

    write_gallery(shown_at, len(source), folder / "gallery")
