"""site.yaml: every problem at once, and what a stage gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.dvc_view.stage_facts import launched_programs
from pipeline.launcher import site
from pipeline.launcher.site import Resources, SiteError, read_site

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_runs_here(tmp_path: Path) -> None:
    assert read_site(tmp_path / "site.yaml").resources("adapt") == Resources()
    assert read_site(written(tmp_path, "")).resources("adapt").where == "local"


def test_a_stage_gets_the_defaults_and_what_is_said_of_it(tmp_path: Path) -> None:
    found = read_site(
        written(
            tmp_path,
            'defaults: {where: slurm, gpus: 1, time: "12:00:00", environment: {A: 1, B: x}}\n'
            "stages: {adapt: {gpus: 4, environment: {B: y}}, evaluate: {where: local}}\n",
        )
    )
    adapt = found.resources("adapt")
    assert (adapt.where, adapt.gpus, adapt.workers, adapt.time) == ("slurm", 4, 4, "12:00:00")
    assert adapt.environment == {"A": "1", "B": "y"}
    assert found.resources("dump").workers == 1
    assert found.resources("evaluate").where == "local"


def test_stages_that_work_alone_ask_for_one_gpu_whatever_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "defaults: {gpus: 4, processes: 8}\nstages: {translate: {gpus: 0}}\n")
    found = read_site(path)
    gpus = {stage: (found.resources(stage).gpus, found.resources(stage).workers) for stage in launched_programs()}
    assert gpus == {
        "translate": (0, 1),
        "pretrain": (4, 8),
        "dump": (4, 8),
        "adapt": (4, 8),
        "health": (1, 1),
        "evaluate": (1, 1),
    }


@pytest.mark.parametrize("text", ["defaults:\nstages:\n", "stages: {dump: }", "defaults:\n  # gpus: 4\n"])
def test_an_empty_key_is_an_empty_table(tmp_path: Path, text: str) -> None:
    assert read_site(written(tmp_path, text)).resources("dump") == Resources()


def test_every_problem_is_told_at_once_with_a_suggestion(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "defaults: {where: slrum, gpu: 1, time: tomorrow, memory: lots, environment: {OK: true}}\n"
        "stages: {pretrain: {gpus: -1}, dmup: {shards: 2}}\n",
    )
    with pytest.raises(SiteError) as caught:
        read_site(path)
    said = str(caught.value)
    assert "site.yaml: 7 problems" in said
    for line in (
        "stages.dmup: unknown key; did you mean 'dump'?",
        "defaults.where: should be 'local' or 'slurm' (it is 'slrum'); did you mean 'slurm'?",
        "defaults.gpu: unknown key; did you mean 'gpus'?",
        "defaults.time: is not a Slurm time limit; say minutes, hours:minutes:seconds or days-hours:minutes",
        "defaults.memory: is not a Slurm memory size; say 32G or 32000M (it is 'lots')",
        "defaults.environment: cannot be variables: OK (quote its value)",
        "stages.pretrain.gpus: should be greater than or equal to 0 (it is -1)",
    ):
        assert f"  - {line}" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "must be a table with the keys defaults and stages"),
        ("defaults: [", "is not YAML"),
        ("default: {}", "default: unknown key; did you mean 'defaults'?"),
        ("defaults: 3", "defaults: must be a table"),
        ("stages: {dump: 3}", "stages.dump: must be a table"),
        (
            "stages: {adapt: {shards: 2}}",
            "stages.adapt.shards: this stage cannot be cut into shards",
        ),
        ("stages: {dump: {shards: 2}}", "stages.dump.shards: are jobs of Slurm; here, say processes"),
        ("stages: {evaluate: {gpus: 2}}", "stages.evaluate: works in one process"),
        ("stages: {adapt: {where: slurm, time: 2}}", "stages.adapt.grace: must be shorter than time .120 s of 120 s."),
        ("defaults: {container: 'apptainer exec \"a'}", "defaults.container: is not a command: No closing quotation"),
        (
            "defaults: {options: [--qos=a, --job-name=mine, -Jmine, '-o log', --arr, --wait-all-nodes=1, --chdir, /]}",
            "defaults.options: are set by the launcher itself: --job-name=mine, -Jmine, -o log, --arr, "
            "--chdir; leave them out",
        ),
        ("defaults: {container: ''}", "defaults.container: is not a command; leave it out"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SiteError, match=message.replace("?", r"\?")):
        read_site(written(tmp_path, text))


@pytest.mark.parametrize("time", [90, "90", "12:00:00", "1-00:00", "2-3"])
def test_slurms_notations_of_time_are_known(tmp_path: Path, time: object) -> None:
    assert Resources(time=time).time == time


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (90, 5400), ("2:30", 150), ("12:00:00", 43200), ("1-00:00", 86400), ("2-3", 183600), ("1-2:03:04", 93784),
        (0, None), (None, None),
    ],
)  # fmt: skip
def test_a_time_limit_is_so_many_seconds(time: str | int | None, seconds: int | None) -> None:
    assert site._seconds(time) == seconds


def test_the_committed_example_is_valid() -> None:
    found = read_site(ROOT / "site.example.yaml")
    assert found.resources("pretrain").workers == 4
    assert found.resources("dump").shards == 8
    assert found.resources("evaluate").where == "local"
