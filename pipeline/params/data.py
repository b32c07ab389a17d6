"""Sections that say where images and labels come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.common.errors import ReadableError
from pipeline.common.section import Crop, NotNegative, Positive, Section, Size
from pipeline.common.tiling import Tiling, tiling_of
from pipeline.params.class_map import checked_class_map

Ending = Annotated[str, Field(min_length=1, pattern=r"^[^/\\]+$")]
CityscapesIds = Annotated[
    Literal["cityscapes", "cityscapes-19"],
    Field(description="cityscapes-19: labels hold train ids, which a converter left under the published names"),
]


class Split(Section):
    """What every data set split may say."""

    crop: Crop | None = Field(None, description="top, left, height, width in the file's pixels, cut before resizing")
    size: Size | None = Field(None, description="height, width the network sees; default: data.size")
    tile: tuple[Positive, Positive] | None = Field(
        None, description="height, width of the tiles into which each picture (or its crop) is cut; each is an image"
    )
    overlap: NotNegative | None = Field(
        None, description="pixels that neighbouring tiles share at least; default: 64, or an eighth of small tiles"
    )

    @property
    def tiling(self) -> Tiling | None:
        """How pictures are cut; None where each is one image."""
        return None if self.tile is None else tiling_of(self.tile, self.overlap)

    @model_validator(mode="after")
    def _tiles_can_be_stitched(self) -> Split:
        if self.tiling is not None:
            try:
                self.tiling.require_sound("tile", "overlap")
            except ReadableError as error:
                raise ValueError(str(error)) from None
        elif self.overlap is not None:
            raise ValueError("overlap: is of tiles; say tile: [height, width], too")
        return self


class GeneratedSplit(Split):
    """Images of a generated pair of domains; ``prepare`` draws them."""

    domain: Literal["source", "target"]
    images: Positive = 240
    first: NotNegative = Field(0, description="index of the first scene: splits that must not share scenes start apart")


class StreetsSplit(GeneratedSplit):
    """Streets with the 19 classes of Cityscapes."""

    layout: Literal["streets"]
    draw_size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=64)]] = Field(
        (128, 256), description="height, width of the PNGs drawn"
    )


class CracksSplit(GeneratedSplit):
    """Surfaces with cracks: the classes background and crack."""

    layout: Literal["cracks"]
    draw_size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]] = Field(
        (128, 128), description="height, width of the PNGs drawn"
    )


class FilesSplit(Split):
    """A split whose files lie on a disk."""

    root: str
    listed: str | None = Field(None, description="a file of image ids, one a line (data/lists/); default: all images")
    take: tuple[int | None, int | None] = Field((None, None), description="start, stop of the sorted ids kept")


class FolderSplit(FilesSplit):
    """One's own data: a folder of images and, where there are any, a folder of label PNGs of the same names."""

    layout: Literal["folder"]
    images: str = "images"
    labels: str | None = "labels"
    class_map: Annotated[dict[int | str, str] | tuple[str, ...] | str, BeforeValidator(checked_class_map)] = Field(
        default_factory=dict,
        description="what labels mean: {0: background, 1: crack} by id, {'#ff0000': crack} by colour, a list of the "
        "classes with the ids 0, 1, …, or the name of a class set or of a data set whose ids these are; or 'ignore'",
    )
    include: tuple[str, ...] = Field(("*",), description="patterns of image ids (file names without suffix)")
    image_ending: Ending | None = Field(None, description="what images' names end in, such as _rgb.png or _rgb")
    label_ending: Ending | None = Field(None, description="what labels' names end in, such as _mask.png")
    bands: tuple[Positive, Positive, Positive] | None = Field(
        None, description="the bands that are red, green and blue, counted from 1, of images (TIFF) with others"
    )
    depth: Literal[8, 16] = Field(8, description="bits of a channel of the images; 16 needs `range`")
    range: tuple[NotNegative, Annotated[int, Field(ge=1, le=65535, strict=True)]] | None = Field(
        None, description="of 16 bits, the values that become 0 and 255; what is outside is clipped"
    )

    @model_validator(mode="after")
    def _labels_have_a_map(self) -> FolderSplit:
        if self.labels is not None and not self.class_map:
            raise ValueError("class_map is needed where there are labels (or set labels: null)")
        return self

    @model_validator(mode="after")
    def _sixteen_bits_have_a_range(self) -> FolderSplit:
        if (self.depth == 16) != (self.range is not None):
            raise ValueError("depth: 16 needs range: [low, high], what becomes 0 and 255; and range needs depth: 16")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"range: the first of {list(self.range)} becomes 0 and must be the smaller")
        return self


class CityscapesSplit(FilesSplit):
    """Cityscapes as published (leftImg8bit/, gtFine/)."""

    layout: Literal["cityscapes"]
    split: Literal["train", "val", "test"]
    label_ids: CityscapesIds = "cityscapes"


class Gta5Split(FilesSplit):
    """GTA5 as published (images/, labels/), or with labels as train ids."""

    layout: Literal["gta5"]
    label_ids: Literal["gta5", "cityscapes-19"] = Field(
        "gta5", description="cityscapes-19: labels hold train ids; of *_labelTrainIds.png where there are any"
    )


class SynthiaSplit(FilesSplit):
    """SYNTHIA-RAND-CITYSCAPES as published (RGB/, GT/LABELS/), or with labels that others cut to 8 bits."""

    layout: Literal["synthia"]
    labels: str | None = Field(
        None, description="folder of the labels; default: GT/LABELS, parsed_LABELS or synthia_mapped_to_cityscapes"
    )
    label_ids: Literal["synthia", "cityscapes-19"] = Field(
        "synthia", description="cityscapes-19: *_labelTrainIds.png, of a converter"
    )


class SynscapesSplit(FilesSplit):
    """Synscapes as published (img/rgb/, img/class/)."""

    layout: Literal["synscapes"]
    images: Literal["rgb", "rgb-2k"] = "rgb"
    label_ids: CityscapesIds = "cityscapes"


class NthuSplit(FilesSplit):
    """One city of the NTHU cross-city set as published (CITY/Images/, CITY/Labels/); train has no labels."""

    layout: Literal["nthu"]
    city: Literal["Rio", "Rome", "Taipei", "Tokyo"]
    split: Literal["train", "test"]
    fold: Annotated[int, Field(ge=0, le=9, strict=True)] | None = Field(
        None, description="one of ten folds of the test images; default: all of them"
    )
    label_ids: CityscapesIds = "cityscapes"
    part: Literal["adapt", "score"] = Field("score", description="of a fold: nine tenths to adapt to, or one to score")

    @model_validator(mode="after")
    def _only_test_images_are_folded(self) -> NthuSplit:
        if self.fold is not None and self.split != "test":
            raise ValueError("fold: folds are of the 100 labelled images: say split: test")
        if self.fold is None and "part" in self.model_fields_set:
            raise ValueError("part: is of a fold; say which one (fold: 0 to 9)")
        return self


class Bdd100kSplit(FilesSplit):
    """The 10K images of BDD100K with segmentation, as published (images/10k/, labels/sem_seg/masks/)."""

    layout: Literal["bdd100k"]
    split: Literal["train", "val", "test"]


class CamvidSplit(FilesSplit):
    """CamVid: the original (701_StillsRaw_full/, LabeledApproved_full/) or SegNet's copy (train/, trainannot/, …)."""

    layout: Literal["camvid"]
    edition: Literal["segnet-11", "original-32"]
    split: Literal["train", "val", "test"] | None = Field(None, description="segnet-11 only; the original has none")

    @model_validator(mode="after")
    def _only_the_copy_is_split(self) -> CamvidSplit:
        if (self.edition == "segnet-11") != (self.split is not None):
            raise ValueError(
                "split: segnet-11 needs train, val or test; original-32 has none (listed: data/lists/camvid-train.txt)"
            )
        return self


class CarlaSplit(FilesSplit):
    """Pictures of CARLA's cameras, raw: the tag is in the red channel."""

    layout: Literal["carla"]
    images: str = "rgb"
    labels: str = "segmentation"
    tags: Literal["0.9.5", "0.9.10", "0.9.14"] = Field(
        description="the newest of these that is not newer than the CARLA that drew the pictures: tags changed twice"
    )


class DigitsSplit(Split):
    """Handwritten digits in a NumPy archive; ``prepare`` unpacks them."""

    layout: Literal["digits"]
    root: str
    archive: str = Field(description=".npz below root: x (N,H,W) uint8 and, where there are labels, y (N,) of 0 to 9")
    images: Positive | None = Field(None, description="so many, evenly spaced over the archive; default: all")


AnySplit = Annotated[
    StreetsSplit
    | CracksSplit
    | FolderSplit
    | CityscapesSplit
    | Gta5Split
    | SynthiaSplit
    | SynscapesSplit
    | NthuSplit
    | Bdd100kSplit
    | CamvidSplit
    | CarlaSplit
    | DigitsSplit,
    Field(discriminator="layout"),
]


class Data(Section):
    """The three sets of images: labelled source, unlabelled target, labelled images of the target for evaluation."""

    size: Size
    source: AnySplit
    target: AnySplit
    evaluation: AnySplit
    hold_back: Annotated[float, Field(ge=0, le=0.5, strict=True)] = Field(
        0.05,
        description="share of the source's images that no training sees, for the verdict on each round: at most 200, "
        "none of fewer than 20; 0: none",
    )
    spatial_prior: bool = Field(
        False, description="estimate where the source's classes lie, for rounds with spatial_prior (CBST-SP)"
    )
