"""The whole node under power failures, and that the checkers can fail."""

from dataclasses import replace

import pytest

from phalanx.demo import node_simulation, run_headless


@pytest.mark.slow
@pytest.mark.requirement("HWF-4")
@pytest.mark.parametrize("seed", range(12))
def test_an_intrusion_gets_through_a_node_that_keeps_failing(seed):
    report = node_simulation().run(seed)
    assert report.violations == ()
    assert report.counts == {"crashes": 3, "missions done": 1}


@pytest.mark.slow
def test_a_disk_that_only_pretends_to_write_is_noticed():
    lying = node_simulation(sabotage=lambda faults: replace(faults, lying_sync=1.0))
    noticed = [seed for seed in range(6) if lying.run(seed).violations]
    assert len(noticed) >= 5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    first, again, other = (node_simulation().run(seed) for seed in (3, 3, 4))
    assert (first.digest, first.steps) == (again.digest, again.steps)
    assert first.digest != other.digest


@pytest.mark.slow
def test_the_headless_demo_is_the_same_to_the_byte_in_every_process(tmp_path):
    import os
    import subprocess
    import sys

    printed = [
        subprocess.run(
            [sys.executable, "-m", "phalanx.cli", "demo", "--headless", "--seed", "7", "--json"],
            capture_output=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert printed[0] == printed[1]
    assert len(printed[0]) > 100_000


@pytest.mark.slow
@pytest.mark.requirement("AGT-1")
def test_the_headless_demo_tells_the_whole_way():
    told = run_headless(7)
    totals = told["totals"]
    assert totals["step"] == 3 * totals["mission"] == 3 * totals["assessment"]
    assert totals["ledger"] == totals["assessment"] + totals["proposal"] + totals["decision"]
    indexes = [entry["index"] for entry in told["ledger"]]
    assert (len(set(indexes)), indexes) == (totals["ledger"], sorted(indexes))
    assert {d["outcome"] for d in told["decisions"]} == {"approved", "refused"}
    quantum = [step for step in told["steps"] if step["step_kind"] == "quantum"]
    assert quantum
    for step in quantum:
        (provenance,) = step["provenance"]
        assert provenance["origin"] == "simulated"
        assert provenance["baselines"], "a quantum result stands beside its classical baseline"
