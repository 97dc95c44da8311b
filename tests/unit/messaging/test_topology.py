"""Graphs of processes: connected, of the degrees that were asked for, and as good as is claimed."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, Rng
from phalanx.messaging import drawn, drawn_places, graphs_over, latency_tree, measured, regular_graph, repaired


def pieces(graph):
    seen, count = set(), 0
    for start in graph:
        if start not in seen:
            count += 1
            edge = [start]
            while edge:
                name = edge.pop()
                if name not in seen:
                    seen.add(name)
                    edge += graph[name]
    return count


@given(st.integers(1, 60), st.integers(3, 10))
def test_regular_graphs_are_connected_and_nobody_has_more_than_the_degree(n, degree):
    names = [f"p{j}" for j in range(n)]
    graph = regular_graph(names, degree)
    assert graph == regular_graph(reversed(names), degree)  # everybody finds the same
    assert pieces(graph) == 1
    for name, near in graph.items():
        assert name not in near
        assert min(degree, n - 1) - 1 <= len(near) <= degree
        assert all(name in graph[other] for other in near)


@given(st.integers(2, 50), st.integers(3, 8), st.integers(0, 2**32), st.data())
def test_trees_are_trees_before_and_after_repair(n, degree, seed, data):
    places = drawn_places(n, 1, Rng(seed))
    names = sorted(places.at)
    tree = latency_tree(names, places.latency_ms, names[0], degree)
    assert pieces(tree) == 1
    assert sum(map(len, tree.values())) == 2 * (n - 1)
    assert max(map(len, tree.values())) <= degree
    silent = set(data.draw(st.lists(st.sampled_from(names), max_size=n - 1, unique=True)))
    mended, rewired = repaired(tree, silent, places.latency_ms, degree)
    assert set(mended) == set(names) - silent
    assert pieces(mended) == 1
    assert sum(map(len, mended.values())) == 2 * (n - len(silent) - 1)
    kept = sum(len(set(near) - silent) for name, near in tree.items() if name not in silent) // 2
    assert rewired == n - len(silent) - 1 - kept  # only what was cut off is joined anew


@pytest.mark.requirement("MSG-6")
def test_what_a_silent_third_costs_each_graph():
    places = drawn_places(300, 8, Rng(5))
    graphs = graphs_over(places)
    report = measured(places, graphs, Rng(6), silent_share=1 / 3, trials=10, seed=5)
    by_name = {one.graph: one for one in report.graphs}
    assert by_name["mesh"].coverage_least == 1.0
    assert by_name["tree"].coverage_mean < 0.8
    assert by_name["tree"].repaired_coverage == 1.0
    assert by_name["tree"].rewired > 0
    assert by_name["regular-8"].coverage_mean > 0.99
    assert by_name["regular-10"].coverage_mean > 0.995
    assert by_name["regular-8"].copies < 8
    assert by_name["tree"].copies == pytest.approx(299 / 300)
    assert by_name["mesh"].path_ms_p99 <= by_name["regular-8"].path_ms_p99
    assert by_name["tree"].degree_most <= 8


@pytest.mark.requirement("MSG-6")
def test_the_picture_is_whole_and_says_what_is_simulated():
    places = drawn_places(40, 3, Rng(5))
    graphs = graphs_over(places)
    report = measured(places, graphs, Rng(6), silent_share=0.2, trials=3, seed=5)
    picture = drawn(places, graphs, report)
    root = ET.fromstring(picture)
    assert len(root.findall(".//{*}circle")) == 40 * len(graphs)
    assert "simulated" in picture
    for name in graphs:
        assert f">{name}</text>" in picture


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InvalidInput):
        drawn_places(1, 1, Rng(1))
    with pytest.raises(InvalidInput):
        drawn_places(3, 4, Rng(1))
    with pytest.raises(InvalidInput):
        measured(drawn_places(3, 1, Rng(1)), {}, Rng(1), silent_share=1.0, trials=1, seed=1)
