"""A real node and its pages, as a browser without scripts would ask for them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from phalanx.api import create_app
from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.dashboard import create_pages
from phalanx.node import Node, Settings, build_node, open_ports
from phalanx.trust import Role

ORIGIN = "http://node"
LOG_CLEARED = {
    "EventTime": "2026-03-02 09:39:13",
    "Hostname": "fs-01.corp.example",
    "EventID": 1102,
    "SourceName": "Microsoft-Windows-Eventlog",
    "Channel": "Security",
    "SubjectUserName": "svc-backup",
}


@dataclass(frozen=True)
class Visit:
    """A running node and a visitor who is not signed in."""

    node: Node
    http: httpx.AsyncClient
    app: Any

    async def token(self, role: Role = Role.VIEWER, tenant: TenantId = DEFAULT_TENANT) -> str:
        return (await self.node.tokens.issue(tenant, f"a {role.value}", role)).secret

    async def sign_in(self, role: Role = Role.VIEWER, tenant: TenantId = DEFAULT_TENANT) -> httpx.Response:
        return await self.submit("/login", token=await self.token(role, tenant))

    async def submit(self, path: str, **fields: Any) -> httpx.Response:
        """What a form of this node's own pages sends."""
        return await self.http.post(path, data=fields, headers={"Origin": ORIGIN})

    async def accept(self, **fields: Any) -> str:
        """Take in an event from which everything follows; its id."""
        data = json.dumps(LOG_CLEARED | fields).encode()
        accepted = await self.node.intake.accept(data, tenant=DEFAULT_TENANT)
        await self.node.settled()
        return accepted.batch


@pytest.fixture
def on_pages(tmp_path):
    """Runs a coroutine function with a ``Visit`` to a fresh node."""

    def run(work: Callable[[Visit], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            settings = Settings.model_validate({"node": {"data_dir": tmp_path, "drain_s": 1}})
            async with open_ports(settings) as ports, build_node(settings, ports) as node:
                app = create_app(node, pages=create_pages(node))
                transport = httpx.ASGITransport(app, raise_app_exceptions=False)
                async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
                    return await work(Visit(node, http, app))

        return asyncio.run(main())

    return run
