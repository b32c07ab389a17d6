"""dvc.yaml lists, for every stage, exactly the code that the stage really imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.dvc_view.stage_facts import facts_of
from pipeline.params import Params

ROOT = Path(__file__).resolve().parents[1]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# `pipeline.params` imports the record of every method for its types only: they check what a round says, and DVC sees
# what it says. So a stage that reads params.yaml does not depend on the methods; one that imports them itself does.
_LIST_MODULES = """
import builtins, importlib, sys

imported, real = {}, builtins.__import__

def traced(name, globals=None, locals=None, fromlist=(), level=0):
    module = real(name, globals, locals, fromlist, level)
    names = [name, *(f"{name}.{item}" for item in fromlist or () if f"{name}.{item}" in sys.modules)]
    imported.setdefault((globals or {}).get("__name__"), []).extend(names)
    return module

builtins.__import__ = traced
importlib.import_module(sys.argv[1])
seen, waiting = set(), [sys.argv[1]]
while waiting:
    name = waiting.pop()
    if name in seen or name.split(".")[0] not in ("pipeline", "stages"):
        continue
    seen.add(name)
    waiting.append(name.rpartition(".")[0])
    for other in imported.get(name, []):
        if not (name.startswith("pipeline.params") and other.startswith("pipeline.methods")):
            waiting.append(other)
for name in sorted(seen):
    if getattr(sys.modules[name], "__file__", None):
        print(sys.modules[name].__file__)
"""


def description(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def real_imports(module: str) -> set[str]:
    """The folders of pipeline/ (or single files of pipeline/ and stages/) that importing a stage loads."""
    answer = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, module], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = set()
    for line in answer.stdout.splitlines():
        parts = Path(line).resolve().relative_to(ROOT).parts
        if parts == ("pipeline", "__init__.py"):
            continue  # it is empty
        found.add("/".join(parts[:2]))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_the_code_it_imports(stage):
    command = description(stage)["cmd"].split()
    module = command[command.index("-m") + 1]
    if module == "stages.launch":
        module = f"stages.{command[command.index(module) + 1]}"
    listed = [path for path in description(stage)["deps"] if path.split("/")[0] in ("pipeline", "stages")]
    assert len(listed) == len(set(listed)), "a file is listed twice"
    assert set(listed) == real_imports(module)


@pytest.mark.parametrize("stage", STAGES)
def test_meta_names_the_program_that_the_stage_runs_and_its_use_of_networks(stage):
    words = [word for word in description(stage)["cmd"].split() if word not in ("stages.launch", "exec")]
    facts = facts_of(stage, description(stage).get("meta"))
    assert words[2].removeprefix("stages.") == (facts.program or stage)
    assert facts.gpu == ("pipeline/models" in description(stage)["deps"])


def test_stages_of_one_program_have_the_same_facts():
    by_program: dict[str, set] = {}
    for stage in STAGES:
        facts = facts_of(stage, description(stage).get("meta"))
        by_program.setdefault(facts.program or stage, set()).add(facts._replace(program=""))
    assert all(len(facts) == 1 for facts in by_program.values())


@pytest.mark.parametrize("stage", STAGES)
def test_no_shell_stays_between_dvc_and_a_stage(stage):
    """Such a shell outlives a killed DVC, and the stage below it would go on as a second writer."""
    assert description(stage)["cmd"].startswith("exec ")


def test_the_library_s_package_is_empty():
    assert not (ROOT / "pipeline" / "__init__.py").read_text(encoding="utf-8").strip()


def test_params_that_dvc_needs_may_not_be_left_out():
    """DVC refuses a stage whose params are not in the file, so what it depends on has no default."""
    replaced = {"starts.${key}": "starts", "rounds.${key}": "rounds"}
    for stage in STAGES:
        for entry in description(stage)["params"]:
            if entry == "translations.${key}":
                continue  # the table has a default in dvc.yaml's vars, and then there is no such stage
            if entry == "${item.method}":
                continue  # tests/test_params.py: a round without its method's section is refused
            for old, new in replaced.items():
                entry = entry.replace(old, new)
            section = Params
            for step in entry.split("."):
                assert section.model_fields[step].is_required(), f"{stage}: {entry} may be left out of params.yaml"
                section = section.model_fields[step].annotation


def test_the_heavy_stages_go_through_the_launcher_on_which_none_depends():
    launched = {stage for stage in STAGES if "stages.launch" in description(stage)["cmd"]}
    assert {"pretrain", "adapt"} <= launched
    assert launched == {stage for stage in STAGES if facts_of(stage, description(stage).get("meta")).gpu}
    launching = ("pipeline/dvc_view", "pipeline/launcher", "pipeline/overnight", "stages/launch", "site")
    for stage in STAGES:
        listed = description(stage)["deps"]
        assert not [path for path in listed if path.startswith(launching)]
        assert "pipeline/timing" not in listed or stage == "report", "its page shows the times"


def test_runtime_is_no_stage_s_dependency():
    for stage in STAGES:
        assert not any(str(entry).startswith("runtime") for entry in description(stage)["params"])
