"""Nodes of one cluster over a real NATS server, one of which keeps the calendar of reservations for the others."""

import asyncio
import contextlib
from itertools import pairwise

import pytest

from phalanx.allocation import Ask, Bookable, BookingState
from phalanx.core import InvalidInput, NotFound, Unavailable
from phalanx.node import build_node, load_settings, open_ports
from phalanx.node._limits import MANAGER
from phalanx.testing import wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")

S = 10**9


async def start(folder, stack, name, organisation, **cluster):
    flags = {
        "node.data_dir": folder / name, "node.name": name, "identity.organisation": organisation,
        "agents.per_role": 1, **{f"cluster.{setting}": value for setting, value in cluster.items()},
    }  # fmt: skip
    settings = load_settings(file=None, environ={}, flags=flags).settings
    ports = await stack.enter_async_context(open_ports(settings))
    return await stack.enter_async_context(build_node(settings, ports))


@pytest.mark.slow
@pytest.mark.requirement("QRM-3", "QRM-11")
def test_nodes_book_at_one_manager_and_never_the_same_window(tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            hq = await start(tmp_path, stack, "hq", "acme", serve="true", manages="*")
            token = tmp_path / "token"
            token.write_text(await hq.cluster.invite("lab"))
            token.chmod(0o600)
            lab = await start(tmp_path, stack, "lab", "other", token=str(token), manager="hq.acme")
            assert MANAGER in hq.health()
            await wait_until(lambda: "lab.other" in hq.cluster.met)
            await wait_until(lambda: lab.bus.directory.find(f"hq.acme/{MANAGER}"))
            await hq.reservations.declare(Bookable(name="qpu"))
            ask = Ask(demands={"qpu": 1}, duration_ns=10 * S, earliest_ns=2_000_000_000 * S)
            booked = await asyncio.gather(
                *(node.reservations.book("t", ask, id=f"b{n}") for n in range(4) for node in (lab, hq))
            )
            spans = sorted((one[0].start_ns, one[0].end_ns) for one in booked)
            assert len(spans) == 8
            assert all(end == start for (_, end), (start, _) in pairwise(spans)), "side by side"
            mine = await lab.reservations.bookings("t")
            assert {(one.id, one.tenant) for one in mine} == {(f"b{n}", "t") for n in range(4)}
            again = (await lab.reservations.book("t", ask, id="b0"))[0]
            assert again in mine, "asked again it is the same"
            assert (await lab.reservations.cancel("t", "b1")).state is BookingState.CANCELLED
            assert all(one.state is BookingState.BOOKED for one in await hq.reservations.bookings("t"))
            held = Ask(
                demands={"qpu": 1}, duration_ns=S, earliest_ns=2_000_000_000 * S, hold_until_ns=1_999_999_999 * S
            )
            await lab.reservations.book("t", held, id="held")
            assert (await lab.reservations.confirm("t", "held")).state is BookingState.BOOKED
            with pytest.raises(NotFound):
                await lab.reservations.cancel("t", "nothing")
            with pytest.raises(InvalidInput):
                await lab.reservations.declare(Bookable(name="mine"))
            assert "qpu" in {one.name for one in await lab.reservations.resources()}
            late = Ask(demands={"qpu": 1}, duration_ns=10 * S, earliest_ns=spans[0][0], latest_end_ns=spans[0][1])
            with pytest.raises(Unavailable):
                await lab.reservations.book("t", late)

    asyncio.run(main())


@pytest.mark.parametrize("flags", [{"cluster.manager": "hq.acme"}, {"cluster.manages": "*"}])
def test_a_manager_without_a_cluster_cannot_be_meant(tmp_path, flags):
    async def main():
        settings = load_settings(file=None, environ={}, flags={"node.data_dir": tmp_path, **flags}).settings
        async with open_ports(settings) as ports:
            with pytest.raises(InvalidInput, match="in no cluster"):
                async with build_node(settings, ports):
                    pass

    asyncio.run(main())
