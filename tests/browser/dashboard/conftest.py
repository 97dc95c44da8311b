"""A node with a replayed intrusion behind a real server, and Chromium in front of it."""

import asyncio
import dataclasses
import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import uvicorn

from phalanx.api import create_app
from phalanx.core import DEFAULT_TENANT, Journal, Journals, StorageFull
from phalanx.dashboard import create_pages
from phalanx.demo import Intrusion, address_book, deliver
from phalanx.node import Node, Settings, build_node, open_ports
from phalanx.trust import Role

ARTIFACTS = Path(__file__).resolve().parents[3] / "artifacts"
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
READY_S = 60
# Reports what the policy blocks even where the browser would not log it as an error.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Disk:
    """The node's journals on a disk that is full for as long as a test says so."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals
        self.full = False

    async def open(self, name: str) -> Journal:
        journal = await self._journals.open(name)
        append = journal.append

        async def append_where_room_is(records: Sequence[bytes]) -> int:
            if self.full:
                raise StorageFull(name)
            return await append(records)

        journal.append = append_where_room_is
        return journal


class Site:
    """A node and its server, in a thread of their own."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self.node: Node
        self.disk: Disk
        self.loop: asyncio.AbstractEventLoop
        self.url = self.token = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="site")

    async def _serve(self) -> None:
        settings = Settings.model_validate({"node": {"data_dir": self._data_dir, "drain_s": 1}})
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(open_ports(settings))
            self.disk = Disk(ports.journals)
            ports = dataclasses.replace(ports, journals=self.disk)
            node = await stack.enter_async_context(build_node(settings, ports, host_names=address_book()))
            self.node, self.loop = node, asyncio.get_running_loop()
            self.token = (await node.tokens.issue(DEFAULT_TENANT, "browser", Role.ADMIN)).secret
            app = create_app(node, pages=create_pages(node))
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
            self._stop = lambda: setattr(server, "should_exit", True)
            with socket.create_server(("127.0.0.1", 0)) as listening:
                self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
                serving = asyncio.create_task(server.serve(sockets=[listening]))
                await deliver(Intrusion(7), node, speed=1e6)
                self._ready.set()
                await serving
            node.telemetry.feed.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(READY_S), "the node did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()

    def run(self, make: Callable[[], Any]) -> Any:
        """Run a coroutine on the node's own loop."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(READY_S)

    def login_link(self) -> str:
        async def link() -> str:
            return f"{self.url}/login?code={self.node.tokens.login_code(self.node.local_operator)}"

        return self.run(link)

    def send(self, **fields: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/x-ndjson"}
        return httpx.post(f"{self.url}/v1/events", content=json.dumps(fields).encode(), headers=headers)

    def post(self, **fields: Any) -> str:
        """Send an event over the network and wait until everything has followed from it; its id."""
        answer = self.send(**fields)
        self.run(self.node.settled)
        return answer.raise_for_status().json()["first_event"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, site) -> Iterator[Callable[..., Any]]:
    """Opens a signed-in page; at the end nothing may have been blocked, failed or asked of anybody else."""
    contexts, problems, asked = [], [], []

    def opened(path: str = "/", *, width: int = 1440, height: int = 900, scheme: str = "light", **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        context.add_init_script(REPORT_VIOLATIONS)
        page = context.new_page()
        page.on(
            "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(site.login_link())
        page.get_by_role("button", name="Open the dashboard").click()
        page.wait_for_selector("#ways")
        if path != "/":
            page.goto(site.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    assert asked
    assert [url for url in asked if not url.startswith((site.url, "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def artifacts() -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS
