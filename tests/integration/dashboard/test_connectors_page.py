"""The page of connectors: how each is doing, and whether its last error is over."""

import asyncio

import httpx
import pytest

from phalanx.api import create_app
from phalanx.core import DEFAULT_TENANT
from phalanx.dashboard import create_pages
from phalanx.node import Settings, build_node, open_ports
from phalanx.testing import wait_until
from phalanx.trust import Role

ORIGIN = "http://node"
LINE = "CEF:0|v|p|1|c|n|5|src=10.0.0.1 dst=10.0.0.2\n"


@pytest.mark.requirement("INT-3")
def test_an_error_stands_below_its_source_and_says_when_it_is_over(tmp_path):
    log = tmp_path / "wall.log"
    source = {"name": "walls", "type": "file", "options": {"path": str(log)}}
    settings = Settings.model_validate(
        {"node": {"data_dir": tmp_path / "data", "drain_s": 1}, "sources": {"each": [source]}}
    )

    async def main():
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            transport = httpx.ASGITransport(create_app(node, pages=create_pages(node)))
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
                token = (await node.tokens.issue(DEFAULT_TENANT, "viewer", Role.VIEWER)).secret
                await http.post("/login", data={"token": token}, headers={"Origin": ORIGIN})
                state = node.delivery.drawer(DEFAULT_TENANT, "walls")
                await wait_until(lambda: state.state.last_error)
                failing = (await http.get("/connectors")).text
                assert "No such file" in failing
                assert "over: it worked at" not in failing
                log.write_text(LINE)
                await wait_until(lambda: state.state.events == 1)
                over = (await http.get("/connectors")).text
                assert "No such file" in over
                assert "over: it worked at" in over

    asyncio.run(main())
