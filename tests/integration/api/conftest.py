"""A real node on SQLite and segment files, and its API spoken to in process."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from phalanx.api import create_app
from phalanx.cli._client import NodeClient
from phalanx.cli._main import root
from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.node import Node, Settings, build_node, open_ports
from phalanx.trust import Role

NDJSON = {"Content-Type": "application/x-ndjson"}
# Clearing the Security log is a finding of one line: Windows, rule event-log-cleared.
LOG_CLEARED = {
    "EventTime": "2026-03-02 09:39:13",
    "Hostname": "fs-01.corp.example",
    "EventID": 1102,
    "SourceName": "Microsoft-Windows-Eventlog",
    "Channel": "Security",
    "SubjectUserName": "svc-backup",
    "SubjectDomainName": "CORP",
}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@dataclass(frozen=True)
class Api:
    """A running node and a client that speaks as its admin."""

    node: Node
    http: httpx.AsyncClient
    app: Any
    log: list[Any]

    async def token(self, role: Role, tenant: TenantId = DEFAULT_TENANT) -> dict[str, str]:
        issued = await self.node.tokens.issue(tenant, f"a {role.value}", role)
        return {"Authorization": f"Bearer {issued.secret}"}

    async def post(self, *events: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.post("/v1/events", content=lines(*events), headers=NDJSON | headers)

    async def intrusion(self) -> dict[str, Any]:
        """Take in one event that something follows from, and wait until it has."""
        taken = (await self.post(LOG_CLEARED)).raise_for_status().json()
        await self.node.settled()
        return taken

    async def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
        """What the command prints when it speaks to this node."""
        loop = asyncio.get_running_loop()

        def ask(
            _: NodeClient, method: str, path: str, *, params: Any, content: Any = None, headers: Any = None,
            timeout_s: float = 30,
        ) -> Any:  # fmt: skip
            asked = self.http.request(method, path, params=params, content=content, headers=headers or {})
            answered = asyncio.run_coroutine_threadsafe(asked, loop).result(timeout_s)
            answered.raise_for_status()
            return answered.json() if answered.content else {}

        monkeypatch.setattr(NodeClient, "_ask", ask)
        command = [*arguments, "--url", "http://node"]
        done = await asyncio.to_thread(CliRunner().invoke, root, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def stranger(self, **options: Any) -> httpx.AsyncClient:
        """A client without a token, from another machine."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("192.0.2.9", 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://node", **options)


OnNode = Callable[..., Any]


@pytest.fixture
def on_node(tmp_path) -> OnNode:
    """Runs a coroutine function with an ``Api`` of a fresh node; sections of its settings can be given."""

    def run(work: Callable[[Api], Awaitable[Any]], **sections: Any) -> Any:
        async def main() -> Any:
            settings = Settings.model_validate({"node": {"data_dir": tmp_path, "drain_s": 1}, **sections})
            log: list[Any] = []
            async with open_ports(settings) as ports, build_node(settings, ports, log_sink=log.append) as node:
                app = create_app(node)
                admin = await node.tokens.issue(DEFAULT_TENANT, "admin", Role.ADMIN)
                transport = httpx.ASGITransport(app, raise_app_exceptions=False)
                headers = {"Authorization": f"Bearer {admin.secret}"}
                async with httpx.AsyncClient(transport=transport, base_url="http://node", headers=headers) as http:
                    return await work(Api(node, http, app, log))

        return asyncio.run(main())

    return run
