"""A node that listens for syslog and follows a Zeek log: everything once, through a full intake and a restart."""

import asyncio
import socket

import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.node import Settings, build_node, open_ports

pytestmark = [pytest.mark.requirement("INT-1"), pytest.mark.requirement("INT-5")]
LINE = b"<38>1 2026-03-02T08:30:00Z web-01 app 1 - - message %06d"
HEADER = b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tquery\n#types\ttime\tstring\taddr\tstring\n"
ROW = b"1772440140.5\tC%d\t10.0.0.1\thost-%d.example\n"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def send(port, numbers):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(b"".join(b"%d %s" % (len(LINE % n), LINE % n) for n in numbers))


async def sent(node, port, numbers):
    """Send them as soon as the port is open, as a sender does that was there before."""
    while True:
        try:
            await asyncio.to_thread(send, port, numbers)
        except ConnectionRefusedError:
            await node.clock.sleep(0.01)
        else:
            return


async def counted(node, name, events):
    """Wait until a source has brought so many lines and all of them are read."""
    while (view := node.delivery.source(DEFAULT_TENANT, name)).events < events:
        await node.clock.sleep(0.01)
    await node.settled()
    return view


def test_lines_of_a_port_and_of_a_zeek_log_come_in_once(tmp_path):
    port, log = free_port(), tmp_path / "dns.log"
    log.write_bytes(HEADER + ROW % (0, 0))
    sources = [
        {"name": "port", "type": "syslog", "batch_kib": 4, "options": {"port": str(port)}},
        {"name": "zeek", "type": "file", "batch_kib": 1, "options": {"path": str(log)}},
    ]
    settings = Settings.model_validate(
        {
            "node": {"data_dir": tmp_path / "data", "drain_s": 1},
            "sources": {"each": sources},
            # So little that a sender has to wait again and again.
            "intake": {"max_backlog_events": 1_000},
        }
    )

    async def life(numbers, rows):
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            await sent(node, port, numbers)
            with log.open("ab") as file:
                file.write(b"".join(ROW % (n, n) for n in rows))
            port_view = await counted(node, "port", len(numbers) + numbers[0])
            zeek_view = await counted(node, "zeek", 4 + 1 + rows[-1])
            assert (port_view.gaps, port_view.refused, zeek_view.gaps, zeek_view.refused) == (0, 0, 0, 0)
            said = [event.get("message") for event in await all_of(node, "linux/syslog")]
            asked = [event.get("query") for event in await all_of(node, "zeek/dns/dns")]
            assert not await node.events.quarantine(DEFAULT_TENANT)
            return said, asked

    async def all_of(node, source):
        found, after = [], ""
        while page := await node.events.recent(DEFAULT_TENANT, limit=500, after=after, source=source):
            found += page
            after = page[-1].id
        return found

    asyncio.run(life(range(4_000), range(1, 60)))
    said, asked = asyncio.run(life(range(4_000, 5_000), range(60, 90)))
    assert sorted(said) == [f"message {n:06d}" for n in range(5_000)]
    assert sorted(asked) == sorted(f"host-{n}.example" for n in range(90))
