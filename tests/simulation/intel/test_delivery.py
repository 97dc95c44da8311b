import pytest

from phalanx.testing.delivery import LossySink, delivery_simulation

pytestmark = pytest.mark.requirement("INT-5")
_SEEDS = range(40)


def test_nothing_is_lost_and_nothing_doubled_where_the_peer_knows_it_again():
    counts = {}
    for seed in _SEEDS:
        report = delivery_simulation().run(seed)
        assert not report.violations, (seed, report.violations)
        for what, times in report.counts.items():
            counts[what] = counts.get(what, 0) + times
    assert counts["peers judged"] == 3 * len(_SEEDS)
    assert counts["recorded"] > 30 * len(_SEEDS)
    assert counts["doubled where the peer knows nothing again"], "the third peer shows that things went wrong at all"


def test_the_same_seed_is_the_same_run():
    assert delivery_simulation().run(7) == delivery_simulation().run(7)


def test_a_sink_that_takes_silence_for_an_answer_is_seen():
    found = [seed for seed in range(5) if delivery_simulation(sink=LossySink).run(seed).violations]
    assert found
    assert "never told" in delivery_simulation(sink=LossySink).run(found[0]).violations[0]
