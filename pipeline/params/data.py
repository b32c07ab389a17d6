"""Sections that say where images and labels come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.labels import CITYSCAPES_19
from pipeline.params.hints import did_you_mean
from pipeline.params.section import Crop, LabelId, NotNegative, Positive, Section, Size


class Split(Section):
    """What every data set split may say."""

    crop: Crop | None = Field(None, description="top, left, height, width in the file's pixels, cut before resizing")
    size: Size | None = Field(None, description="height, width the network sees; default: data.size")


class StreetsSplit(Split):
    """Images of the generated pair of domains; ``prepare`` draws them."""

    layout: Literal["streets"]
    domain: Literal["source", "target"]
    images: Positive = 240
    first: NotNegative = Field(0, description="index of the first scene: splits that must not share scenes start apart")
    draw_size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=64)]] = Field(
        (128, 256), description="height, width of the PNGs drawn"
    )


class FolderSplit(Split):
    """One's own data: a folder of images and, where there are any, a folder of 8-bit label PNGs of the same names."""

    layout: Literal["folder"]
    root: str
    images: str = "images"
    labels: str | None = "labels"
    class_map: dict[LabelId, str] = Field(default_factory=dict, description="label id: class name, or 'ignore'")
    include: tuple[str, ...] = Field(("*",), description="patterns of image ids (file names without suffix)")
    take: tuple[int | None, int | None] = Field((None, None), description="start, stop of the sorted ids kept")

    @model_validator(mode="after")
    def _class_names_are_known(self) -> FolderSplit:
        known = (*CITYSCAPES_19.names, "ignore")
        wrong = [f"{name!r}{did_you_mean(name, known)}" for name in self.class_map.values() if name not in known]
        if wrong:
            raise ValueError(f"class_map names no such class: {'; '.join(wrong)}")
        if self.labels is not None and not self.class_map:
            raise ValueError("class_map is needed where there are labels (or set labels: null)")
        return self


class CityscapesSplit(Split):
    """Cityscapes as published (leftImg8bit/, gtFine/)."""

    layout: Literal["cityscapes"]
    root: str
    split: Literal["train", "val", "test"]


class Gta5Split(Split):
    """GTA5 as published (images/, labels/)."""

    layout: Literal["gta5"]
    root: str
    take: tuple[int | None, int | None] = (None, None)


AnySplit = Annotated[StreetsSplit | FolderSplit | CityscapesSplit | Gta5Split, Field(discriminator="layout")]


class Data(Section):
    """The three sets of images: labelled source, unlabelled target, labelled images of the target for evaluation."""

    size: Size
    source: AnySplit
    target: AnySplit
    evaluation: AnySplit
    spatial_prior: bool = Field(
        False, description="estimate where the source's classes lie, for rounds with spatial_prior (CBST-SP)"
    )
