"""Runs a heavy stage where site.yaml says: here, or on Slurm. The command in dvc.yaml is the same text everywhere."""

from __future__ import annotations

import os

from pipeline.launcher.job_folder import folders_of
from pipeline.launcher.local import run_here
from pipeline.launcher.site import read_site


def launch(stage: str, arguments: list[str]) -> None:
    """Answers when the stage's outputs are in place; where the stage runs here, this process becomes the stage.

    Raises ReadableError for a site.yaml that cannot be used, and for what Slurm says against it.
    """
    resources = read_site().resources(stage)
    if resources.where == "local":
        if not _has_been_a_job() or not _taken_from_a_job():
            run_here(stage, arguments, resources)
        return
    from pipeline.launcher.driver import run_on_slurm  # imported here: it is needed where there is a cluster

    run_on_slurm(stage, arguments, resources)


def _has_been_a_job() -> bool:
    """Whether the stage has run on Slurm here, with whatever inputs: quick, for most never have."""
    address = os.environ.get("DVC_STAGE")
    return bool(address and folders_of(address))


def _taken_from_a_job() -> bool:
    from pipeline.launcher.driver import take_from_a_job

    return take_from_a_job()
