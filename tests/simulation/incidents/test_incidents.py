"""The demo's intrusion as one incident, and what people then say of it: merged, split, closed, opened again."""

import dataclasses

import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, Unavailable
from phalanx.demo import Intrusion, address_book, feed, put_together, run_headless, tally
from phalanx.incidents import CloseWanted, IncidentOutcome, IncidentStatus, MergeWanted, SplitWanted
from phalanx.incidents._regrouping import regrouped
from phalanx.intel import OpinionWanted, Verdict
from phalanx.node import Settings, build_node
from phalanx.testing import InlineOffload, SimWorld


@pytest.mark.requirement("AGT-1")
@pytest.mark.requirement("INT-2")
def test_the_intrusion_of_the_demo_is_found_expanded_and_one():
    way = run_headless(7)
    [whole] = [one for one in way["incidents"] if len(one["members"]) > 5]
    [score] = way["scores"]
    assert score["id"] == whole["id"]
    assert score["rates"]["precision of findings"] == score["rates"]["recall of findings"] == 1.0
    assert score["rates"]["recall of events"] > 0.7
    assert score["rates"]["precision of events"] > 0.9
    assert {case.partition(".")[0] for case in whole["cases"]} == {"ws-07", "fs-01", "app-01", "dc-01", "web-01"}
    assert whole["expanded"]
    assert whole["hunts"]
    assert [one["at_ns"] for one in whole["techniques"]] == sorted(one["at_ns"] for one in whole["techniques"])
    assert way == run_headless(7)


def in_a_node(main, *, seed=3, story="web", **ports):
    async def run(world):
        ports_of_all = dataclasses.replace(world.ports("node"), **ports)
        async with build_node(Settings(), ports_of_all, host_names=address_book()) as node:
            stream = Intrusion(seed, story=story)
            _, batches = await feed(stream, node, speed=1.0)
            await node.settled()
            return await main(node, stream, batches)

    return SimWorld(seed).run(run)


@pytest.mark.requirement("AGT-1")
def test_two_intrusions_at_once_are_two_incidents():
    async def main(node, stream, batches):
        truth, streamed, groups = await put_together(node, stream, batches)
        return tally(truth, streamed, list(groups.values()))

    counted = in_a_node(main, story="two")
    assert (counted.intrusions, counted.found, counted.mixed) == (2, 2, 0)


@pytest.mark.requirement("AGT-1")
def test_what_people_say_of_incidents_holds_and_is_on_record():
    async def main(node, *_):
        incidents = node.incidents
        await incidents.regroup(DEFAULT_TENANT)
        [one] = [found for found in await incidents.newest(DEFAULT_TENANT) if len(found.members) > 2]
        assert await incidents.regroup(DEFAULT_TENANT) == 0

        out = one.findings[-1]
        left = await incidents.split(DEFAULT_TENANT, one.id, SplitWanted(findings=(out,), reason="other"), by="kim")
        assert out not in left.findings
        assert len(left.findings) == len(one.findings) - 1
        await incidents.regroup(DEFAULT_TENANT)
        assert (await incidents.get(DEFAULT_TENANT, left.id)).findings == left.findings

        closed = await incidents.close(
            DEFAULT_TENANT, left.id, CloseWanted(outcome=IncidentOutcome.TEST, reason="our own"), by="kim"
        )
        assert (closed.status, closed.by) == (IncidentStatus.CLOSED, "kim")
        wrong = left.findings[-1]
        await node.judgements.say(DEFAULT_TENANT, wrong, OpinionWanted(verdict=Verdict.WRONG), by="kim")
        await incidents.regroup(DEFAULT_TENANT)
        assert wrong not in (await incidents.get(DEFAULT_TENANT, left.id)).findings

        with pytest.raises(NotFound):
            await incidents.close(
                DEFAULT_TENANT, "nothing", CloseWanted(outcome=IncidentOutcome.TEST, reason="x"), by="kim"
            )
        with pytest.raises(InvalidInput):
            await incidents.merge(DEFAULT_TENANT, MergeWanted(incidents=(left.id,), reason="x"), by="kim")
        with pytest.raises(InvalidInput):
            await incidents.split(DEFAULT_TENANT, left.id, SplitWanted(findings=(), reason="x"), by="kim")
        told = [found.entry.action for found in await node.ledger.entries(-1, 1_000)]
        assert {"incident.open", "incident.split", "incident.close"} <= set(told)

    in_a_node(main)


class Processes(InlineOffload):
    """Counts what it is asked to run of the grouping, and dies of it if it is to."""

    def __init__(self, *, dies=False):
        self.groupings, self.dies = 0, dies

    async def run(self, work, /, *args, **kwargs):
        if getattr(work, "func", None) is regrouped:
            self.groupings += 1
            if self.dies:
                raise Unavailable("the processes", "one of them died while it worked")
        return await super().run(work, *args, **kwargs)


def incidents_found(monkeypatch, processes, *, most_in_thread):
    monkeypatch.setattr("phalanx.incidents._incidents.MAX_THREAD_ROWS", most_in_thread)

    async def main(node, *_):
        await node.incidents.regroup(DEFAULT_TENANT)
        return [(one.id, one.findings, one.title) for one in await node.incidents.newest(DEFAULT_TENANT)]

    return in_a_node(main, processes=processes)


@pytest.mark.requirement("AGT-1")
def test_much_is_put_together_in_a_process_and_without_one_all_the_same(monkeypatch):
    unused, used, dying = Processes(), Processes(), Processes(dies=True)
    in_threads = incidents_found(monkeypatch, unused, most_in_thread=10_000)
    assert in_threads
    assert incidents_found(monkeypatch, used, most_in_thread=5) == in_threads
    assert incidents_found(monkeypatch, dying, most_in_thread=5) == in_threads
    assert unused.groupings == 0 < min(used.groupings, dying.groupings)
