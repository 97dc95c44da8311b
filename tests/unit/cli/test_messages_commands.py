"""`phalanx messages` on what a node answered."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli.agents._messages import messages
from phalanx.core import Unavailable, encode_json
from phalanx.messaging import DeadLetterView, MemberView, StreamView, show_bus
from phalanx.testing import SimWorld

LETTER = DeadLetterView(
    id="0", at_ns=0, kind="alert", sender="p/a", recipient="q", outcome="unreachable", marking="TLP:GREEN",
    body_bytes=3, trace="",
)  # fmt: skip
STREAM = StreamView(
    process="q", on_the_way=2, waiting=1, retries=7, duplicates=0, round_trip_ms=0.5, silent_s=-1.0, members=4
)
MEMBER = MemberView(address="p/a", process="p", tags=("x",), clearance="TLP:RED", organisation="", waiting=-1)


@pytest.fixture
def node(monkeypatch):
    """A node that answers with what the API's own views say."""
    from phalanx.messaging import Bus
    from phalanx.telemetry import Telemetry

    world = SimWorld(1)
    bus = Bus("p", clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock))
    answers = {
        "/v1/messages": json.loads(encode_json(show_bus(bus))),
        "/v1/messages/members": {"items": [json.loads(encode_json(MEMBER))], "next": ""},
        "/v1/messages/dead-letters": {"items": [json.loads(encode_json(LETTER))], "next": ""},
    }
    answers["posted"] = {"taken": 1, "id": "0"}
    posted = []
    monkeypatch.setattr(NodeClient, "get", lambda _, path, **__: answers[path])
    monkeypatch.setattr(NodeClient, "post", lambda _, path, **__: posted.append(path) or answers["posted"])
    monkeypatch.setattr(NodeClient, "post_json", lambda _, path, *__, **___: posted.append(path) or answers["posted"])
    return answers, posted


def run(*arguments):
    return CliRunner().invoke(messages, [*arguments, "--url", "http://node"], catch_exceptions=False).output


def test_routes_streams_members_and_dead_letters_are_tables_and_json(node):
    answers, posted = node
    assert "never gives way" in run("routes")
    assert "this node is alone" in run("streams")
    answers["/v1/messages"]["streams"] = [json.loads(encode_json(STREAM))]
    assert "never" in run("streams")
    assert json.loads(run("streams", "--json"))[0]["retries"] == 7
    assert "TLP:RED" in run("members")
    assert "unreachable" in run("dead-letters")
    assert json.loads(run("dead-letters", "--json"))[0]["kind"] == "alert"
    assert "taken by 1" in run("replay", "a/b")
    assert "forgotten" in run("discard", "0")
    answers["posted"] = {
        "taken": 8, "took_ms": 1.0, "open_count": 1, "open": ["q"], "refused": [{"recipient": "r", "outcome": "shed"}]
    }  # fmt: skip
    assert "taken by 8\n1 open after 5 s, on the way yet: q" in run("broadcast", "fire")
    assert "r: shed" in run("broadcast", "fire")
    n_posted = len(posted)
    assert "nothing to say" in run("broadcast", " ")
    assert len(posted) == n_posted
    assert json.loads(run("broadcast", "fire", "--json"))["open"] == ["q"]
    assert posted[:2] == ["/v1/messages/dead-letters/a%2Fb/replay", "/v1/messages/dead-letters/0/discard"]


def test_graphs_of_processes_are_compared_and_drawn(tmp_path):
    from phalanx.cli.agents._group import agents

    picture = tmp_path / "graphs.svg"
    found = CliRunner().invoke(
        agents, ["topology", "--nodes", "40", "--trials", "3", "--plot", str(picture), "--json"], catch_exceptions=False
    )
    assert [one["graph"] for one in json.loads(found.output)["graphs"]] == ["mesh", "tree", "regular-8", "regular-10"]
    assert picture.read_text().startswith("<svg")
    few = CliRunner().invoke(agents, ["topology", "--nodes", "5", "--trials", "2"], catch_exceptions=False)
    assert "5 processes of 5 organisations" in few.output
    for wrong, told in (
        (["--nodes", "20", "--degree", "20"], "of 20 processes each has at most 19 others"),
        (["--nodes", "20", "--organisations", "21"], "20 processes are of 1 to 20 organisations, not of 21"),
    ):
        refused = CliRunner().invoke(agents, ["topology", *wrong])
        assert refused.exit_code != 0
        assert told in refused.output + str(refused.exception)
    assert "coverage" in CliRunner().invoke(agents, ["topology", "--nodes", "40"], catch_exceptions=False).output


@pytest.mark.requirement("MSG-6")
def test_graphs_are_those_of_the_nodes_cluster_where_there_is_one(monkeypatch, tmp_path):
    from phalanx.cli.agents._group import agents

    survey = {
        "asked_by": "a", "at_ns": 1,
        "processes": [{"process": one, "organisation": "acme", "answered": one != "c"} for one in "abc"],
        "ways": [{"here": "a", "there": "b", "round_trip_ms": 12.0}],
    }  # fmt: skip
    answer = {"survey": survey}
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: answer)
    picture = tmp_path / "g.svg"
    asked = ["topology", "--trials", "2"]
    shown = CliRunner().invoke(agents, [*asked, "--plot", str(picture)], catch_exceptions=False).output
    assert "as a and the others measured" in shown
    assert "1 of 1 ways measured, round trip 12 ms; no answer from c" in shown
    assert ">b</text>" in picture.read_text()
    found = json.loads(CliRunner().invoke(agents, [*asked, "--of-node", "--json"], catch_exceptions=False).stdout)
    assert (found["measured"], found["survey"]) == (True, survey)
    # Who says how many processes, or that places are simulated, is not asking about the cluster.
    for simulated in (["--simulated"], ["--nodes", "20"]):
        found = CliRunner().invoke(agents, [*asked, *simulated, "--json"], catch_exceptions=False)
        assert json.loads(found.stdout)["measured"] is False

    def nobody(*_, **__):
        raise Unavailable("the node", "nobody is there")

    monkeypatch.setattr(NodeClient, "get", nobody)
    found = CliRunner().invoke(agents, [*asked, "--json"], catch_exceptions=False)
    assert json.loads(found.stdout)["measured"] is False
    assert "simulated places instead" in found.stderr
    with pytest.raises(Unavailable):
        CliRunner().invoke(agents, [*asked, "--of-node"], catch_exceptions=False)


def test_agents_are_listed_without_a_subcommand(monkeypatch):
    from phalanx.cli.agents._group import agents

    monkeypatch.setattr(NodeClient, "pages", lambda *_, **__: iter(()))
    for arguments in (["--url", "http://node"], ["list", "--url", "http://node"]):
        assert "no agents yet" in CliRunner().invoke(agents, arguments, catch_exceptions=False).output
