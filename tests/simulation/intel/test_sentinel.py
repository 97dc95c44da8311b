"""The sentinel in a simulated world: findings, merging, missions, quarantine, crashes, full disks."""

import asyncio
import dataclasses
from collections import Counter

import msgspec
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_EVIDENCE,
    NotFound,
    Severity,
    StorageFull,
    TenantId,
    Waypoint,
    decode,
    event_id,
    iso_from_ns,
)
from phalanx.intel import (
    RuleSet,
    Sentinel,
    parse_rule,
)
from phalanx.intel import _harvest as harvest_module
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import WORLD_START_NS, SimWorld

from .watching import BENIGN, DUMP, GUESS, PSEXEC, RULES, Watch, simulate, windows


@pytest.mark.requirement("INT-2")
def test_a_hit_becomes_a_finding_a_mission_and_waypoints():
    async def main(watch):
        feed = watch.telemetry.feed.subscribe(DEFAULT_TENANT)
        accepted = await watch.accept(BENIGN, DUMP, BENIGN)
        await watch.sentinel.drained()
        (finding,) = await watch.findings.list(DEFAULT_TENANT)
        assert finding.rule == "lsass-dump-with-comsvcs"
        assert finding.severity is Severity.CRITICAL
        assert finding.evidence == (event_id(accepted.batch, 1),)
        assert finding.trace == finding.evidence[0]
        assert finding.case == "ws-07@2026-01-01"
        assert finding.hits == 1
        assert finding.tactics == ("credential-access",)
        assert str(finding.entities[0]) == "host:ws-07"
        assert "MiniDump" in finding.explanation
        assert finding.accepted_at_ns <= finding.found_at_ns
        (mission,) = await watch.missions()
        assert (mission.subject, mission.skill, mission.trace) == (finding.id, "triage", finding.trace)
        assert watch.woken == 2  # once at the start, once for the mission
        told = []
        while len(told) < 3:
            told.append(await anext(feed))
        assert [waypoint.stage for waypoint in told] == ["accepted", "finding", "mission"]
        assert {waypoint.trace for waypoint in told} == {finding.trace}
        rows = await watch.store.find(WAYPOINTS, DEFAULT_TENANT, "trace", finding.trace)
        assert len(rows) == 3

    simulate(main)


def test_later_hits_merge_into_the_finding_and_make_no_second_mission():
    async def main(watch):
        batches = [await watch.accept(*[DUMP] * 9) for _ in range(3)]
        await watch.sentinel.drained()
        (finding,) = await watch.findings.list(DEFAULT_TENANT)
        assert finding.hits == 27
        evidence = [event_id(batch.batch, row) for batch in batches for row in range(9)]
        assert list(finding.evidence) == evidence[:MAX_EVIDENCE]
        assert len(await watch.missions()) == 1
        assert len(await watch.waypoints("finding")) == 1
        assert await watch.findings.list(DEFAULT_TENANT, trace=evidence[5]) == [finding]
        rows = await watch.store.find(WAYPOINTS, DEFAULT_TENANT, "trace", evidence[5])
        assert [decode(row.value, Waypoint).stage for row in rows] == ["finding"]
        assert await watch.findings.list(DEFAULT_TENANT, trace=evidence[20]) == []

    simulate(main)


def test_findings_differ_by_rule_host_hour_and_tenant():
    async def main(watch):
        hour_ns = 3_600 * 1_000_000_000
        later = windows(CommandLine="comsvcs MiniDump", at_ns=WORLD_START_NS + hour_ns)
        elsewhere = windows(CommandLine="comsvcs MiniDump", Hostname="WS-08")
        await watch.accept(DUMP, later, elsewhere, PSEXEC)
        await watch.accept(DUMP, tenant=TenantId("other"))
        await watch.sentinel.drained()
        found = await watch.findings.list(DEFAULT_TENANT)
        assert len(found) == 4
        assert {finding.case for finding in found} == {"ws-07@2026-01-01", "ws-08@2026-01-01"}
        assert len(await watch.findings.list(DEFAULT_TENANT, case="ws-08@2026-01-01")) == 1
        assert len(await watch.findings.list(TenantId("other"))) == 1
        assert len(await watch.missions(TenantId("other"))) == 1
        page = await watch.findings.list(DEFAULT_TENANT, limit=3)
        rest = await watch.findings.list(DEFAULT_TENANT, after=page[-1].id)
        assert [finding.id for finding in page + rest] == [finding.id for finding in found]

    simulate(main)


def test_evidence_comes_in_the_order_of_acceptance_whatever_the_source():
    audited = {"EventID": 4688, "Channel": "Security", "Hostname": "ws-07", "NewProcessName": "C:\\a.exe"}
    audited |= {"ParentProcessName": "C:\\Windows\\PSEXESVC.exe", "TimeCreated": iso_from_ns(WORLD_START_NS)}

    async def main(watch):
        accepted = await watch.accept(BENIGN, msgspec.json.encode(audited), PSEXEC, msgspec.json.encode(audited))
        await watch.sentinel.drained()
        (finding,) = await watch.findings.list(DEFAULT_TENANT)
        assert finding.evidence == tuple(event_id(accepted.batch, row) for row in (1, 2, 3))

    simulate(main)


def test_two_rules_on_one_event_share_its_trace():
    async def main(watch):
        both = windows(CommandLine="comsvcs MiniDump", ParentImage="C:\\Windows\\PSEXESVC.exe")
        await watch.accept(both)
        await watch.sentinel.drained()
        found = await watch.findings.list(DEFAULT_TENANT)
        assert len(found) == 2
        assert len({finding.trace for finding in found}) == 1
        assert len(await watch.waypoints("accepted")) == 1

    simulate(main)


def test_a_minor_finding_gets_no_mission():
    async def main(watch):
        await watch.accept(*[GUESS] * 5)
        await watch.sentinel.drained()
        (finding,) = await watch.findings.list(DEFAULT_TENANT, severity=Severity.LOW)
        assert finding.hits == 5
        assert await watch.missions() == []

    simulate(main)


def test_what_several_sources_say_of_a_host_comes_together():
    names = {"ws-07": "ws-07.corp.example", "192.0.2.107": "ws-07.corp.example"}

    async def main(watch):
        flow = {
            "_path": "conn",
            "ts": WORLD_START_NS / 1e9,
            "id.orig_h": "192.0.2.107",
            "local_orig": True,
            "local_resp": False,
            "orig_bytes": 10**9,
        }
        await watch.accept(DUMP, msgspec.json.encode(flow))
        await watch.sentinel.drained()
        found = await watch.findings.list(DEFAULT_TENANT, case="ws-07.corp.example@2026-01-01")
        assert len(found) == 2

    simulate(main, host_names=names)


def test_lines_that_cannot_be_read_are_put_aside_with_their_reason():
    async def main(watch):
        accepted = await watch.accept(BENIGN, b"???", DUMP, *[b'{"a":1}'] * 300)
        await watch.sentinel.drained()
        (first, second) = await watch.events.quarantine(DEFAULT_TENANT)
        assert first.id == event_id(accepted.batch, 1)
        rows = [line.row for line in (*first.lines, *second.lines)]
        assert rows == [1, *range(3, 303)]
        assert first.lines[0].excerpt == "???"
        assert "neither Windows" in second.lines[0].reason
        assert len(await watch.findings.list(DEFAULT_TENANT)) == 1
        assert len(await watch.waypoints("quarantine")) == 2
        (entry,) = await watch.events.batches(DEFAULT_TENANT)
        assert (entry.events, entry.rejected) == (303, 301)
        assert entry.sources == ("windows/process_creation/sysmon",)
        with pytest.raises(NotFound) as caught:
            await watch.events.get(DEFAULT_TENANT, event_id(accepted.batch, 1))
        assert "quarantine" in caught.value.hint

    simulate(main)


def test_a_record_that_is_no_chunk_does_not_stop_the_stream():
    async def main(watch):
        await watch.journal.append([b"\xff\xff"])
        await watch.accept(DUMP)
        await watch.sentinel.drained()
        assert len(await watch.findings.list(DEFAULT_TENANT)) == 1
        (aside,) = await watch.events.quarantine(DEFAULT_TENANT)
        assert "not a valid chunk" in aside.lines[0].reason

    simulate(main)


class Broken:
    """A predicate with a mistake in it."""

    cost = 1
    fields = ()

    def match(self, view, rows):
        if any("PSEXESVC" in (parent or "") for parent in view.batch.columns.get("ParentImage", ())):
            raise ZeroDivisionError("oops")
        return ()


def test_a_mistake_in_a_rule_costs_only_the_lines_it_fails_on():
    broken = parse_rule(
        "title: t\nname: broken\nlogsource: {product: windows}\ndetection: {s: {f: 1}, condition: s}", where="b"
    )
    rules = RuleSet([*RULES.rules.values(), dataclasses.replace(broken, predicate=Broken())])

    async def main(watch):
        await watch.accept(DUMP, PSEXEC, DUMP)
        await watch.sentinel.drained()
        (finding,) = await watch.findings.list(DEFAULT_TENANT)
        assert finding.hits == 2
        (aside,) = await watch.events.quarantine(DEFAULT_TENANT)
        assert [line.row for line in aside.lines] == [1]
        assert "ZeroDivisionError: oops" in aside.lines[0].reason

    simulate(main, rules=rules)


def test_events_are_found_by_id_and_by_age():
    async def main(watch):
        first = await watch.accept(BENIGN, GUESS, DUMP)
        second = await watch.accept(*[GUESS] * 300)
        await watch.accept(DUMP, tenant=TenantId("other"))
        await watch.sentinel.drained()
        event = await watch.events.get(DEFAULT_TENANT, event_id(first.batch, 1))
        assert event.get("src_ip") == "203.0.113.9"
        for missing in (event_id(first.batch, 3), "nonsense", second.batch[:-5] + "fffff"):
            with pytest.raises(NotFound):
                await watch.events.get(DEFAULT_TENANT, missing)
        with pytest.raises(NotFound):
            await watch.events.get(TenantId("other"), event_id(first.batch, 1))
        everything = [event_id(second.batch, row) for row in range(299, -1, -1)]
        everything += [event_id(first.batch, row) for row in (2, 1, 0)]
        assert [event.id for event in await watch.events.recent(DEFAULT_TENANT, limit=1000)] == everything
        paged = []
        while page := await watch.events.recent(DEFAULT_TENANT, limit=70, after=paged[-1] if paged else ""):
            paged += [event.id for event in page]
        assert paged == everything
        sysmon = await watch.events.recent(DEFAULT_TENANT, source="windows/process_creation/sysmon")
        assert [event.id for event in sysmon] == [event_id(first.batch, 2), event_id(first.batch, 0)]
        assert len(await watch.events.recent(DEFAULT_TENANT, reader="windows")) == 2

    simulate(main)


def test_old_chunks_are_dropped_with_all_that_points_at_them():
    async def main(watch):
        accepted = [await watch.accept(DUMP, b"???", *[BENIGN] * 40, key=f"k{n}") for n in range(30)]
        await watch.sentinel.drained()
        size = len(b"\n".join([DUMP, b"???", *[BENIGN] * 40]))
        assert await watch.events.retain(31 * size) == 0
        assert await watch.events.retain(10 * size) == 20
        assert await watch.events.retain(10 * size) == 0
        assert watch.journal.start <= 20
        assert len(await watch.events.batches(DEFAULT_TENANT)) == 10
        assert len(await watch.events.quarantine(DEFAULT_TENANT)) == 10
        with pytest.raises(NotFound):
            await watch.events.get(DEFAULT_TENANT, event_id(accepted[19].batch, 0))
        assert (await watch.events.get(DEFAULT_TENANT, event_id(accepted[20].batch, 0))).get("Hostname") == "ws-07"
        assert (await watch.findings.list(DEFAULT_TENANT))[0].hits == 30
        assert (await watch.accept(DUMP, b"???", *[BENIGN] * 40, key="k25")).duplicate
        assert not (await watch.accept(DUMP, key="k5")).duplicate

    simulate(main)


def test_what_is_not_consumed_is_never_dropped():
    async def main(watch):
        watch.task.cancel()
        await asyncio.wait((watch.task,))
        await watch.accept(DUMP)
        assert await watch.events.retain(0) == 0
        assert watch.journal.start == 0

    simulate(main)


def test_a_key_is_known_after_the_chunk_is_consumed():
    async def main(watch):
        first = await watch.accept(DUMP, key="k")
        await watch.sentinel.drained()
        again = await watch.accept(DUMP, key="k")
        assert (again.batch, again.offset, again.duplicate) == (first.batch, first.offset, True)
        assert watch.journal.end == 1

    simulate(main)


class FullStore:
    """A store that has no room while ``full``."""

    def __init__(self, store):
        self._store = store
        self.full = False
        self.refused = 0

    async def commit(self, writes, *, expect=()):
        if self.full:
            self.refused += 1
            raise StorageFull("store")
        return await self._store.commit(writes, expect=expect)

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_full_disk_pauses_detection_until_there_is_room():
    async def inside(world):
        store = FullStore(world.store("disk"))
        async with Watch(world, store=store) as watch:
            store.full = True
            logged = watch.logged
            await watch.accept(DUMP)
            await world.clock.sleep(5.5)
            assert store.refused == 6
            assert "no space" in watch.sentinel.paused
            assert [record.event for record in logged] == ["detection pauses"]
            assert watch.intake.backlog_events == 1
            store.full = False
            await watch.sentinel.drained()
            assert watch.sentinel.paused == ""
            assert len(await watch.findings.list(DEFAULT_TENANT)) == 1

    SimWorld(5).run(inside)


def test_a_journal_older_than_the_cursor_is_not_read_on_in_silence():
    async def inside(world):
        async with Watch(world) as watch:
            await watch.accept(DUMP)
            await watch.sentinel.drained()
            store = watch.store
        async with Watch(world, disk="restored", store=store) as watch:
            await asyncio.wait((watch.task,))
            error = watch.task.exception()
            assert error.code == "storage-corrupt"
            assert "the cursor is at 1, the journal has 0 to 0" in str(error)

    SimWorld(6).run(inside)


def stream(n):
    """Chunks whose findings and hits are known."""
    for number in range(n):
        lines = [BENIGN] * 20
        lines[number % 20] = DUMP
        lines[(number + 7) % 20] = windows(
            CommandLine="a", ParentImage="C:\\Windows\\PSEXESVC.exe", Hostname=f"ws-{number % 5}"
        )
        lines[(number + 3) % 20] = b"???"
        yield number, lines


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("power_loss", [True, False])
def test_nothing_is_lost_or_doubled_by_crashes(seed, power_loss, monkeypatch):
    """Senders repeat what was not acknowledged; machine and process die at random moments."""
    # Commits in the middle of chunks must be survived too.
    monkeypatch.setattr(harvest_module, "MAX_FINDINGS_PER_COMMIT", 2)
    chunks = list(stream(25))
    acknowledged = {}

    async def program(node):
        async with Watch(node.world, disk=node.name) as watch:
            for number, lines in chunks:
                accepted = await watch.accept(*lines, key=f"chunk-{number}")
                if number in acknowledged:
                    assert accepted.batch == acknowledged[number]
                acknowledged[number] = accepted.batch
                await node.world.clock.sleep(node.rng.child(str(number)).random() * 0.02)
            await watch.sentinel.drained()

    async def inside(world):
        rng = world.rng.child("crashes")
        node = world.node("machine")
        task = node.start(program)
        for _ in range(6):
            await world.clock.sleep(rng.random() * 0.2)
            await node.crash(power_loss=power_loss)
            task = node.start(program)
        await task
        async with Watch(world, disk="machine") as watch:
            await watch.sentinel.drained()
            found = await watch.findings.list(DEFAULT_TENANT)
            hits = Counter((finding.rule, finding.case) for finding in found for _ in range(finding.hits))
            expected = Counter({("lsass-dump-with-comsvcs", "ws-07@2026-01-01"): len(chunks)})
            for number, _ in chunks:
                expected["psexec-runs-command", f"ws-{number % 5}@2026-01-01"] += 1
            assert hits == expected
            assert len(await watch.missions()) == len(found)
            assert len(await watch.waypoints("finding")) == len(found)
            assert sum(entry.rejected for entry in await watch.events.batches(DEFAULT_TENANT)) == len(chunks)
            assert len(await watch.events.quarantine(DEFAULT_TENANT)) == len(chunks)
            assert watch.journal.end == len(chunks)
            evidence = [await watch.events.get(DEFAULT_TENANT, event) for one in found for event in one.evidence]
            assert all(b"comsvcs" in event.raw or b"PSEXESVC" in event.raw for event in evidence)

    SimWorld(seed).run(inside)
    assert len(acknowledged) == len(chunks)


def test_one_seed_gives_one_story():
    def story(seed):
        async def main(watch):
            for _, lines in stream(6):
                await watch.accept(*lines)
            await watch.sentinel.drained()
            rows = await watch.store.scan(WAYPOINTS, DEFAULT_TENANT)
            return [row.value for row in rows], await watch.findings.list(DEFAULT_TENANT)

        return simulate(main, seed)

    assert story(4) == story(4)
    assert story(4) != story(5)


def test_latency_and_counts_are_measured():
    async def main(watch):
        await watch.accept(DUMP, BENIGN, b"???")
        await watch.sentinel.drained()
        samples = watch.telemetry.metrics.snapshot()
        value = {name: samples[name]["samples"][0].get("value") for name in samples}
        assert value["phalanx_accepted_events_total"] == 3
        assert value["phalanx_detected_events_total"] == 3
        assert value["phalanx_rejected_events_total"] == 1
        assert value["phalanx_intake_backlog_events"] == 0
        assert samples["phalanx_detection_latency_seconds"]["samples"][0]["count"] == 1
        assert samples["phalanx_findings_total"]["samples"][0]["labels"] == {"severity": "critical"}

    simulate(main)


def test_a_second_sentinel_on_the_same_cursor_is_turned_away():
    async def inside(world):
        async with Watch(world) as watch:
            await watch.accept(DUMP)
            await watch.sentinel.drained()
            other = Sentinel(
                watch.intake,
                watch.store,
                RULES,
                clock=world.clock,
                telemetry=Telemetry(world.clock),
                on_missions=lambda: None,
            )
            task = asyncio.create_task(other.run())
            await world.clock.sleep(0.1)
            await watch.accept(DUMP)
            await world.clock.sleep(0.1)
            (finding,) = await watch.findings.list(DEFAULT_TENANT)
            assert finding.hits == 2
            (stopped,) = [one for one in (task, watch.task) if one.done()]
            assert stopped.exception().code == "conflict"
            task.cancel()
            await asyncio.wait((task,))

    SimWorld(2).run(inside)
