"""params.yaml as types: ranges, unknown keys refused with a suggestion, every problem at once with its path.

DVC decides from params.yaml what to run again; the sections below are what each stage depends on (see dvc.yaml). Only
``runtime`` is not a dependency of any stage: it says how to compute, not what.
"""

from pipeline.common.section import Discriminators, Schedule
from pipeline.methods.cada import Cada, CadaRound
from pipeline.methods.cbst import Cbst, CbstRound
from pipeline.methods.intrada import Intrada, IntradaRound
from pipeline.methods.lse import Lse, LseRound
from pipeline.params.data import (
    AnySplit,
    Bdd100kSplit,
    CamvidSplit,
    CarlaSplit,
    CityscapesSplit,
    CracksSplit,
    Data,
    DigitsSplit,
    FolderSplit,
    GeneratedSplit,
    Gta5Split,
    NthuSplit,
    Split,
    StreetsSplit,
    SynscapesSplit,
    SynthiaSplit,
)
from pipeline.params.entry_changes import explained_changes
from pipeline.params.health import Health
from pipeline.params.initial_models import (
    AdaptSegNetInitialModel,
    AdventInitialModel,
    AlignedInitialModel,
    AnyInitialModel,
    InitialModel,
    MinEntInitialModel,
    PlainInitialModel,
    StyleDiscriminators,
    StyleInitialModel,
)
from pipeline.params.model import Model
from pipeline.params.params import Dump, Evaluate, Params, Round, Runtime
from pipeline.params.photometric import Photometric
from pipeline.params.reading import ParamsError, json_schema, read_data, read_params
from pipeline.params.training import Adapt, Augmentation, Optimiser, Training
from pipeline.params.translations import AnyTranslation, ColourTranslation, CycleganTranslation, FourierTranslation

__all__ = [
    "Adapt",
    "AdaptSegNetInitialModel",
    "AdventInitialModel",
    "AlignedInitialModel",
    "AnyInitialModel",
    "AnySplit",
    "AnyTranslation",
    "Augmentation",
    "Bdd100kSplit",
    "Cada",
    "CadaRound",
    "CamvidSplit",
    "CarlaSplit",
    "Cbst",
    "CbstRound",
    "CityscapesSplit",
    "ColourTranslation",
    "CracksSplit",
    "CycleganTranslation",
    "Data",
    "DigitsSplit",
    "Discriminators",
    "Dump",
    "Evaluate",
    "FolderSplit",
    "FourierTranslation",
    "GeneratedSplit",
    "Gta5Split",
    "Health",
    "InitialModel",
    "Intrada",
    "IntradaRound",
    "Lse",
    "LseRound",
    "MinEntInitialModel",
    "Model",
    "NthuSplit",
    "Optimiser",
    "Params",
    "ParamsError",
    "Photometric",
    "PlainInitialModel",
    "Round",
    "Runtime",
    "Schedule",
    "Split",
    "StreetsSplit",
    "StyleDiscriminators",
    "StyleInitialModel",
    "SynscapesSplit",
    "SynthiaSplit",
    "Training",
    "explained_changes",
    "json_schema",
    "read_data",
    "read_params",
]
