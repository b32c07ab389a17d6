"""A job's folder: all that a job on a cluster needs, and all that it leaves for the next driver to find.

``code/`` and ``params.yaml`` are copies: who edits the workspace while a job waits in the queue does not change it.
``outputs/`` is where the job puts its result, ``result.json`` says that it is whole; ``published.json`` says that a
driver has given it to DVC. The folder stays until the stage has another result: DVC may be killed before it records.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.files import read_json, write_json, write_text
from pipeline.common.work import publish
from pipeline.dvc_view.stage_inputs import StageInputs, signature
from pipeline.launcher import slurm
from pipeline.launcher.slurm import SlurmError

JOBS = Path(".roundabout") / "jobs"
CODE = ("pipeline", "stages")


class JobFolder(NamedTuple):
    """The folder of one stage with one set of inputs."""

    path: Path

    @property
    def name(self) -> str:
        """The job's name in Slurm, by which a later driver finds it."""
        return self.path.name

    @property
    def address(self) -> str:
        """The stage's, as in ``dvc repro``."""
        return self.name.rpartition("-")[0].replace("~", "@")

    @property
    def outputs(self) -> Path:
        """Below it the job's outputs lie under the names that they have in the workspace."""
        return self.path / "outputs"

    def request(self) -> dict[str, Any]:
        """What the job was asked to do."""
        found: dict[str, Any] = read_json(self.path / "request.json")
        return found

    def prepare(self, inputs: StageInputs, command: list[str], values: dict[str, Any]) -> None:
        """Copies the code and the params, and writes down what the job has to do."""
        for name in CODE:
            shutil.rmtree(self.path / "code" / name, ignore_errors=True)
            shutil.copytree(name, self.path / "code" / name, ignore=shutil.ignore_patterns("__pycache__"))
        write_text(self.path / "params.yaml", Path("params.yaml").read_text(encoding="utf-8"))
        wanted = {
            "address": inputs.address,
            "command": command,
            "data": inputs.data,
            "signature": signature(inputs.data),
            "outputs": inputs.outputs,
            **values,
        }
        write_json(self.path / "request.json", wanted)

    def is_finished(self) -> bool:
        """Whether the job has left its whole result here."""
        return (self.path / "result.json").exists()

    def is_published(self) -> bool:
        """Whether a driver has given the result to DVC."""
        return (self.path / "published.json").exists()

    def finish(self) -> None:
        """The job's last word, said when all outputs are in place."""
        write_json(self.path / "result.json", {"outputs": self.request()["outputs"]})

    def made_all(self) -> bool:
        """Whether every output is there."""
        return all((self.outputs / output).exists() for output in self.request()["outputs"])

    def publish(self) -> None:
        """Puts the outputs into their places as links; what is here stays, for a DVC that dies before it records."""
        for output in read_json(self.path / "result.json")["outputs"]:
            linked = self.path / "linked" / output
            _link(self.outputs / output, linked)
            publish(linked, Path(output))
        write_json(self.path / "published.json", {})
        shutil.rmtree(self.path / "code", ignore_errors=True)

    def forget(self) -> None:
        """Deletes all of it."""
        shutil.rmtree(self.path)

    def note_submission(self, number: str) -> None:
        """Remembers the number."""
        write_json(self.path / "submitted.json", {"job": number})

    def others(self) -> list[JobFolder]:
        """Folders of the same stage with other inputs."""
        return [folder for folder in folders_of(self.address) if folder.path != self.path]


def job_folder(inputs: StageInputs) -> JobFolder:
    """The folder of a stage with these inputs, which may hold something already."""
    return JobFolder(JOBS / f"{_stem(inputs.address)}-{inputs.key[:12]}")


def folders_of(address: str) -> list[JobFolder]:
    """The folders of a stage, with whatever inputs."""
    found = [JobFolder(path) for path in sorted(JOBS.glob(f"{_stem(address)}-*")) if path.is_dir()]
    return [folder for folder in found if folder.address == address]


def queued_jobs() -> dict[str, str]:
    """Return the number of the waiting or running job of each stage that has one; empty if Slurm does not answer."""
    folders = [JobFolder(path) for path in sorted(JOBS.glob("*-*")) if path.is_dir()]
    numbers = {}
    try:
        for folder in folders:
            jobs = [] if folder.is_finished() else slurm.jobs_called(folder.name)
            if jobs:
                numbers[folder.address] = jobs[0]
    except SlurmError:
        return {}
    return numbers


def _stem(address: str) -> str:
    return address.replace("@", "~")


def _link(made: Path, place: Path) -> None:
    """A copy that shares its content where the file system can do that: DVC's own cache takes it over as it is."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    if made.is_dir():
        shutil.copytree(made, place, copy_function=_link_or_copy)
    else:
        _link_or_copy(str(made), str(place))


def _link_or_copy(made: str, place: str) -> None:
    try:
        os.link(made, place)
    except OSError:
        shutil.copyfile(made, place)
