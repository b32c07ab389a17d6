"""Which stages have a job on the cluster: for who looks on, on this machine or another one."""

from __future__ import annotations

from pipeline.launcher import slurm
from pipeline.launcher.job_folder import JOBS, JobFolder
from pipeline.launcher.slurm import SlurmError


def queued_jobs() -> dict[str, str]:
    """The number of the job, waiting or running, of each stage that has one; none where Slurm does not answer."""
    folders = [JobFolder(path) for path in sorted(JOBS.glob("*-*")) if path.is_dir()]
    found = {}
    try:
        for folder in folders:
            numbers = [] if folder.is_finished() else slurm.jobs_called(folder.name)
            if numbers:
                found[folder.address] = numbers[0]
    except SlurmError:
        return {}
    return found
