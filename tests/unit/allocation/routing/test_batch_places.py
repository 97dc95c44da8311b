"""Which place a batch job goes to, and what each is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.allocation.batches import BatchJob, BatchLoad
from phalanx.allocation.routing import KUBERNETES, LOCAL, SLURM, Aims, BatchPlace, Expectations, route_batch

JOB = BatchJob(name="solve-1", command=("solve",), cpus=4)
HERE = BatchPlace(name="local", kind=LOCAL, cpus=8, memory_mib=4_096, commands=("solve",))
HPC = BatchPlace(name="hpc", kind=SLURM, cpus=64, memory_mib=65_536, slots=4, start_s=30.0, speed=4.0, cpu_hour=0.1)
CLOUD = BatchPlace(
    name="cloud", kind=KUBERNETES, cpus=64, memory_mib=65_536, slots=100, start_s=10.0, cpu_hour=1.0, image="lab/s:1"
)
PLACES = (HERE, HPC, CLOUD)


def routed(job=JOB, expected_s=600.0, places=PLACES, learned=None, **aims):
    return route_batch(job, expected_s, Aims(worth=10.0, hour=1.0, **aims), places, learned or Expectations())


def busy(place, pending, running):
    return BatchPlace(**{
        name: getattr(place, name) for name in place.__struct_fields__
    } | {"load": BatchLoad(pending=pending, running=running)})  # fmt: skip


def reasons(found):
    return {one.way.name: one.reason for one in found.ways}


@pytest.mark.requirement("QRM-10", "QRM-11")
def test_where_it_goes_follows_time_money_and_queues():
    assert routed(expected_s=20.0).name == "local", "getting to a cluster takes longer than doing it"
    assert routed(expected_s=3_600.0).name == "hpc", "four times as fast"
    assert routed(expected_s=3_600.0, places=(HERE, busy(HPC, 500, 4), CLOUD)).name == "local"
    waiting = (busy(HERE, 9, 1), busy(HPC, 500, 4), CLOUD)
    assert routed(expected_s=600.0, places=waiting).name == "cloud", "where nobody waits, though it costs"
    found = routed(expected_s=600.0, places=waiting, budget=0.01)
    assert found.name == "local"
    assert "more than 0.01" in reasons(found)["cloud"]
    assert "would lose" in routed().reason


@pytest.mark.requirement("QRM-10")
@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        ({"command": ("other",)}, "local", "no setting allows it"),
        ({"cpus": 32}, "local", "has 8 CPUs"),
        ({"memory_mib": 8_192}, "local", "has 4096 MiB"),
        ({"qpus": ("heron",)}, "hpc", "takes no QPUs"),
        ({"limit_s": 60}, "local", "the job's limit is 60 s"),
    ],
)
def test_each_place_says_what_rules_it_out(change, place, why):
    job = BatchJob(**{"name": "x", "command": ("solve",)} | change)
    assert why in reasons(routed(job, expected_s=100.0))[place]


def test_a_place_that_cannot_be_asked_is_none_and_where_none_is_left_all_say_why():
    away = BatchPlace(name="hpc", kind=SLURM, cpus=64, memory_mib=65_536, problem="HTTP 503")
    bare = BatchPlace(name="cloud", kind=KUBERNETES, cpus=64, memory_mib=65_536)
    found = routed(BatchJob(name="x", command=("other",)), places=(HERE, away, bare))
    assert found.name == ""
    assert all(told in found.reason for told in ("no setting allows it", "cannot be asked: HTTP 503", "needs an image"))
    assert "there is none" in routed(places=()).reason


def test_what_was_learned_corrects_what_is_told():
    learned = Expectations()
    for _ in range(20):
        learned.took("hpc", 180.0, 7_200.0)
    assert routed(expected_s=600.0).name == "hpc"
    assert routed(expected_s=600.0, learned=learned).name == "local"
    late = routed(expected_s=600.0, learned=learned, within_s=700.0)
    assert "are left" in reasons(late)["hpc"]


@given(st.floats(0.1, 1e6), st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_what_is_chosen_loses_no_more_than_any_other_that_fits(expected_s, pending, running, worth, hour):
    found = route_batch(
        BatchJob(name="x", command=("solve",), limit_s=10**7), expected_s, Aims(worth=worth, hour=hour),
        tuple(busy(one, pending, running) for one in PLACES), Expectations(),
    )  # fmt: skip
    losses = {one.way.name: one.loss for one in found.ways if not one.way.why_not}
    assert bool(found.name) == bool(losses)
    assert not found.name or losses[found.name] == min(losses.values())
    # Nothing that is done is expected to lose more than the answer is worth; untold, everything may.
    assert not worth or all(loss < worth for loss in losses.values())
    assert worth or found.name
