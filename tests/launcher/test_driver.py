"""The driver of a job: when it submits, follows, takes, gives up. Slurm is played; tests/cluster has a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.dvc_view.stage_inputs import StageInputs
from pipeline.launcher import driver, launch, slurm
from pipeline.launcher.driver import run_on_slurm
from pipeline.launcher.job_folder import JobFolder, job_folder
from pipeline.launcher.site import Resources
from pipeline.launcher.slurm import PassingError, SlurmError, Task, UnclearError, UnreachableError

MODEL, CURVE = Path("runs/x/model.pt"), Path("runs/x/curves/loss.tsv")


def finish(folder: JobFolder, text: str = "a result") -> None:
    """What a job leaves."""
    for output in (MODEL, CURVE):
        (folder.outputs / output).parent.mkdir(parents=True, exist_ok=True)
        (folder.outputs / output).write_text(text)
    folder.finish()


class PlayedSlurm:
    """Answers from a script: for each question about a job, states of its tasks; FINISHED leaves a result."""

    def __init__(self, folder: JobFolder, *states: str) -> None:
        self.folder, self.states = folder, list(states)
        self.submitted: list[list[str]] = []
        self.cancelled: list[str] = []
        self.running: list[str] = []

    def submit(self, script: str, options: list[str], holding: int) -> str:
        self.submitted.append(options)
        return str(len(self.submitted))

    def jobs_called(self, name: str) -> list[str]:
        assert name.startswith("pretrain~x-")
        return self.running if name == self.folder.name else []

    def tasks_of(self, number: str) -> list[Task]:
        state = self.states.pop(0)
        if state == "UNREACHABLE":
            raise UnreachableError("scontrol: Unable to contact slurm controller (connect failure)")
        if state == "FINISHED":
            finish(self.folder)
            return [Task(number, "COMPLETED", "None", 0)]
        return [Task(number, one, "Resources", 0) for one in state.split("+")] if state != "FORGOTTEN" else []

    def cancel(self, number: str) -> None:
        self.cancelled.append(number)


@pytest.fixture
def play(inputs: StageInputs, monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs the driver against a script; answers the played Slurm."""
    monkeypatch.setattr(driver, "_LOOK", 0.001)
    monkeypatch.setattr(driver, "_ASK_FIRST", 0.001)
    monkeypatch.setattr(driver, "_PATIENCE", 0.01)
    monkeypatch.setattr(driver.time, "sleep", lambda seconds: None)
    folder = job_folder(inputs)

    def run(
        *states: str,
        resources: Resources = Resources(where="slurm", restarts=2),  # noqa: B008 - immutable
        recorded: bool = False,
        running: tuple[str, ...] = (),
        meanwhile: str | Exception | None = None,
        afterwards: str | Exception | None = None,
    ) -> PlayedSlurm:
        played = PlayedSlurm(folder, *states)
        played.running = list(running)
        for name in ("submit", "jobs_called", "tasks_of", "cancel"):
            monkeypatch.setattr(slurm, name, getattr(played, name))
        answers = [inputs._replace(recorded=recorded)]  # then, what DVC says before and after the result is there

        def asked() -> StageInputs:
            if answers:
                return answers.pop()
            now = afterwards if folder.is_finished() else meanwhile
            if isinstance(now, Exception):
                raise now
            return inputs._replace(key=now or inputs.key)

        monkeypatch.setattr(driver, "stage_inputs", asked)
        run.played = played
        run_on_slurm("pretrain", ["--initial-model", "x"], resources)
        return played

    return run


def test_a_stage_is_submitted_and_its_result_put_into_place(play, inputs: StageInputs) -> None:
    played = play("PENDING", "RUNNING", "FINISHED")
    assert len(played.submitted) == 1
    assert (MODEL.read_text(), CURVE.read_text()) == ("a result", "a result")


def test_a_job_that_runs_already_is_followed(play, inputs: StageInputs, capfd: pytest.CaptureFixture[str]) -> None:
    job_folder(inputs).prepare(inputs, ["python"], {"restarts": 0})
    played = play("RUNNING", "FINISHED", running=("17",))
    assert played.submitted == []
    assert "job 17 is at work on it already" in capfd.readouterr().err


def test_a_result_that_is_there_is_taken_without_slurm_also_a_second_time(play, inputs: StageInputs) -> None:
    play("FINISHED")
    MODEL.unlink()  # DVC deletes outputs before it runs a stage
    assert play().submitted == []
    assert MODEL.read_text() == "a result"


@pytest.mark.parametrize("now", ["another key", ValueError("params.yaml: half a line")])
def test_a_result_of_inputs_that_have_changed_meanwhile_is_kept_from_dvc(play, now: str | Exception) -> None:
    with pytest.raises(SlurmError, match="code, params or data changed while its job ran; its result is kept in"):
        play("RUNNING", "FINISHED", afterwards=now)
    assert not MODEL.exists()
    assert play().submitted == [], "changed back: the result is there"
    assert MODEL.exists()


@pytest.mark.parametrize("now", ["another key", ValueError("params.yaml: half a line")])
def test_an_edit_before_the_job_is_submitted_does_not_run_under_the_name_of_the_old_inputs(
    play, inputs: StageInputs, now: str | Exception
) -> None:
    with pytest.raises(SlurmError, match="code, params or data changed before its job was submitted, and none was"):
        play("FINISHED", meanwhile=now)
    assert play.played.submitted == []
    assert not job_folder(inputs).path.exists(), "copies of the edit stay under no name"


@pytest.fixture
def locally(play, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What the launcher does with the stage where site.yaml says nothing: `ran` here, or `taken`."""
    monkeypatch.setenv("DVC_STAGE", inputs.address)
    monkeypatch.setattr(driver, "stage_inputs", lambda: inputs)

    class RanError(Exception):
        pass

    def run(*_: object) -> None:
        raise RanError

    monkeypatch.setattr(launch, "run_here", run)

    def go() -> str:
        try:
            launch.launch("pretrain", ["--initial-model", "x"])
        except RanError:
            return "ran"
        return "taken"

    return go


def test_here_a_jobs_result_is_taken_and_a_job_that_runs_is_named(
    locally, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locally() == "ran"
    assert not Path(".roundabout").exists(), "no job, no question"
    folder = job_folder(inputs)
    folder.prepare(inputs, ["python"], {"restarts": 0})
    monkeypatch.setattr(slurm, "jobs_called", lambda name: ["17"] if name == folder.name else [])
    with pytest.raises(SlurmError, match=r"site.yaml says local, and job 17 is at work on it; `scancel 17` ends it"):
        locally()

    def absent(name: str) -> list[str]:
        raise SlurmError("there is no command 'squeue' here")

    monkeypatch.setattr(slurm, "jobs_called", absent)
    assert locally() == "ran"
    finish(folder)
    assert (locally(), MODEL.read_text()) == ("taken", "a result")
    monkeypatch.setattr(driver, "stage_inputs", lambda: inputs._replace(recorded=True))
    assert locally() == "ran", "what DVC has recorded and runs all the same is made anew"


def test_what_dvc_has_recorded_and_runs_all_the_same_is_made_anew(play) -> None:
    play("FINISHED")
    assert len(play("FINISHED", recorded=True).submitted) == 1


def test_a_result_that_no_driver_has_taken_is_taken_whatever_is_recorded(play, inputs: StageInputs) -> None:
    folder = job_folder(inputs)
    folder.prepare(inputs, ["python"], {"restarts": 0})
    finish(folder)
    assert play(recorded=True).submitted == []
    assert MODEL.exists()


@pytest.mark.parametrize("state", ["TIMEOUT", "NODE_FAIL", "PREEMPTED", "FORGOTTEN"])
def test_what_nobody_decided_is_submitted_again(play, state: str) -> None:
    assert len(play("RUNNING", state, "FINISHED").submitted) == 2


def test_what_is_submitted_again_has_the_code_and_params_of_the_first_time(
    play, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("stages/pretrain.py").write_text("old")
    copies: list[tuple[str, str]] = []
    real = PlayedSlurm.submit

    def submit(played: PlayedSlurm, script: str, options: list[str], holding: int) -> str:
        number = real(played, script, options, holding)
        path = job_folder(inputs).path
        copies.append(((path / "params.yaml").read_text(), (path / "code/stages/pretrain.py").read_text()))
        Path("params.yaml").write_text("seed: 2\n")
        Path("stages/pretrain.py").write_text("edited")
        if len(copies) == 1:
            raise UnreachableError("sbatch: Unable to contact slurm controller")
        return number

    monkeypatch.setattr(PlayedSlurm, "submit", submit)
    play("RUNNING", "TIMEOUT", "FINISHED")
    assert copies == [("seed: 1\n", "old")] * 3


def test_of_a_job_that_was_submitted_twice_one_stays(play, monkeypatch: pytest.MonkeyPatch) -> None:
    """sbatch has timed out and its job, taken twice, appears in the queue afterwards."""

    def submit(played: PlayedSlurm, script: str, options: list[str], holding: int) -> str:
        played.submitted.append(options)
        played.running = ["17", "18"]
        raise UnreachableError("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")

    monkeypatch.setattr(PlayedSlurm, "submit", submit)
    played = play("RUNNING", "FINISHED")
    assert (len(played.submitted), played.cancelled) == (1, ["18"])


def test_after_so_many_restarts_it_is_given_up(play) -> None:
    with pytest.raises(SlurmError, match="was submitted 3 times and did not finish; give it more time"):
        play("TIMEOUT", "TIMEOUT", "TIMEOUT")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("CANCELLED", r"job 1 was cancelled \(scancel\)"),
        ("OUT_OF_MEMORY", "ran out of the node's memory; raise memory in site.yaml"),
        ("FAILED", "ended as FAILED; see its log above"),
        ("COMPLETED", "left no result"),
    ],
)
def test_an_end_that_somebody_must_look_at_is_an_error(play, state: str, words: str) -> None:
    with pytest.raises(SlurmError, match=words + ".*goes on from there") as caught:
        play("RUNNING", state)
    assert isinstance(caught.value, PassingError) == (state in ("FAILED", "COMPLETED"))
    assert not MODEL.exists()


def test_a_lost_task_of_an_array_ends_the_others(play) -> None:
    with pytest.raises(SlurmError, match="ended as FAILED"):
        play("RUNNING+RUNNING", "FAILED+RUNNING")
    assert play.played.cancelled == ["1"]


@pytest.mark.parametrize("state", ["TIMEOUT", "NODE_FAIL", "PREEMPTED"])
def test_a_task_of_an_array_that_slurm_lost_is_made_again_though_its_siblings_are_done(play, state: str) -> None:
    assert len(play("RUNNING+RUNNING", f"COMPLETED+{state}", "FINISHED").submitted) == 2


def test_a_controller_that_does_not_answer_is_asked_again(play, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(play("RUNNING", "UNREACHABLE", "UNREACHABLE", "FINISHED").submitted) == 1
    assert "Unable to contact slurm controller (connect failure); asking again" in capfd.readouterr().err


def test_a_slurm_that_does_not_answer_while_tidying_loses_no_result(
    play, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = job_folder(inputs._replace(key="f" * 16))
    old.prepare(inputs, ["python"], {"restarts": 0})
    real = PlayedSlurm.jobs_called

    def away(played: PlayedSlurm, name: str) -> list[str]:
        if name == old.name:
            raise UnreachableError("squeue: Unable to contact slurm controller")
        return real(played, name)

    monkeypatch.setattr(PlayedSlurm, "jobs_called", away)
    play("FINISHED")
    assert MODEL.exists()


def test_a_cancel_is_tried_until_slurm_answers(play, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = PlayedSlurm.cancel, []

    def cancel(played: PlayedSlurm, number: str) -> None:
        tried.append(number)
        if len(tried) == 1:
            raise UnreachableError("scancel: Unable to contact slurm controller")
        real(played, number)

    monkeypatch.setattr(PlayedSlurm, "cancel", cancel)
    with pytest.raises(SlurmError, match="ended as FAILED"):
        play("RUNNING+RUNNING", "FAILED+RUNNING")
    assert play.played.cancelled == ["1"]


def test_why_a_job_waits_is_said_when_it_changes(play, capfd: pytest.CaptureFixture[str]) -> None:
    play("PENDING", "PENDING", "RUNNING", "FINISHED")
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "waits" in line] == ["pretrain@x: job 1 waits: Resources"]
    assert "pretrain@x: job 1 runs" in said


def test_resources_become_options_of_sbatch(play) -> None:
    resources = Resources(
        where="slurm", partition="p", account="a", gpus=2, gpu_type="a100", cpus=4, memory="8G", time=60, grace=30,
        options=("--qos=night",),
    )  # fmt: skip
    (said,) = play("FINISHED", resources=resources).submitted
    wanted = "--partition=p --account=a --gres=gpu:a100:2 --cpus-per-task=4 --mem=8G --time=60 --signal=B:USR1@30"
    assert set(wanted.split()) < set(said)
    assert said[0] == "--requeue"
    assert said[-1] == "--qos=night"


def test_the_script_says_what_the_site_says(play, inputs: StageInputs) -> None:
    play("FINISHED", resources=Resources(where="slurm", environment={"A": "b c"}, setup=("module load cuda",)))
    lines = (job_folder(inputs).path / "job.sh").read_text().splitlines()
    assert lines[:4] == ["#!/bin/bash", "set -e", "export A='b c'", "module load cuda"]
    assert lines[-1].startswith("exec ")
    assert "pipeline.launcher.job" in lines[-1]


def test_the_script_says_in_how_many_pieces_batches_go_whatever_sbatch_hands_on(
    play, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDABOUT_MICRO_BATCHES", "4")
    play("FINISHED", resources=Resources(where="slurm", options=("--export=NONE",)))
    assert "export ROUNDABOUT_MICRO_BATCHES=4" in (job_folder(inputs).path / "job.sh").read_text().splitlines()


def test_a_job_for_other_inputs_is_named_before_the_new_one_is_submitted_and_its_folder_stays(
    play, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    running, over = (job_folder(inputs._replace(key=letter * 16)) for letter in "ef")
    for folder in (running, over):
        folder.prepare(inputs, ["python"], {"restarts": 0})
    real = PlayedSlurm.jobs_called
    monkeypatch.setattr(
        PlayedSlurm, "jobs_called", lambda played, name: ["17"] if name == running.name else real(played, name)
    )
    play("FINISHED")
    said = capfd.readouterr().err
    assert said.index("job 17 still works for other code, params or data; `scancel 17` ends it") < said.index(
        "job 1 submitted"
    )
    assert running.path.exists()
    assert not over.path.exists(), "cancelled, or ended by an error"


def test_results_for_other_inputs_go_when_there_is_a_new_one(play, inputs: StageInputs) -> None:
    old = job_folder(inputs._replace(key="f" * 16))
    longer = job_folder(inputs._replace(address="pretrain@x-2"))
    for folder in (old, longer):
        folder.prepare(inputs, ["python"], {"restarts": 0})
        finish(folder)
    play("FINISHED")
    assert not old.path.exists()
    assert longer.path.exists(), "the name of another start begins with the same letters"


def test_slurms_answers_are_read() -> None:
    line = "JobId=5 ArrayJobId=4 ArrayTaskId=1 JobName=x y JobState=PENDING Reason=Resources Requeue=1 Restarts=2 X=1"
    assert slurm._task(line) == Task("5", "PENDING", "Resources", 2)
    assert not slurm._task(line).final
    assert slurm._task("JobId=5 JobName=x JobState=TIMEOUT").final


ANSWERS = (
    "Zero Bytes were transmitted or received",
    "Slurm backup controller in standby mode",
    "Message receive failure",
    "Protocol authentication error",
    "Resource temporarily unavailable",
    "Unable to contact slurm controller (connect failure)",
)


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Commands of Slurm that fail with a message, and write down how they were called."""

    def refuse(message: str) -> Path:
        for name in ("squeue", "scontrol", "sbatch"):
            program = tmp_path / "slurm" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\necho {name} >> '{tmp_path}/called'\necho 'error: {message}' >&2\nexit 1\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'slurm'}:/usr/bin:/bin")
        monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)
        return tmp_path / "called"

    return refuse


@pytest.mark.parametrize("message", ANSWERS)
def test_a_slurm_that_does_not_answer_is_known_by_many_words(refusing, message: str) -> None:
    refusing(message)
    for ask in (lambda: slurm.submit("job.sh", [], 0), lambda: slurm.jobs_called("x"), lambda: slurm.tasks_of("7")):
        with pytest.raises(UnreachableError) as caught:
            ask()
        assert not isinstance(caught.value, UnclearError)


def test_a_question_may_be_asked_again_whatever_the_error_a_submission_not(refusing) -> None:
    refusing("Invalid account or account/partition combination specified")
    with pytest.raises(UnclearError):
        slurm.jobs_called("x")
    with pytest.raises(UnclearError):
        slurm.tasks_of("7")
    with pytest.raises(PassingError) as caught:
        slurm.submit("job.sh", [], 0)
    assert not isinstance(caught.value, UnreachableError)
    refusing("slurm_load_jobs error: Invalid job id specified")
    assert slurm.tasks_of("7") == []


def test_jobs_are_found_whoever_submitted_them_and_whatever_one_likes_to_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nenv > {tmp_path}/environment\necho 12; echo 7\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("SQUEUE_STATES", "SQUEUE_PARTITION", "SLURM_CONF"):
        monkeypatch.setenv(name, "x")
    assert slurm.jobs_called("a") == ["7", "12"]
    assert "--me" not in (tmp_path / "asked").read_text()
    environment = (tmp_path / "environment").read_text()
    assert "SQUEUE_" not in environment
    assert "SLURM_CONF=x" in environment


def test_a_job_is_put_back_as_soon_as_slurm_answers(refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    called = refusing("Slurm backup controller in standby mode")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 20:
            (called.parent / "slurm" / "scontrol").write_text("#!/bin/sh\nexit 0\n")

    monkeypatch.setattr(slurm.time, "sleep", wait)
    slurm.put_back("7")
    assert len(waits) == 20
    called = refusing("Requested operation is presently disabled")
    called.unlink()
    with pytest.raises(SlurmError, match="presently disabled"):
        slurm.put_back("7")
    assert called.read_text().splitlines() == ["scontrol"] * 5


def test_an_error_that_nobody_knows_is_asked_again_for_an_hour(play, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def unclear(played: PlayedSlurm, number: str) -> list[Task]:
        raise UnclearError("scontrol: error: something new")

    monkeypatch.setattr(PlayedSlurm, "tasks_of", unclear)
    monkeypatch.setattr(driver.time, "sleep", waited.append)
    with pytest.raises(UnclearError, match="something new"):
        play()
    assert 3000 < sum(waited) < 3700


def test_a_submission_is_tried_until_slurm_answers(play, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    real = PlayedSlurm.submit

    def submit(played: PlayedSlurm, script: str, options: list[str], holding: int) -> str:
        tried.append(1)
        if len(tried) < 3000:
            raise UnreachableError("sbatch: Unable to contact slurm controller")
        return real(played, script, options, holding)

    monkeypatch.setattr(PlayedSlurm, "submit", submit)
    assert len(play("FINISHED").submitted) == 1


def test_without_slurms_commands_the_error_says_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SlurmError, match="there is no command 'squeue' here; start the pipeline where"):
        slurm.jobs_called("x")
