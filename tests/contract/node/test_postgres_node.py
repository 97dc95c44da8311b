"""A whole node with its state in a real PostgreSQL."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, Unavailable
from phalanx.demo import Intrusion, address_book, deliver
from phalanx.node import audit_ledger, build_node, load_settings, open_ports


@pytest.mark.postgres
@pytest.mark.slow
def test_an_intrusion_goes_through_a_node_on_postgresql(postgres_server, tmp_path):
    postgres_server.sql("CREATE DATABASE node")
    dsn = postgres_server.dsn.replace("/postgres?", "/node?")
    flags = {"store.kind": "postgres", "store.dsn": dsn, "node.data_dir": tmp_path / "node"}
    settings = load_settings(flags=flags).settings
    other = load_settings(flags={**flags, "node.data_dir": tmp_path / "other"}).settings

    async def main() -> None:
        async with open_ports(settings) as ports, build_node(settings, ports, host_names=address_book()) as node:
            with pytest.raises(Unavailable, match="another node is running on it"):
                async with open_ports(other):
                    pytest.fail("a second node took the same database")
            await deliver(Intrusion(7, length_s=60, events_per_s=5), node, speed=1e6)
            findings = await node.findings.list(DEFAULT_TENANT)
            assert len(findings) > 10
            assert await node.swarm.open_missions() == 0
            size = node.ledger.size
        report = await audit_ledger(settings)
        assert report.size == report.signed_size == size > 10

    asyncio.run(asyncio.wait_for(main(), 240))
