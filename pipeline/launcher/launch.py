"""Run a heavy stage where site.yaml says: here, or on Slurm. The command in dvc.yaml is the same everywhere."""

from __future__ import annotations

import os

from pipeline.launcher.job_folder import folders_of
from pipeline.launcher.local import run_here
from pipeline.launcher.site import read_site


def launch(stage: str, arguments: list[str]) -> None:
    """Return when the stage's outputs are in the workspace; where it runs here, this process becomes the stage.

    Raises:
        ReadableError: for a site.yaml with errors, and where Slurm or the job fails.
    """
    resources = read_site().resources(stage)
    if resources.where == "local":
        if not _has_been_a_job() or not _took_a_jobs_result():
            run_here(stage, arguments, resources)
        return
    from pipeline.launcher.driver import run_on_slurm  # imported here: only a cluster needs it

    run_on_slurm(stage, arguments, resources)


def _has_been_a_job() -> bool:
    """Whether the stage has run on Slurm here, with any inputs. Quick, for most never have."""
    address = os.environ.get("DVC_STAGE")
    return bool(address and folders_of(address))


def _took_a_jobs_result() -> bool:
    from pipeline.launcher.driver import take_a_jobs_result

    return take_a_jobs_result()
