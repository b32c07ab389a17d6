"""Which job may start when: priorities, slots, failures, chains that end early."""

import random

import pytest

from pipeline.overnight.scheduler import Job, Outcome, Scheduler, simulate

GOOD = (Outcome.ran, Outcome.cached)


def names(jobs):
    return [job.name for job in jobs]


def chain(name, rounds, seconds=1.0, needs=()):
    """dump → adapt → evaluate, round after round."""
    jobs, before = [], tuple(needs)
    for number in range(1, rounds + 1):
        dump, adapt = f"dump@{name}-{number}", f"adapt@{name}-{number}"
        jobs += [Job(dump, before, True, seconds), Job(adapt, (dump,), True, seconds)]
        jobs.append(Job(f"evaluate@{name}-{number}", (adapt,), True, seconds))
        before = (adapt,)
    return jobs


def test_a_job_waits_for_all_that_it_needs():
    scheduler = Scheduler([Job("c", ("a", "b")), Job("a"), Job("b")], slots=1, light=2)
    assert names(scheduler.take()) == ["a", "b"]
    assert scheduler.take() == []
    scheduler.end("a", Outcome.ran)
    assert scheduler.take() == []
    scheduler.end("b", Outcome.cached)
    assert names(scheduler.take()) == ["c"]
    scheduler.end("c", Outcome.ran)
    assert scheduler.finished


def test_slots_and_light_jobs_are_counted_apart():
    scheduler = Scheduler(
        [Job(f"gpu-{n}", slot=True) for n in range(3)] + [Job(f"cpu-{n}") for n in range(3)], slots=2, light=1
    )
    assert names(scheduler.take()) == ["gpu-0", "gpu-1", "cpu-0"]
    scheduler.end("cpu-0", Outcome.ran)
    assert names(scheduler.take()) == ["cpu-1"]
    scheduler.end("gpu-1", Outcome.failed)
    assert names(scheduler.take()) == ["gpu-2"], "a job that failed gives its slot back"


def test_the_head_of_the_longest_chain_goes_first():
    scheduler = Scheduler([Job("short", slot=True, seconds=5), *chain("long", 3, 10)], slots=1, light=1)
    assert names(scheduler.take()) == ["dump@long-1"]


def test_what_needs_a_failed_job_is_blocked_and_the_rest_goes_on():
    scheduler = Scheduler([Job("a"), Job("b", ("a",)), Job("c", ("b",)), Job("other")], slots=1, light=9)
    scheduler.take()
    scheduler.end("a", Outcome.failed)
    scheduler.end("other", Outcome.ran)
    assert scheduler.finished
    assert scheduler.outcomes == {"a": "failed", "b": "blocked", "c": "blocked", "other": "ran"}


def test_the_report_runs_on_what_is_there():
    jobs = [Job("a"), Job("b"), Job("report", ("a", "b"), tolerant=True)]
    scheduler = Scheduler(jobs, slots=1, light=9)
    scheduler.take()
    scheduler.end("a", Outcome.failed)
    scheduler.end("b", Outcome.ran)
    assert names(scheduler.take()) == ["report"]
    nothing = Scheduler(jobs, slots=1, light=9)
    nothing.take()
    nothing.end("a", Outcome.failed)
    nothing.end("b", Outcome.failed)
    assert nothing.outcomes["report"] is Outcome.blocked, "nothing is there"


def test_a_stopped_chain_starts_nothing_more_but_what_is_under_way_goes_on():
    scheduler = Scheduler([*chain("lse", 3), Job("report", ("evaluate@lse-3",), tolerant=True)], slots=2, light=1)
    scheduler.take()
    scheduler.end("dump@lse-1", Outcome.ran)
    assert names(scheduler.take()) == ["adapt@lse-1"]
    stopped = scheduler.stop([name for name in scheduler.jobs if name.endswith(("-2", "-3")) or name == "adapt@lse-1"])
    assert sorted(stopped) == sorted(name for name in scheduler.jobs if name.endswith(("-2", "-3")))
    scheduler.end("adapt@lse-1", Outcome.ran)
    assert names(scheduler.take()) == ["evaluate@lse-1"]
    scheduler.end("evaluate@lse-1", Outcome.ran)
    assert scheduler.finished
    assert scheduler.outcomes["dump@lse-3"] is Outcome.stopped


def test_a_job_stopped_while_it_was_ready_does_not_start():
    scheduler = Scheduler([Job("a", slot=True), Job("b", slot=True)], slots=1, light=1)
    assert names(scheduler.take()) == ["a"]
    assert scheduler.stop(["b"]) == ["b"]
    scheduler.end("a", Outcome.ran)
    assert scheduler.take() == []
    assert scheduler.finished


def test_two_chains_on_two_slots_take_half_the_time():
    jobs = [Job("prepare", seconds=1), *chain("lse", 3, 10, ("prepare",)), *chain("cbst", 3, 10, ("prepare",))]
    alone = max(end for _, end in simulate(Scheduler(jobs, slots=1, light=1)).values())
    together = max(end for _, end in simulate(Scheduler(jobs, slots=2, light=1)).values())
    assert alone == 1 + 18 * 10
    # each chain has two jobs a round that the next waits for, and evaluations that fill the gaps
    assert together == 1 + 9 * 10


@pytest.mark.parametrize("seed", range(5))
def test_any_graph_ends_with_every_job_once_and_within_its_limits(seed):
    draw = random.Random(seed)
    jobs = []
    for number in range(60):
        needs = tuple(draw.sample([job.name for job in jobs], min(len(jobs), draw.randint(0, 3))))
        jobs.append(Job(f"job-{number}", needs, draw.random() < 0.6, draw.random(), draw.random() < 0.1))
    draw.shuffle(jobs)
    scheduler, started = Scheduler(jobs, slots=3, light=2), []
    while not scheduler.finished:
        for job in scheduler.take():
            assert all(scheduler.outcomes.get(needed) in GOOD or job.tolerant for needed in job.needs)
            started.append(job.name)
        under_way = [scheduler.jobs[name] for name in scheduler.running]
        assert under_way, "nothing is under way and nothing starts"
        assert sum(job.slot for job in under_way) <= 3
        assert sum(not job.slot for job in under_way) <= 2
        ending = draw.choice(under_way).name
        scheduler.end(ending, Outcome.failed if draw.random() < 0.1 else Outcome.ran)
    assert len(started) == len(set(started))
    assert set(scheduler.outcomes) == {job.name for job in jobs}
    assert set(started) == {name for name, outcome in scheduler.outcomes.items() if outcome is not Outcome.blocked}
