"""dvc.yaml lists, for every stage, the code that determines what it computes, and nothing else."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.common.code import has_effect
from pipeline.dvc_view.stage_facts import facts_of
from pipeline.params import Params

ROOT = Path(__file__).resolve().parents[1]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

COUNTERS = "pipeline/params/changed_defaults.yaml"

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
    if not name.startswith("pipeline.params"):  # what it imports, it imports to check names
        waiting += [name.rpartition(".")[0], *imported.get(name, [])]
for name in sorted(seen):
    if getattr(sys.modules[name], "__file__", None):
        print(sys.modules[name].__file__)
"""


def description(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def module_of(stage: str) -> str:
    command = description(stage)["cmd"].split()
    module = command[command.index("-m") + 1]
    return f"stages.{command[command.index(module) + 1]}" if module == "stages.launch" else module


def code_of(stage: str) -> list[str]:
    """The code that dvc.yaml lists."""
    return [path for path in description(stage)["deps"] if path.split("/")[0] in ("pipeline", "stages")]


def covers(listed: str, path: str) -> bool:
    return path == listed or path.startswith(f"{listed}/")


@cache
def imported(module: str) -> tuple[str, ...]:
    """The files that a stage imports, but for empty packages and what params alone imports."""
    answer = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, module], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [Path(line).resolve().relative_to(ROOT) for line in answer.stdout.splitlines()]
    return tuple(str(path) for path in found if path.name != "__init__.py" or has_code(path))


def has_code(path: Path) -> bool:
    """Whether there is more in a file than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body)


def imported_later(path: str) -> set[str]:
    """The files that functions of a file import when they are called."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    nodes = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.ImportFrom)]
    modules = {node.module or "" for node in nodes} | {
        f"{node.module}.{alias.name}" for node in nodes for alias in node.names
    }
    files = {f"{module.replace('.', '/')}.py" for module in modules}
    return {file for file in files if file.startswith("pipeline/") and (ROOT / file).is_file()}


def dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def stages_that_depend_on(path: str) -> set[str]:
    """What an edit of a file runs again, unless a stage that runs again makes the same as before."""
    return {stage for stage in STAGES if any(covers(listed, path) for listed in code_of(stage))}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_the_code_that_determines_what_it_computes(stage):
    listed, loaded = code_of(stage), imported(module_of(stage))
    assert len(listed) == len(set(listed)), "a file is listed twice"
    assert len(loaded) > 10, "the stage imports nothing?"
    with_effect = [path for path in loaded if has_effect(dotted(path))]
    later = {file for path in with_effect for file in imported_later(path) if has_effect(dotted(file))}
    missing = [path for path in {*with_effect, *later} if not any(covers(entry, path) for entry in listed)]
    assert not missing, f"{stage} imports code that dvc.yaml does not list: {missing}"
    in_vain = [entry for entry in listed if not any(covers(entry, path) for path in loaded)]
    assert not in_vain, f"{stage} lists code that it does not import: {in_vain}"


MODELS = {"translate", "pretrain", "dump", "adapt", "health", "evaluate-initial", "evaluate"}

EDITS = {
    "pipeline/datasets/layouts/synthia.py": {"prepare"},
    "pipeline/datasets/entries.py": {"prepare"},
    "pipeline/common/labels.py": {"prepare", "evaluate-initial", "evaluate", "report"},  # its colours
    "pipeline/training/fill.py": {"pretrain", "adapt"},
    "pipeline/common/errors.py": set(),
    "pipeline/params/messages.py": set(),
    "pipeline/params/training.py": set(),
    "pipeline/checkpoints/kinds.py": set(),
    "pipeline/report/page/render.py": {"report"},
    "pipeline/health/verdict.py": {"health"},
    "pipeline/evaluation/confusion.py": {"health", "evaluate-initial", "evaluate", "report"},
    "pipeline/viewer/app.py": set(),
    "pipeline/launcher/slurm.py": set(),
    "pipeline/training/progress.py": set(),
    "stages/run.py": set(),
    "pipeline/training/losses.py": {"translate", "pretrain", "adapt"},
    "pipeline/training/alignment/methods.py": {"pretrain", "adapt"},
    "pipeline/models/base.py": MODELS,
    "pipeline/models/model_file.py": {*MODELS, "report"},  # the report looks whether a model is an average
    "pipeline/training/ema.py": {"translate", "pretrain", "adapt"},
}
"""What an edit of a file runs again: nothing is trained for a layout, a message, a checkpoint's kind, the report."""


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_runs_again_what_it_changes_and_no_more(path):
    assert (ROOT / path).is_file()
    assert stages_that_depend_on(path) == EDITS[path]


def test_a_stage_depends_on_the_changed_defaults_of_the_sections_that_it_reads():
    """The sections of `data` belong to prepare, which writes them down."""
    for stage in STAGES:
        entries = description(stage)["params"]
        counted = [entry for entry in entries if isinstance(entry, dict)]
        assert [list(entry) for entry in counted] == [[COUNTERS]], stage
        read = {str(entry).partition(".${key}")[0] for entry in entries if not isinstance(entry, dict)}
        assert set(counted[0][COUNTERS]) == read - {"seed", "classes", "data.size"}, stage


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
    replaced = {"initial_models.${key}": "initial_models", "rounds.${key}": "rounds"}
    for stage in STAGES:
        for entry in description(stage)["params"]:
            if isinstance(entry, dict):
                continue  # of changed_defaults.yaml, which has every section
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
    assert launched == MODELS
    where = ("pipeline/dvc_view", "pipeline/launcher", "pipeline/overnight", "stages/launch", "site")
    for stage in STAGES:
        assert not [path for path in description(stage)["deps"] if path.startswith(where)], stage


def test_runtime_is_no_stage_s_dependency():
    for stage in STAGES:
        assert not any(str(entry).startswith("runtime") for entry in description(stage)["params"])


def test_dvc_ignores_what_killed_writers_leave() -> None:
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        ignored = repo.dvcignore.is_ignored_file
        assert ignored(str(ROOT / "runs" / "lse-1" / ".5FHASyyu4dKDtLnQFmuqZw.tmp"))  # DVC's
        assert ignored(str(ROOT / "runs" / "lse-1" / ".metrics.json.71.partial"))
        assert not ignored(str(ROOT / "runs" / "lse-1" / "metrics.json"))
