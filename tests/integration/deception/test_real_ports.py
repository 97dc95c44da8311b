"""Decoys on real ports, canary files on a real file system."""

import asyncio
import random
import stat

import pytest

from phalanx.adapters import OsEntropy, OsFileWatch, StreamListeners, SystemClock, ThreadOffload
from phalanx.core import InvalidInput, NotFound, Unavailable, Uuid7Source
from phalanx.deception import CanaryFiles, DecoyPorts, Decoys
from phalanx.deception._limits import MAX_CAPTURE_BYTES, MAX_SENT_BYTES

USERS = {"svc-archive": "abcdefgh"}


class AnyReset:
    """Equals whatever a system says when it cuts a connection."""

    def __eq__(self, other):
        return isinstance(other, ConnectionError)

    __hash__ = None


ANY_RESET = AnyReset()


def on_ports(work, **wanted):
    """Runs ``work(opened, caught)`` beside open decoys; ``caught`` is a queue of captures."""

    async def main():
        clock = SystemClock()
        ids = Uuid7Source(clock, lambda bits: int.from_bytes(OsEntropy().token(16)) >> (128 - bits))
        caught = asyncio.Queue()
        ports = DecoyPorts(Decoys(**wanted), USERS, caught.put, listeners=StreamListeners(), clock=clock, ids=ids)
        opened = {kind: (host, port) for kind, host, port in await ports.open()}
        try:
            return await work(opened, caught)
        finally:
            await ports.close()

    return asyncio.run(main())


async def talk(address, data, *, end=True):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    if end:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.requirement("AGT-1")
def test_each_kind_answers_over_tcp_and_catches_who_asked():
    async def work(opened, caught):
        ssh = await talk(opened["ssh"], b"SSH-2.0-nmap\r\n")
        assert ssh.startswith(b"SSH-2.0-OpenSSH")
        http = await talk(opened["http"], b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert http.startswith(b"HTTP/1.1 401")
        assert await talk(opened["tcp"], b"EHLO\r\n")
        found = [await caught.get() for _ in range(3)]
        assert [(one.decoy, one.peer, one.port) for one in found] == [
            (kind, "127.0.0.1", opened[kind][1]) for kind in ("ssh", "http", "tcp")
        ]

    on_ports(work, ssh=(0,), http=(0,), tcp=(0,))


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize("seed", range(5))
def test_hostile_clients_get_little_and_leave_the_decoys_standing(seed):
    async def work(opened, caught):
        rng = random.Random(seed)
        n = 30
        for _ in range(n):
            kind = rng.choice(sorted(opened))
            junk = rng.randbytes(rng.choice([0, 1, 300, 70_000])) + rng.choice([b"", b"\r\n\r\n", b"SSH-2.0-a\n"])
            reader, writer = await asyncio.open_connection(*opened[kind])
            try:
                writer.write(junk)
                if rng.random() < 0.3:
                    writer.transport.abort()
                else:
                    writer.write_eof()
                    assert len(await reader.read()) <= MAX_SENT_BYTES
            except (ConnectionError, OSError):
                pass
            finally:
                writer.close()
        for _ in range(n):
            assert len((await caught.get()).received) <= MAX_CAPTURE_BYTES
        assert (await talk(opened["ssh"], b"SSH-2.0-after\r\n")).startswith(b"SSH-2.0-")

    on_ports(work, ssh=(0,), http=(0,), tcp=(0,))


def test_one_connection_too_many_is_turned_away_and_a_taken_port_is_said():
    async def main():
        listeners, inside, leave = StreamListeners(), asyncio.Event(), asyncio.Event()

        async def serve(connection):
            inside.set()
            await leave.wait()

        one = await listeners.listen("127.0.0.1", 0, serve, max_open=1)
        with pytest.raises(Unavailable):
            await listeners.listen(*one.address, serve, max_open=1)
        _, writer = await asyncio.open_connection(*one.address)
        await inside.wait()
        reader, other = await asyncio.open_connection(*one.address)
        assert await asyncio.gather(reader.read(), return_exceptions=True) in ([b""], [ANY_RESET])
        await one.close()
        for each in (writer, other):
            each.close()

    asyncio.run(main())


@pytest.fixture
def files():
    offload = ThreadOffload(1)
    yield OsFileWatch(offload)
    offload.close()


@pytest.mark.requirement("AGT-1")
def test_a_planted_file_tells_of_reading_changing_and_removing(files, tmp_path):
    path = tmp_path / "share" / "access.txt"

    async def main():
        canaries = CanaryFiles([str(path)], USERS, files)
        await canaries.plant()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await canaries.look() == []
        # Where access times are kept not at all (noatime), only changes can be seen, and this says so.
        if canaries.planted[str(path)]:
            assert "svc-archive:abcdefgh" in path.read_text()
            [touch] = await canaries.look()
            assert touch.what == "read"
            await canaries.rearm(touch)
            assert await canaries.look() == []
        path.unlink()
        [touch] = await canaries.look()
        assert touch.what == "removed"
        await canaries.rearm(touch)
        path.write_text("mine")
        [touch] = await canaries.look()
        assert touch.what == "changed"
        await canaries.rearm(touch)
        assert (await canaries.look(), path.read_text()) == ([], "mine")
        again = CanaryFiles([str(path)], USERS, files)
        await again.plant()
        assert list(again.refused) == [str(path)]

    asyncio.run(main())


def test_looking_at_files_bounds_and_refusals(files, tmp_path):
    async def main():
        (tmp_path / "b").mkdir()
        for name in ("a", "b/c", "b/d"):
            (tmp_path / name).write_text(name * 10)
        (tmp_path / "link").symlink_to(tmp_path / "a")
        walked = await files.walk(str(tmp_path), max_files=10)
        assert [one.removeprefix(f"{tmp_path}/") for one in walked] == ["a", "b/c", "b/d"]
        assert len(await files.walk(str(tmp_path), max_files=2)) == 2
        with pytest.raises(NotFound):
            await files.walk(str(tmp_path / "none"), max_files=1)
        assert await files.mark(str(tmp_path / "link")) is None
        assert await files.mark(str(tmp_path / "none")) is None
        assert await files.read(str(tmp_path / "a"), max_bytes=4) == b"aaaa"
        with pytest.raises(NotFound):
            await files.read(str(tmp_path / "none"), max_bytes=4)
        with pytest.raises(InvalidInput, match="cannot be planted"):
            await files.plant(str(tmp_path / "a"), b"x")
        with pytest.raises(InvalidInput, match="cannot be planted"):
            await files.plant(str(tmp_path / "link"), b"x")
        assert not await files.arm(str(tmp_path / "none"))

    asyncio.run(main())
