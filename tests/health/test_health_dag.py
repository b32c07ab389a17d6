"""The verdict in a whole `dvc repro`: other limits judge again and train nothing; a guarded round may be its init."""

from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import file_hash
from pipeline.health.record import read_health

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("warm_stages")]


def test_other_limits_judge_again_and_train_nothing(tmp_path: Path) -> None:
    params = tiny_params()
    params["data"]["source"]["images"] = 24
    params["health"] = {"images": 6}
    del params["rounds"]["lse-3"]
    params["rounds"]["lse-2"]["guard"] = True
    make_workspace(tmp_path, params)
    assert (
        "prepare: held back 1 of 24 source images for the verdict: ids 000023" in run(tmp_path, "dvc", "repro").stdout
    )
    runs = tmp_path / "runs"
    first, second = read_health(runs / "lse-1"), read_health(runs / "lse-2")
    assert first is not None and second is not None and first.reference == second.reference
    assert first.reference.source_iou is not None and first.images == 6
    assert second.result == ("init" if second.verdict == "fails" else "trained")

    verdict = tmp_path / "pipeline" / "health" / "verdict.py"
    verdict.write_text(verdict.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert set(stages_run(run(tmp_path, "dvc", "repro").stdout)) <= {"health@lse-1", "health@lse-2", "report"}

    params["health"] |= {"share_divergence": 1e-12}  # the least drift fails
    write_params(tmp_path, params)
    again = stages_run(run(tmp_path, "dvc", "repro").stdout)
    assert {"health@lse-1", "health@lse-2"} <= set(again)
    assert not [stage for stage in again if stage.startswith(("pretrain", "dump", "adapt", "selection", "patches"))]
    first, second = read_health(runs / "lse-1"), read_health(runs / "lse-2")
    assert first is not None and second is not None
    assert (first.verdict, first.result, second.verdict, second.result) == ("fails", "trained", "fails", "init")
    assert file_hash(runs / "lse-2" / "model.pt") == file_hash(runs / "lse-1" / "model.pt")
    assert stages_run(run(tmp_path, "dvc", "repro").stdout) == []
