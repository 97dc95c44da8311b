"""Nodes with a store each and one calendar in PostgreSQL: what one books is booked for all of them."""

import asyncio
import contextlib
from itertools import pairwise

import pytest

from phalanx.allocation import Ask, Bookable
from phalanx.core import DEFAULT_TENANT, InvalidInput, TenantId, Unavailable
from phalanx.devices import JobState
from phalanx.node import build_node, load_settings, open_ports
from phalanx.quantum import Gates
from phalanx.testing import wait_until

S = 10**9
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
SOMEBODY = TenantId("somebody")


@pytest.fixture
def calendar(postgres_server):
    postgres_server.sql("CREATE DATABASE calendar")
    yield postgres_server.dsn.replace("/postgres?", "/calendar?")
    postgres_server.sql("DROP DATABASE calendar WITH (FORCE)")


async def start(folder, stack, name, dsn, **others):
    flags = {
        "node.data_dir": folder / name, "node.name": name, "agents.per_role": 1, "allocation.calendar_dsn": dsn,
        **others,
    }  # fmt: skip
    settings = load_settings(file=None, environ={}, flags=flags).settings
    ports = await stack.enter_async_context(open_ports(settings))
    return await stack.enter_async_context(build_node(settings, ports))


@pytest.mark.requirement("QRM-3", "QRM-11")
def test_two_nodes_book_in_one_calendar_and_keep_free_what_the_other_booked(calendar, tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            one = await start(tmp_path, stack, "one", calendar)
            other = await start(tmp_path, stack, "other", calendar)
            await one.reservations.declare(Bookable(name="qpu"))
            names = [resource.name for resource in await other.reservations.resources()]
            assert {"qpu", "local.statevector", "workers.one", "workers.other"} <= set(names)
            ask = Ask(demands={"qpu": 1}, duration_ns=10 * S, earliest_ns=2_000_000_000 * S)
            found = await asyncio.gather(
                *(node.reservations.book("t", ask, id=f"{node.settings.node.name}{n}")
                  for n in range(4) for node in (one, other))
            )  # fmt: skip
            spans = sorted((each[0].start_ns, each[0].end_ns) for each in found)
            assert len(spans) == 8
            assert all(end == start for (_, end), (start, _) in pairwise(spans)), "side by side, none twice"
            now_ns = one.clock.wall_ns()
            taken = Ask(demands={"local.statevector": 1}, duration_ns=3_600 * S, earliest_ns=now_ns)
            await one.reservations.book(SOMEBODY, taken, id="an hour")
            await wait_until(
                lambda: other.placements.booked.wait_s("local.statevector", DEFAULT_TENANT, now_ns, 1.0) > 0.0
            )
            job = await other.jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="local.statevector")
            waits = other.placements.waits(job, seen_by=DEFAULT_TENANT)
            assert waits is not None
            assert waits.by == (SOMEBODY,)
            await one.reservations.cancel(SOMEBODY, "an hour")
            ended = await other.jobs.ended(DEFAULT_TENANT, job.id)
            assert ended.state is JobState.COMPLETED

    asyncio.run(main())


def test_two_nodes_of_one_name_are_both_told(calendar, tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            nodes = [await start(tmp_path / at, stack, "lab", calendar) for at in ("here", "there")]
            await wait_until(
                lambda: all("is called 'lab' too" in node.health()["calendar name"].detail for node in nodes),
                within_s=60.0,
            )

    asyncio.run(main())


def test_a_node_starts_while_the_calendar_is_away_and_has_it_when_it_is_there(postgres_server, tmp_path):
    dsn = postgres_server.dsn.replace("/postgres?", "/later?")

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            node = await start(tmp_path, stack, "one", dsn)
            await wait_until(lambda: "later" in node.health()["calendar"].detail)
            assert not node.health()["calendar"].ok
            job = await node.jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="local.statevector")
            assert (await node.jobs.ended(DEFAULT_TENANT, job.id)).state is JobState.COMPLETED
            with pytest.raises(Unavailable, match="later"):
                await node.reservations.resources()
            postgres_server.sql("CREATE DATABASE later")
            await wait_until(lambda: node.health()["calendar"].ok, within_s=60.0)
            names = {resource.name for resource in await node.reservations.resources()}
            assert {"local.statevector", "workers.one"} <= names

    try:
        asyncio.run(main())
    finally:
        postgres_server.sql("DROP DATABASE IF EXISTS later WITH (FORCE)")


def test_a_node_that_nobody_has_named_shares_no_calendar(tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            await start(tmp_path, stack, "phalanx", "postgresql://nobody@localhost/none")

    with pytest.raises(InvalidInput, match=r"node\.name.*each has a name of its own"):
        asyncio.run(main())


def test_who_has_a_manager_has_no_calendar(calendar, tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            await start(tmp_path, stack, "lab", calendar, **{"cluster.serve": "true", "cluster.manager": "hq.acme"})

    with pytest.raises(InvalidInput, match=r"allocation\.calendar_dsn"):
        asyncio.run(main())
