"""params.yaml: every mistake is told, with its place, all at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import ReadableError
from pipeline.params import CycleganTranslation, ParamsError, Training, json_schema, read_params
from pipeline.training.optimisation import rate_factor
from pipeline.training.run import steps_of

Write = Callable[[dict[str, Any]], Path]
PRESETS = Path(__file__).resolve().parents[1] / "presets"
METHODS = ("lse", "cbst", "cada", "intrada", "teacher")
SECTIONS = {
    "seed", "classes", "runtime", "data", "model", "pretrain", "dump", *METHODS, "adapt", "health", "evaluate",
    "initial_models", "rounds", "translations",
}  # fmt: skip


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    return caught.value.problems


def test_five_mistakes_in_one_file_are_all_told_each_with_its_place(tiny_params: dict, write_params: Write) -> None:
    tiny_params["lse"]["focal_btea"] = 0.2
    tiny_params["classes"] = "cityscapes-91"
    tiny_params["rounds"]["lse-1"]["portion"] = 1.5
    tiny_params["rounds"]["lse-1"]["init"] = "source-onyl"
    del tiny_params["model"]

    problems = problems_of(write_params(tiny_params))

    assert len(problems) == 5
    told = {problem.split(": ")[0]: problem for problem in problems}
    assert set(told) == {"lse.focal_btea", "classes", "rounds.lse-1.portion", "rounds.lse-1.init", "model"}
    assert told["lse.focal_btea"].endswith("unknown key; did you mean 'focal_beta'?")
    assert told["classes"].endswith("did you mean 'cityscapes-19'?")
    assert "less than or equal to 1 (it is 1.5)" in told["rounds.lse-1.portion"]
    assert told["rounds.lse-1.init"].endswith("did you mean 'source-only'?")
    assert told["model"] == "model: is missing"


def test_the_message_counts_the_problems_and_names_the_file(tiny_params: dict, write_params: Write) -> None:
    del tiny_params["model"]
    path = write_params(tiny_params)
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    assert str(caught.value) == f"{path}: 1 problem\n  - model: is missing"


@pytest.mark.parametrize(
    ("place", "key", "meant"),
    [
        ([], "dmup", "dump"),
        (["pretrain"], "bacth", "batch"),
        (["pretrain", "optimiser"], "learning_rte", "learning_rate"),
        (["adapt", "augmentation"], "flp", "flip"),
        (["data", "target"], "imagse", "images"),
        (["initial_models", "oracle"], "supervison", "supervision"),
        (["rounds", "lse-2"], "portoin", "portion"),
    ],
)
def test_an_unknown_key_is_refused_at_every_depth(
    tiny_params: dict, write_params: Write, place: list[str], key: str, meant: str
) -> None:
    section = tiny_params
    for step in place:
        section = section.setdefault(step, {})
    section[key] = 1
    expected = f"{'.'.join([*place, key])}: unknown key; did you mean {meant!r}?"
    assert problems_of(write_params(tiny_params)) == [expected]


def test_an_unknown_key_like_no_other_gets_no_suggestion(tiny_params: dict, write_params: Write) -> None:
    tiny_params["lse"]["xyzzy"] = 1
    assert problems_of(write_params(tiny_params)) == ["lse.xyzzy: unknown key"]


def test_a_round_with_a_spatial_prior_needs_one_to_be_estimated(tiny_params: dict, write_params: Write) -> None:
    tiny_params["cbst"] = {"compat": "paper"}
    tiny_params["rounds"] = {"cbst-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "spatial_prior": True}}
    expected = "rounds.cbst-1.spatial_prior: needs `data.spatial_prior: true`, so that prepare estimates it"
    assert problems_of(write_params(tiny_params)) == [expected]
    tiny_params["data"]["spatial_prior"] = True
    assert read_params(write_params(tiny_params)).data.spatial_prior


def test_a_round_that_begins_at_nothing_lists_what_there_is(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-2"]["init"] = "qqq"
    assert problems_of(write_params(tiny_params)) == [
        "rounds.lse-2.init: 'qqq' is neither an initial model nor an earlier round "
        "(there are source-only, oracle, lse-1)"
    ]


def test_a_round_may_not_begin_at_a_later_one(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-1"]["init"] = "lse-2"
    tiny_params["rounds"]["lse-2"]["init"] = "source-only"
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("rounds.lse-1.init: 'lse-2' comes later in the file")


def test_rounds_in_a_circle_are_told_as_a_circle(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-1"]["init"] = "lse-2"
    (problem,) = problems_of(write_params(tiny_params))
    assert problem == "rounds.lse-1.init: goes in a circle: lse-1 -> lse-2 -> lse-1"


def test_a_round_that_begins_at_itself_is_a_circle(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-2"]["init"] = "lse-2"
    (problem,) = problems_of(write_params(tiny_params))
    assert problem == "rounds.lse-2.init: goes in a circle: lse-2 -> lse-2"


@pytest.mark.parametrize("name", [7, "7", "lse.1", "a b", True, 1.5])
def test_a_name_that_dvc_would_drop_or_misread_is_refused(tiny_params: dict, write_params: Write, name: object) -> None:
    tiny_params["rounds"][name] = {"method": "lse", "init": "lse-2", "portion": 0.5}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith(f"rounds.{name}: a name is letters")


def test_a_round_may_not_have_the_name_of_a_start(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["oracle"] = {"method": "lse", "init": "lse-2", "portion": 0.5}
    assert problems_of(write_params(tiny_params)) == ["rounds.oracle: there is an initial model of that name too"]


@pytest.mark.parametrize("section", ["pretrain", "adapt"])
def test_steps_and_epochs_exclude_each_other(tiny_params: dict, write_params: Write, section: str) -> None:
    tiny_params[section]["epochs"] = 2
    assert problems_of(write_params(tiny_params)) == [f"{section}: give either steps or epochs"]
    del tiny_params[section]["epochs"], tiny_params[section]["steps"]
    assert problems_of(write_params(tiny_params)) == [f"{section}: give either steps or epochs"]


@pytest.mark.parametrize("value", ["outo", 1, 1.0, 0, True, "0.9", None])
def test_an_average_has_a_decay_between_0_and_1(value: object, tiny_params: dict, write_params: Write) -> None:
    tiny_params["adapt"]["ema"] = value
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("adapt.ema: must be none, auto, or a number between 0 and 1, such as 0.99")


def test_averages_are_asked_for_by_each_training(tiny_params: dict, write_params: Write) -> None:
    tiny_params["pretrain"]["ema"], tiny_params["adapt"]["ema"] = "auto", 0.99
    read = read_params(write_params(tiny_params))
    assert (read.pretrain.ema, read.adapt.ema) == ("auto", 0.99)


def test_epochs_become_steps_by_the_number_of_images() -> None:
    assert steps_of(Training(epochs=3, batch=4), 10) == 8  # 30 images / 4 = 7.5
    assert steps_of(Training(epochs=0.01, batch=4), 10) == 1
    assert steps_of(Training(steps=5), 10) == 5


def test_a_key_that_stands_twice_is_refused(tiny_params: dict, write_params: Write) -> None:
    path = write_params(tiny_params)
    path.write_text(path.read_text() + "seed: 2\n")
    (problem,) = problems_of(path)
    assert "seed is there twice" in problem
    assert "line " in problem


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "params.yaml")
    assert problem == "there is no such file; `roundabout use streets` writes one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is not valid YAML"),
        ("- 1\n", "mapping"),
        ("", "mapping"),
        ("rounds:\n  a: 1\nseed: 1\nrounds:\n  b: 2\n", "line 4: rounds is there twice; put what both hold under one"),
    ],
)
def test_what_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    (problem,) = problems_of(path)
    assert message in problem


def test_a_mapping_where_a_value_should_be_and_the_reverse_are_told(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-3"] = 3
    tiny_params["dump"]["batch"] = {}
    places = sorted(problem.split(": ")[0] for problem in problems_of(write_params(tiny_params)))
    assert places == ["dump.batch", "rounds.lse-3"]


def test_class_names_of_subsets_are_checked_against_the_class_set(tiny_params: dict, write_params: Write) -> None:
    tiny_params["classes"] = "synthia-13"
    tiny_params["evaluate"] = {"subsets": {"large": ["road", "wall", "skky"]}, "headline": "larg"}
    first, second, third = problems_of(write_params(tiny_params))
    assert first == "evaluate.subsets.large: 'wall' is not a class of synthia-13"
    assert second == "evaluate.subsets.large: 'skky' is not a class of synthia-13; did you mean 'sky'?"
    assert third == "evaluate.headline: 'larg' is none of mIoU, pixel_accuracy, large; did you mean 'large'?"


def test_a_folder_with_labels_needs_a_class_map_of_known_names(tiny_params: dict, write_params: Write) -> None:
    tiny_params["data"]["source"] = {"layout": "folder", "root": "x", "class_map": {3: "raod"}}
    tiny_params["data"]["target"] = {"layout": "folder", "root": "x"}
    first, second = problems_of(write_params(tiny_params))
    assert first.startswith("data.source.class_map: 'raod' is not a class of cityscapes-19 (road, sidewalk, ")
    assert first.endswith("bicycle), nor `ignore`; did you mean 'road'?")
    assert second.startswith("data.target: class_map is needed where there are labels")


@pytest.mark.parametrize(("place", "key"), [(("data", "source", "class_map"), 300), (("evaluate", "subsets"), 1)])
def test_a_bad_key_of_a_table_is_told_with_its_place(
    tiny_params: dict, write_params: Write, place: tuple[str, ...], key: int
) -> None:
    tiny_params["data"]["source"] = {"layout": "folder", "root": "x", "class_map": {0: "road"}}
    section = tiny_params
    for step in place:
        section = section.setdefault(step, {})
    section[key] = "road" if place[0] == "data" else ["road"]
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith(".".join(place)) and str(key) in problem


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("pretrain", "steps"), True),
        (("pretrain", "optimiser", "learning_rate"), math.inf),
        (("pretrain", "augmentation", "scale"), [2.0, 0.5]),
        (("evaluate", "subsets"), {"mIoU": ["road"]}),
        (("evaluate", "subsets"), {"pixel_accuracy": ["road"]}),
    ],
)
def test_a_value_that_would_fail_or_mislead_hours_later_is_refused_now(
    tiny_params: dict, write_params: Write, place: tuple[str, ...], value: object
) -> None:
    section = tiny_params
    for step in place[:-1]:
        section = section.setdefault(step, {})
    section[place[-1]] = value
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith(".".join(place))


def test_what_is_left_out_has_its_default(tiny_params: dict, write_params: Write) -> None:
    del tiny_params["runtime"]
    tiny_params |= {"dump": {}, "lse": {"compat": "paper"}, "evaluate": {}}
    params = read_params(write_params(tiny_params))
    assert (params.runtime.device, params.dump.part_images, params.lse.patches) == ("auto", 32, 4)
    assert params.evaluate.headline == "mIoU"


@pytest.mark.parametrize("section", sorted(SECTIONS - {"runtime", "translations", *METHODS}))
def test_a_section_that_dvc_reads_must_be_there(tiny_params: dict, write_params: Write, section: str) -> None:
    del tiny_params[section]
    (problem,) = [line for line in problems_of(write_params(tiny_params)) if line.startswith(f"{section}: ")]
    assert problem.startswith(f"{section}: is missing")


@pytest.mark.parametrize("method", METHODS)
def test_the_section_of_a_method_must_be_there_where_a_round_is_of_it(
    tiny_params: dict, write_params: Write, method: str
) -> None:
    tiny_params["rounds"] = {"one": {"method": method, "init": "source-only"}}
    if method in ("lse", "cbst"):
        tiny_params["rounds"]["one"]["portion"] = 0.2
    del tiny_params["lse"]
    tiny_params["adapt"]["source_batch"] = tiny_params["adapt"]["batch"]  # a teacher pairs the images of both
    (problem,) = problems_of(write_params(tiny_params))
    assert problem == f"{method}: is missing, and round one is of this method; at least `{method}: {{compat: paper}}`"
    tiny_params[method] = {"compat": "paper"}
    assert read_params(write_params(tiny_params)).round("one").method == method


def test_an_unknown_method_is_refused_with_a_suggestion(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-1"]["method"] = "cbts"
    del tiny_params["rounds"]["lse-2"]
    (problem,) = problems_of(write_params(tiny_params))
    assert (
        problem
        == "rounds.lse-1.method: is 'cbts'; choose one of lse, cbst, cada, intrada, teacher; did you mean 'cbst'?"
    )


def test_a_key_of_another_method_is_refused(tiny_params: dict, write_params: Write) -> None:
    tiny_params["cada"] = {"compat": "paper"}
    tiny_params["rounds"]["cada-1"] = {"method": "cada", "init": "source-only", "portion": 0.5}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("rounds.cada-1.portion: unknown key")


def test_runs_come_in_the_files_order_with_the_oracle_last(tiny_params: dict, write_params: Write) -> None:
    params = read_params(write_params(tiny_params))
    assert list(params.run_kinds().items()) == [
        ("source-only", "initial"), ("lse-1", "lse"), ("lse-2", "lse"), ("oracle", "oracle"),
    ]  # fmt: skip


def test_a_control_is_not_what_results_are_compared_with(tiny_params: dict, write_params: Write) -> None:
    tiny_params["initial_models"] = {"control": {"supervision": "source"}, **tiny_params["initial_models"]}
    params = read_params(write_params(tiny_params))
    assert list(params.run_kinds()) == ["source-only", "control", "lse-1", "lse-2", "oracle"]


def test_every_preset_is_valid() -> None:
    checked = {path.stem: read_params(path) for path in PRESETS.iterdir() if path.suffix in (".yaml", ".yml")}
    assert len(checked) == len(list(PRESETS.glob("*.yaml"))) >= 1
    assert "streets" in checked


def test_the_schema_has_every_section_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == SECTIONS
    assert schema["additionalProperties"] is False
    assert {"Lse", "StreetsSplit", "Optimiser", "Schedule"} <= set(schema["$defs"])


def test_no_round_descends_from_the_oracle(tiny_params: dict, write_params: Write) -> None:
    tiny_params["rounds"]["lse-1"]["init"] = "oracle"
    first, second = problems_of(write_params(tiny_params))
    assert first == "rounds.lse-1.init: 'oracle' comes from the oracle, which has seen the target's labels"
    assert second.startswith("rounds.lse-2.init: 'lse-1' comes from the oracle")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {"architecture": "small", "pretrained": True},
            "pretrained: no package has ImageNet's weights of mobilenet-v3-small; name torchvision's file of them",
        ),
        ({"architecture": "lenet", "pretrained": "a.pth"}, "pretrained: only encoders of architecture small have such"),
        ({"architecture": "fcn8s-vgg16", "heads": 2}, "heads: fcn8s-vgg16 has one"),
        ({"architecture": "lenet", "heads": 2}, "heads: lenet has one"),
        ({"architecture": "daformer", "encoder": "mit-b5", "heads": 2}, "heads: daformer has one"),
        ({"architecture": "daformer"}, "encoder: daformer takes mit-b0 … mit-b5"),
        ({"architecture": "small", "encoder": "mit-b5"}, "encoder: small does not take mit-b5"),
        ({"architecture": "vit-linear", "encoder": "mit-b5"}, "encoder: vit-linear takes timm/NAME of a plain"),
    ],
)
def test_networks_that_do_not_exist_are_refused(tiny_params: dict, write_params: Write, model: dict, said: str) -> None:
    tiny_params["model"] = model
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith(f"model: {said}")


@pytest.mark.parametrize(
    ("name", "near"), [("efficientnet-lite3", "; did you mean 'efficientnet-lite2'?"), ("timm/", "")]
)
def test_an_encoder_that_does_not_exist_is_refused(
    tiny_params: dict, write_params: Write, name: str, near: str
) -> None:
    tiny_params["model"] = {"encoder": name}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("model.encoder: should be one of mobilenet-v3-small, mobilenet-v3-large, ")
    assert problem.endswith(f", or timm/NAME{near} (it is '{name}')")


def test_an_encoder_of_timm_or_a_file_of_weights_is_taken(tiny_params: dict, write_params: Write) -> None:
    tiny_params["model"] = {"encoder": "timm/resnet18", "pretrained": "resnet18.safetensors"}
    model = read_params(write_params(tiny_params)).model
    assert (model.encoder, model.pretrained) == ("timm/resnet18", "resnet18.safetensors")


def test_hrda_is_not_trained(tiny_params: dict, write_params: Write) -> None:
    tiny_params["model"] = {"architecture": "hrda", "encoder": "mit-b5"}
    tiny_params["initial_models"]["source-only"]["weights"] = "mic.pt"
    problems = problems_of(write_params(tiny_params))
    assert [problem.split(":")[0] for problem in problems] == ["initial_models.oracle", "rounds.lse-1", "rounds.lse-2"]
    assert all("hrda is imported and evaluated, not trained" in problem for problem in problems)


def test_a_subset_that_names_a_class_twice_is_refused(tiny_params: dict, write_params: Write) -> None:
    tiny_params["evaluate"] = {"subsets": {"large": ["road", "road"]}}
    assert problems_of(write_params(tiny_params)) == ["evaluate.subsets.large: names a class twice"]


def test_an_unknown_layout_is_told_with_the_choices(tiny_params: dict, write_params: Write) -> None:
    tiny_params["data"]["source"] = {"layout": "foldr", "root": "x"}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("data.source.layout: is 'foldr'; choose one of streets, cracks, folder, cityscapes, gta5")
    assert problem.endswith("did you mean 'folder'?")


def test_a_start_has_the_keys_of_its_alignment_only(tiny_params: dict, write_params: Write) -> None:
    tiny_params["initial_models"] = {
        "a": {"supervision": "source", "alignment": "minent", "gan": "ls"},
        "b": {"supervision": "source", "alignment": "advent", "lamda_main": 0.1, "discriminators": {"betsa": [0, 0]}},
        "c": {"supervision": "source", "lambda_main": 0.1},
        "source-only": {"supervision": "source", "alignment": "style", "style_statistic": "gramm"},
    }
    assert problems_of(write_params(tiny_params)) == [
        "initial_models.a.gan: unknown key",
        "initial_models.b.discriminators.betsa: unknown key; did you mean 'betas'?",
        "initial_models.b.lamda_main: unknown key; did you mean 'lambda_main'?",
        "initial_models.c.lambda_main: unknown key",
        "initial_models.source-only.style_statistic: should be 'adversarial', 'gram' or 'mean-std' (it is 'gramm'); "
        "did you mean 'gram'?",
    ]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"alignment": "advnet"}, ".alignment: is 'advnet'; choose one of none, minent, advent, adaptsegnet, style; "),
        ({"alignment": None}, ".alignment: is 'None'; choose one of none, minent, advent, adaptsegnet, style"),
        ({"alignment": "advent", "lambda_main": -1}, ".lambda_main: should be greater than or equal to 0"),
        ({"alignment": "advent", "lambda_main": True}, ".lambda_main: should be a valid number"),
        ({"alignment": "advent", "lambda_auxiliary": math.inf}, ".lambda_auxiliary: should be a finite"),
        ({"alignment": "adaptsegnet", "gan": "lsgan"}, ".gan: should be 'vanilla' or 'ls'"),
        ({"alignment": "style", "lambda_style": -0.1}, ".lambda_style: should be greater"),
        ({"alignment": "style", "discriminators": {"betas": [0.9, 1]}}, ".discriminators.betas.1: should"),
        ({"alignment": "minent", "supervision": "target-labelled"}, ": an oracle has the target's labels: say"),
    ],
)  # fmt: skip
def test_bad_values_of_an_alignment_are_refused(tiny_params: dict, write_params: Write, start: dict, said: str) -> None:
    tiny_params["initial_models"]["x"] = {"supervision": "source", **start}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith(f"initial_models.x{said}")


def test_a_start_that_is_no_mapping_is_told(tiny_params: dict, write_params: Write) -> None:
    tiny_params["initial_models"]["x"] = 3
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("initial_models.x: should be a valid dictionary")


def test_least_squares_have_the_authors_weights_unless_told_otherwise(tiny_params: dict, write_params: Write) -> None:
    start = {"supervision": "source", "alignment": "adaptsegnet"}
    tiny_params["initial_models"] |= {
        "vanilla": start, "ls": {**start, "gan": "ls"}, "ls-mine": {**start, "gan": "ls", "lambda_main": 0.5},
    }  # fmt: skip
    starts = read_params(write_params(tiny_params)).initial_models
    found = {name: (starts[name].lambda_main, starts[name].lambda_auxiliary) for name in ("vanilla", "ls", "ls-mine")}  # type: ignore[union-attr]
    assert found == {"vanilla": (0.001, 0.0002), "ls": (0.01, 0.0), "ls-mine": (0.5, 0.0)}


def test_discriminators_learn_as_published(tiny_params: dict, write_params: Write) -> None:
    tiny_params["initial_models"] |= {
        "advent": {"supervision": "source", "alignment": "advent"},
        "style": {"supervision": "source", "alignment": "style", "discriminators": {"learning_rate": 0.1}},
    }
    params = read_params(write_params(tiny_params))
    advent, style = (params.initial_model(name).discriminators for name in ("advent", "style"))  # type: ignore[union-attr]
    assert (advent.learning_rate, advent.betas, advent.schedule) == (1e-4, (0.9, 0.99), None)
    assert (style.learning_rate, style.betas) == (0.1, (0.9, 0.99))
    assert (style.schedule.name, style.schedule.every) == ("exponential", 50_000)


@pytest.mark.parametrize("alignment", ["none", "minent", "style", "advent", "adaptsegnet"])
def test_images_too_small_for_a_discriminator_are_told(tiny_params: dict, write_params: Write, alignment: str) -> None:
    tiny_params["data"]["target"]["size"] = [24, 64]
    tiny_params["initial_models"]["x"] = {"supervision": "source", "alignment": alignment}
    path = write_params(tiny_params)
    if alignment in ("advent", "adaptsegnet"):
        needs = (
            "needs images of at least 32x32, or discriminators: {network: image}, and those of data.target are 24x64"
        )
        expected = f"initial_models.x.alignment: {alignment} {needs}"
        assert problems_of(path) == [expected]
    else:
        read_params(path)


def test_discriminators_of_whole_images_need_no_size(tiny_params: dict, write_params: Write) -> None:
    tiny_params["data"]["size"] = [28, 28]
    of_images = {"discriminators": {"network": "image"}}
    tiny_params["initial_models"]["x"] = {"supervision": "source", "alignment": "advent", **of_images}
    tiny_params["rounds"] = {"intrada-1": {"method": "intrada", "init": "x"}}
    tiny_params["intrada"] = {"compat": "paper"}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.startswith("rounds.intrada-1.method: intrada needs images of at least 32x32, or discriminators: ")
    tiny_params["data"]["size"] = [64, 128]
    tiny_params["intrada"] |= {"crop_size": [0.4, 1.0]}
    (problem,) = problems_of(write_params(tiny_params))
    assert problem.endswith("those of data.target cut to intrada.crop_size [0.4, 1.0] are 26x128")
    tiny_params["data"]["size"] = [28, 28]
    tiny_params["intrada"] |= of_images
    assert read_params(write_params(tiny_params)).data.size == (28, 28)


def test_digits_and_streets_do_not_mix_and_digits_are_not_mirrored(tiny_params: dict, write_params: Write) -> None:
    tiny_params["data"]["source"] = {"layout": "digits", "root": "digits", "archive": "mnist.npz"}
    assert problems_of(write_params(tiny_params)) == [
        "data.source.layout: digits has no class of cityscapes-19; say classes: digits-10"
    ]
    tiny_params["classes"] = "digits-10"
    tiny_params["dump"]["flip"] = True
    assert problems_of(write_params(tiny_params)) == [
        "data.target.layout: streets has no class of digits-10",
        "data.evaluation.layout: streets has no class of digits-10",
        "pretrain.augmentation.flip: a mirrored digit is none; say false",
        "adapt.augmentation.flip: a mirrored digit is none; say false",
        "dump.flip: a mirrored digit is none; say false",
    ]


def test_every_key_of_a_start_is_described() -> None:
    definitions = json_schema()["$defs"]
    starts = [name for name in definitions if name.endswith(("InitialModel", "Discriminators"))]
    assert len(starts) == 7
    keys = [(name, key, entry) for name in starts for key, entry in definitions[name]["properties"].items()]
    assert [f"{name}.{key}" for name, key, entry in keys if not entry.get("description")] == []


def test_classes_of_ones_own_are_checked_like_the_known_ones(tiny_params: dict, write_params: Write) -> None:
    tiny_params["classes"] = {"large": ["road", "sky", "building"]}
    tiny_params["evaluate"]["subsets"] = {"two": ["road", "sky"]}
    assert read_params(write_params(tiny_params)).classes == {"large": ["road", "sky", "building"]}
    tiny_params["evaluate"]["subsets"] = {"two": ["road", "wall"]}
    assert problems_of(write_params(tiny_params)) == ["evaluate.subsets.two: 'wall' is not a class of large"]
    tiny_params["classes"] = {"large": ["road", "cat"]}
    assert "classes: class 'cat' is not in the class set cityscapes-19" in problems_of(write_params(tiny_params))[0]


def test_what_is_merged_must_exist_and_is_gone_afterwards(tiny_params: dict, write_params: Write) -> None:
    tiny_params["evaluate"] |= {"merge": {"wall": "building"}, "subsets": {"two": ["road", "wall"]}}
    assert problems_of(write_params(tiny_params)) == [
        "evaluate.subsets.two: 'wall' is merged into 'building' by evaluate.merge"
    ]
    tiny_params["evaluate"] |= {"merge": {"wal": "building", "truck": "bus", "bus": "car"}, "subsets": {}}
    assert problems_of(write_params(tiny_params)) == [
        "evaluate.merge.wal: 'wal' is not a class of cityscapes-19; did you mean 'wall'?",
        "evaluate.merge.truck: 'bus' is merged itself; say what both become",
    ]


def test_a_start_may_learn_from_a_translation_and_its_rounds_do_too(tiny_params: dict, write_params: Write) -> None:
    assert read_params(write_params(tiny_params)).translations == {}
    tiny_params["translations"] = {"fda": {"method": "fourier"}}
    tiny_params["initial_models"]["fda-advent"] = {"supervision": "fda", "alignment": "advent"}
    tiny_params["rounds"] |= {
        "a": {"method": "lse", "init": "fda-advent", "portion": 0.1},
        "b": {"method": "lse", "init": "a", "portion": 0.1},
    }
    params = read_params(write_params(tiny_params))
    assert {name: params.source_of(name) for name in params.rounds} == {
        "lse-1": "source", "lse-2": "source", "a": "fda", "b": "fda",
    }  # fmt: skip
    assert params.run_kinds()["fda-advent"] == "initial"
    with pytest.raises(ReadableError, match=r"there is no translation 'fdaa' in params\.yaml; there are fda; did you"):
        params.translation("fdaa")


def test_cyclegan_has_the_papers_constants(tiny_params: dict, write_params: Write) -> None:
    tiny_params["translations"] = {"made": {"method": "cyclegan", "epochs": 200, "crop": [32, 32]}}
    made = read_params(write_params(tiny_params)).translation("made")
    assert isinstance(made, CycleganTranslation)
    assert (made.batch, made.width, made.blocks, made.pool) == (1, 64, 9, 50)
    assert (made.lambda_cycle, made.lambda_identity) == (10, 0.5)
    assert (made.lambda_semantic, made.lambda_semantic_cycle) == (0.1, 10)
    assert (made.optimiser.name, made.optimiser.learning_rate, made.optimiser.betas) == ("adam", 2e-4, (0.5, 0.999))
    assert steps_of(made, 25) == 5000
    factors = [rate_factor(made.schedule, step, 1000) for step in (0, 499, 500, 750, 999)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.002])


@pytest.mark.parametrize(
    ("name", "translation", "problem"),
    [
        (
            "source",
            {"method": "fourier"},
            "translations.source: there is a prepared folder of that name; choose another",
        ),
        (
            "oracle",
            {"method": "fourier"},
            "translations.oracle: there is an initial model of that name; choose another",
        ),
        ("lse-1", {"method": "fourier"}, "translations.lse-1: there is a round of that name; choose another"),
        ("7", {"method": "fourier"}, "translations.7: a name is letters, digits, - and _, begins with a letter"),
        ("t", {"method": "furier"}, "translations.t.method: is 'furier'; choose one of colour, fourier, cyclegan; did"),
        ("t", {}, "translations.t.method: is missing"),
        ("t", {"method": "fourier", "betas": 0.1}, "translations.t.betas: unknown key; did you mean 'beta'?"),
        ("t", {"method": "fourier", "beta": 0.5}, "translations.t.beta: should be less than 0.5"),
        ("t", {"method": "colour", "match": "images"}, "translations.t.match: should be 'image' or 'domain'"),
        ("t", {"method": "cyclegan", "crop": [32, 32]}, "translations.t: give either steps or epochs"),
        (
            "t",
            {"method": "cyclegan", "steps": 1, "crop": [16, 32]},
            "translations.t.crop.0: should be greater than",
        ),
        (
            "t",
            {"method": "cyclegan", "steps": 1},
            "translations.t.crop: is [256, 256], and the source's images are [32, 64]; make it smaller",
        ),
    ],
)
def test_a_translation_that_cannot_be_is_refused(
    tiny_params: dict, write_params: Write, name: str, translation: dict, problem: str
) -> None:
    tiny_params["translations"] = {name: translation}
    assert problems_of(write_params(tiny_params))[0].startswith(problem)


def test_a_start_may_not_learn_from_what_is_not_there(tiny_params: dict, write_params: Write) -> None:
    tiny_params["translations"] = {"fourier": {"method": "fourier"}}
    tiny_params["initial_models"]["source-only"]["supervision"] = "furier"
    assert problems_of(write_params(tiny_params)) == [
        "initial_models.source-only.supervision: 'furier' is none of source, target-labelled, fourier; "
        "did you mean 'fourier'?"
    ]


def test_a_checkpoint_as_a_start_has_no_translation(tiny_params: dict, write_params: Write) -> None:
    tiny_params["translations"] = {"fda": {"method": "fourier"}}
    tiny_params["initial_models"]["released"] = {"supervision": "source", "weights": "theirs.pt"}
    assert read_params(write_params(tiny_params)).source_of("released") == "source"
    tiny_params["initial_models"]["released"]["supervision"] = "fda"
    assert problems_of(write_params(tiny_params)) == [
        "initial_models.released.weights: a checkpoint stays the same when the translation 'fda' changes, and DVC "
        "would not run the rounds after it again; say supervision: source, or train this model (no weights)"
    ]


def test_the_old_name_of_a_section_is_refused_with_the_new_one_and_all_other_problems(
    tiny_params: dict, write_params: Write
) -> None:
    tiny_params["starts"] = tiny_params.pop("initial_models")
    assert problems_of(write_params(tiny_params)) == ["starts: is called initial_models now; rename it"]
    tiny_params["sede"] = 3
    tiny_params["starts"]["source-only"]["supervison"] = "source"
    assert problems_of(write_params(tiny_params))[0] == "starts: is called initial_models now; rename it"
    assert len(problems_of(write_params(tiny_params))) == 3
    tiny_params["initial_models"] = {"source-only": {"supervision": "source"}}
    assert problems_of(write_params(tiny_params))[0] == "starts: is called initial_models now; rename it"


OWN = {"names": ["background", "crack"], "colours": {"crack": [255, 0, 0]}}


def with_own_classes(tiny_params: dict, class_map: object) -> dict:
    tiny_params |= {"classes": OWN, "evaluate": {"gallery": 0}}
    for name in ("source", "target", "evaluation"):
        tiny_params["data"][name] = {"layout": "folder", "root": name, "class_map": class_map}
    return tiny_params


def test_own_classes_have_the_foreground_s_iou_for_a_headline(tiny_params: dict, write_params: Write) -> None:
    params = with_own_classes(tiny_params, {0: "background", 255: "crack"})
    assert read_params(write_params(params)).evaluate.headline == "IoU crack"
    params["evaluate"] = {"headline": "mIoU", "subsets": {"cracks": ["crack"]}}
    assert read_params(write_params(params)).evaluate.headline == "mIoU"
    params["evaluate"] = {"headline": "IoU crak"}
    (problem,) = problems_of(write_params(params))
    assert problem.startswith("evaluate.headline: 'IoU crak' is none of IoU crack, mIoU, pixel_accuracy; did you mean")


def test_a_foreground_that_is_merged_into_another_class_has_no_metric(tiny_params: dict, write_params: Write) -> None:
    params = with_own_classes(tiny_params, {0: "background", 1: "crack", 2: "pothole"})
    params["classes"] = {"names": ["background", "crack", "pothole"], "foreground": "pothole"}
    assert read_params(write_params(params)).evaluate.headline == "IoU pothole"
    params["evaluate"] = {"merge": {"pothole": "crack"}}
    assert read_params(write_params(params)).evaluate.headline == "mIoU"


def test_class_maps_name_own_classes(tiny_params: dict, write_params: Write) -> None:
    params = with_own_classes(tiny_params, {"#000000": "backround", "#ff0000": "crack", "#0000ff": "road"})
    problems = problems_of(write_params(params))
    assert len(problems) == 3  # road is ignored, as everywhere: it is a class of others
    expected = "'backround' is not a class of own (background, crack), nor `ignore`; did you mean 'background'?"
    assert problems[0] == f"data.source.class_map: {expected}"


def test_classes_may_be_a_file_below_data_classes(
    tiny_params: dict, write_params: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = with_own_classes(tiny_params, ["background", "crack"]) | {"classes": "data/classes/mine.yaml"}
    assert "mine.yaml: cannot be read" in problems_of(write_params(params))[0]
    (tmp_path / "data" / "classes").mkdir(parents=True)
    (tmp_path / "data" / "classes" / "mine.yaml").write_text("[background, crack]", encoding="utf-8")
    assert read_params(write_params(params)).classes == "data/classes/mine.yaml"
    params["classes"] = "mine.yaml"
    assert "move the file there: classes: data/classes/mine.yaml" in problems_of(write_params(params))[0]


def test_things_of_a_feature_distance_are_classes_here(tiny_params: dict, write_params: Write) -> None:
    params = with_own_classes(tiny_params, ["background", "crack"])
    params["model"] = {"architecture": "small", "encoder": "efficientnet-lite0", "pretrained": True}
    params["adapt"] |= {"batch": 1, "source_batch": 1}
    params["teacher"] = {"compat": "paper", "feature_distance": {"weight": 0.01}}
    params["rounds"] = {"teacher-1": {"method": "teacher", "init": "source-only"}}
    (problem,) = problems_of(write_params(params))
    assert "none of these is a class here; choose some of background, crack, or leave feature_distance out" in problem
    params["teacher"]["feature_distance"]["classes"] = ["crack", "backround"]
    (problem,) = problems_of(write_params(params))
    assert problem.startswith("teacher.feature_distance.classes: backround: not a class here (background, crack)")
    params["teacher"]["feature_distance"]["classes"] = ["crack"]
    assert read_params(write_params(params)).teacher is not None


@pytest.mark.parametrize("classes", [[1], [["road"]], None, 3, True])
def test_classes_that_are_no_name_are_refused_in_words(tiny_params, write_params, classes):
    tiny_params["classes"] = classes
    with pytest.raises(ParamsError, match="classes: "):
        read_params(write_params(tiny_params))
