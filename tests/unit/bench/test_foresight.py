"""What `phalanx bench foresight` scores was not used to choose its parameters."""

from phalanx.bench.analyses._foresight import CHOSEN_ON, drawn_history, held_out


def test_what_is_scored_is_disjoint_from_what_parameters_were_chosen_on():
    for seed in (0, 1, 2, 1_000):
        assert len(held_out(seed, 6)) == 6
        assert set(held_out(seed, 6)).isdisjoint(CHOSEN_ON)
    chosen = {one.id for number in CHOSEN_ON for one in drawn_history(number)}
    assert {one.id for number in held_out(1, 6) for one in drawn_history(number)}.isdisjoint(chosen)
