"""What `phalanx bench` prints for people: like beside like, spreads in one cell, nothing that is there shown as 0."""

from phalanx.cli._bench_shown import print_result


def shown(capsys, **sections) -> list[str]:
    print_result({"bench": "some", "load": {}, "figures": {}, "baselines": {}, "ratios": {}, **sections})
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_spreads_and_intervals_are_one_cell(capsys):
    interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    found = shown(
        capsys,
        figures={
            "plain_us_p50": 1.0, "plain_us_p99": 12.3456, "whole_ms": {"p50": 2.0, "p99": 3.0},
            "error": interval, "judged": {**interval, "of": 12}, "regret_mean": 2.0, "regret_interval": [1.0, 3.0],
        },
    )  # fmt: skip
    assert found == [
        "some", "figures", "plain_us, p50 / p99 1 / 12.3", "whole_ms, p50 / p99 2 / 3", "error 0.5 [0.25, 0.75]",
        "regret_mean 2 [1, 3]", "judged.value 0.5 [0.25, 0.75]", "judged.of 12",
    ]  # fmt: skip


def test_neighbours_that_say_the_same_are_a_table_and_others_are_not(capsys):
    found = shown(capsys, figures={"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}, "c": {"other": 5}})
    assert found == ["some", "figures", "c.other 5", "x y", "a 1 2", "b 3 4"]


def test_where_much_is_said_of_each_subjects_stand_beside_each_other(capsys):
    many = {f"m{at}": at for at in range(8)}
    found = shown(capsys, baselines={"one": many, "two": many | {"m7": 70}})
    assert found[2] == "one two"
    assert found[-1] == "m7 7 70"


def test_what_is_not_nothing_is_never_shown_as_nothing(capsys):
    found = shown(
        capsys,
        ratios={"small": 1.234e-5, "large": 1_234_567.8, "none": None, "met": True, "list": [1.5, 2.0], "zero": 0.0},
    )
    assert found[2:] == ["small 1.23e-05", "large 1,234,568", "none –", "met yes", "list 1.5, 2", "zero 0"]


def test_lists_of_trees_are_trees_and_curves_are_left_to_json(capsys):
    found = shown(capsys, figures={"chosen": [{"x": 1}, {"x": 2}], "curve": [[0, 1], [1, 2], [2, 3]]})
    assert found[2:] == ["curve 3 rows, in --json", "x", "chosen.1 1", "chosen.2 2"]
