import asyncio
import contextlib
import json

import pytest

from phalanx.adapters import file_source, http_poll_source
from phalanx.testing.contracts import SOURCE_CHECKS
from phalanx.testing.delivery import PagesPeer, PeerServer, context_of

pytestmark = [pytest.mark.requirement("INT-3"), pytest.mark.requirement("INT-5")]


class FileLab:
    def __init__(self, folder):
        self.path = folder / "app.log"
        self.path.touch()
        self.context = context_of(folder, {"path": str(self.path)}, name="in")

    async def open(self):
        return file_source(self.context)

    async def feed(self, lines):
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)


class PollLab:
    def __init__(self, server, folder):
        self.peer = server.product
        options = {"url": server.url, "every_s": "0.1"}
        self.context = context_of(folder, {**options, "token_file": "x"}, {"token": b"api-token"}, name="in")

    async def open(self):
        return http_poll_source(self.context)

    async def feed(self, lines):
        self.peer.items += [json.loads(line) for line in lines]


@contextlib.contextmanager
def _file(folder):
    yield FileLab(folder)


@contextlib.contextmanager
def _poll(folder):
    with PeerServer(PagesPeer()) as server:
        yield PollLab(server, folder)


LABS = {"file": _file, "http-poll": _poll}


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LABS)
def test_a_source_keeps_the_contract(name, check, tmp_path):
    with LABS[name](tmp_path) as lab:
        asyncio.run(check(lab))
