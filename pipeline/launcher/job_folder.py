"""A job's folder: all that a job on a cluster needs, and all that it leaves for the next driver.

``code/`` and ``params.yaml`` are copies, so that editing the workspace does not change a job that waits in the queue.
The job writes its result into ``outputs/``. ``result.json`` marks it as complete, ``published.json`` as given to DVC.
The folder stays until the stage has another result, because DVC may be killed before it records this one.
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
    """Folder of one stage with one set of inputs."""

    path: Path

    @property
    def name(self) -> str:
        """The job's name in Slurm, by which a later driver finds it."""
        return self.path.name

    @property
    def address(self) -> str:
        """The stage's address, as in ``dvc repro``."""
        return self.name.rpartition("-")[0].replace("~", "@")

    @property
    def outputs(self) -> Path:
        """Folder of the job's outputs, which have the same relative paths as in the workspace."""
        return self.path / "outputs"

    def request(self) -> dict[str, Any]:
        """Return what the job has to do: address, command, data, signature, outputs, and the driver's values."""
        request: dict[str, Any] = read_json(self.path / "request.json")
        return request

    def prepare(self, inputs: StageInputs, command: list[str], values: dict[str, Any]) -> None:
        """Copy the code and the params, and write down what the job has to do."""
        for name in CODE:
            shutil.rmtree(self.path / "code" / name, ignore_errors=True)
            shutil.copytree(name, self.path / "code" / name, ignore=shutil.ignore_patterns("__pycache__"))
        write_text(self.path / "params.yaml", Path("params.yaml").read_text(encoding="utf-8"))
        request = {
            "address": inputs.address,
            "command": command,
            "data": inputs.data,
            "signature": signature(inputs.data),
            "outputs": inputs.outputs,
            **values,
        }
        write_json(self.path / "request.json", request)

    def is_finished(self) -> bool:
        """Whether the job has left its complete result here."""
        return (self.path / "result.json").exists()

    def is_published(self) -> bool:
        """Whether a driver has given the result to DVC."""
        return (self.path / "published.json").exists()

    def finish(self) -> None:
        """Mark the result as complete, once all outputs are there."""
        write_json(self.path / "result.json", {"outputs": self.request()["outputs"]})

    def has_all_outputs(self) -> bool:
        """Whether every output is there."""
        return all((self.outputs / output).exists() for output in self.request()["outputs"])

    def publish(self) -> None:
        """Link the outputs into the workspace; the originals stay, in case DVC dies before it records them."""
        for output in read_json(self.path / "result.json")["outputs"]:
            linked = self.path / "linked" / output
            _link(self.outputs / output, linked)
            publish(linked, Path(output))
        write_json(self.path / "published.json", {})
        shutil.rmtree(self.path / "code", ignore_errors=True)

    def forget(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path)

    def note_submission(self, number: str) -> None:
        """Write down the job's number, for people who look into the folder."""
        write_json(self.path / "submitted.json", {"job": number})

    def others(self) -> list[JobFolder]:
        """Return the folders of the same stage with other inputs."""
        return [folder for folder in folders_of(self.address) if folder.path != self.path]


def job_folder(inputs: StageInputs) -> JobFolder:
    """Return the folder of a stage with these inputs, which may exist already."""
    return JobFolder(JOBS / f"{_stem(inputs.address)}-{inputs.key[:12]}")


def folders_of(address: str) -> list[JobFolder]:
    """Return the folders of a stage, with any inputs."""
    folders = [JobFolder(path) for path in sorted(JOBS.glob(f"{_stem(address)}-*")) if path.is_dir()]
    return [folder for folder in folders if folder.address == address]


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


def _link(source: Path, target: Path) -> None:
    """Hard-link a file or the files of a folder, which DVC's cache can take over; copy them where links fail."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_or_copy)
    else:
        _link_or_copy(str(source), str(target))


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
