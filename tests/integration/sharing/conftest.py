"""A real node behind a real listener on loopback, for clients that somebody else wrote."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from phalanx.api import create_app
from phalanx.core import DEFAULT_TENANT
from phalanx.dashboard import create_pages
from phalanx.intel.sharing import Audience
from phalanx.node import Node, Settings, build_node, open_ports
from phalanx.trust import Role


@dataclass(frozen=True)
class Served:
    """A node that listens. ``url`` is its address; ``token`` makes a token and gives its secret."""

    node: Node
    url: str
    secrets: dict[str, str]

    async def collection(self, alias: str, audience: Audience = Audience.PARTNER, **more: Any):
        return await self.node.sharing.exchange.collections.make(
            DEFAULT_TENANT, alias, audience=audience, by="test", **more
        )


@pytest.fixture
def on_served(tmp_path):
    """Runs ``prepare(served)`` on the loop and then ``work(served, prepared)`` in a thread, as a client would."""

    def run(prepare, work, **sections):
        async def main():
            settings = Settings.model_validate({"node": {"data_dir": tmp_path, "drain_s": 1}, **sections})
            async with open_ports(settings) as ports, build_node(settings, ports) as node:
                server = uvicorn.Server(
                    uvicorn.Config(create_app(node, pages=create_pages(node)), log_level="critical", lifespan="off")
                )
                with socket.socket() as listening:
                    listening.bind(("127.0.0.1", 0))
                    listening.listen(64)
                    serving = asyncio.create_task(server.serve(sockets=[listening]))
                    try:
                        secrets = {
                            name: (await node.tokens.issue(DEFAULT_TENANT, name, role)).secret
                            for name, role in (("own", Role.OPERATOR), ("acme", Role.PARTNER), ("sensor", Role.INGEST))
                        }
                        served = Served(node, f"http://127.0.0.1:{listening.getsockname()[1]}", secrets)
                        prepared = await prepare(served)
                        if asyncio.iscoroutinefunction(work):
                            return await work(served, prepared)
                        return await asyncio.to_thread(work, served, prepared)
                    finally:
                        server.should_exit = True
                        await serving

        return asyncio.run(main())

    return run


@pytest.fixture(scope="session")
def stix_folder(shared_data):
    return shared_data / "schemas" / "stix2_json_schemas"
