import asyncio
import contextlib
import json
import socket

import pytest

from phalanx.adapters.connectors import file_source, http_poll_source, syslog_source
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


class SyslogLab:
    """A peer that connects anew whenever it has something to say."""

    def __init__(self, folder, transport):
        self.transport = transport
        self.context = context_of(folder, {"transport": transport, "port": "0"}, name="in")

    async def open(self):
        self.source = syslog_source(self.context)
        await self.source.open()
        return self.source

    async def feed(self, lines):
        address = self.source.address
        if self.transport == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                for line in lines:
                    peer.sendto(line.encode(), address)
        else:
            with socket.create_connection(address) as peer:
                peer.sendall("".join(f"{len(line)} {line}" for line in lines).encode())


@contextlib.contextmanager
def _syslog_tcp(folder):
    yield SyslogLab(folder, "tcp")


@contextlib.contextmanager
def _syslog_udp(folder):
    yield SyslogLab(folder, "udp")


@contextlib.contextmanager
def _file(folder):
    yield FileLab(folder)


@contextlib.contextmanager
def _poll(folder):
    with PeerServer(PagesPeer()) as server:
        yield PollLab(server, folder)


LABS = {"file": _file, "http-poll": _poll, "syslog-tcp": _syslog_tcp, "syslog-udp": _syslog_udp}


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LABS)
def test_a_source_keeps_the_contract(name, check, tmp_path):
    with LABS[name](tmp_path) as lab:
        asyncio.run(check(lab))
