"""Channels over sockets of this machine: asyncio's streams on both ends."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.crypto import AES_256_GCM, ED25519, ML_KEM_768, X25519, InvalidKey, SigningKey, VerifyingKey
from phalanx.crypto.channel import (
    MAX_PAYLOAD_BYTES,
    ChannelClosed,
    ChannelPolicy,
    ChannelTruncated,
    HandshakeFailed,
    HandshakeTampered,
    HandshakeTimeout,
    Party,
    PeerRefused,
    Suite,
    accept_stream,
    connect_stream,
)

POLICY = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))
KEYS = {name: SigningKey.generate(ED25519) for name in ("ada", "bob")}


class ImpatientClock(SystemClock):
    """Real time, but for a limit that passes at once."""

    async def sleep(self, seconds):
        await super().sleep(0.0)


def party(name, refused=()):
    def verify_peer(credential):
        key = VerifyingKey.from_bytes(credential)
        if any(key == KEYS[other].public for other in refused):
            raise InvalidKey("credential", "it is revoked")
        return key

    return Party(KEYS[name], KEYS[name].public.to_bytes(), verify_peer)


def ports(clock=None):
    return {"clock": clock or SystemClock(), "entropy": OsEntropy(), "policy": POLICY}


@contextlib.asynccontextmanager
async def listening(serve):
    """A server on this machine; what its side of a connection returned or raised is in the queue."""
    outcomes = asyncio.Queue()

    async def handle(reader, writer):
        try:
            outcomes.put_nowait(await serve(reader, writer))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes.put_nowait(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer, outcomes
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def settled(outcomes):
    async with asyncio.timeout(20):
        return await outcomes.get()


async def collect(reader, writer):
    """Everything that arrives until the end, and what the end was."""
    channel = await accept_stream(reader, writer, party("bob"), **ports())
    got = []
    try:
        while True:
            got.append(await channel.receive())
    except ChannelClosed as end:
        return got, type(end)


def connect(reader, writer, **more):
    return connect_stream(reader, writer, party("ada"), **{**ports(), "peer": KEYS["bob"].public.fingerprint, **more})


@pytest.mark.requirement("MSG-2")
def test_payloads_of_every_size_arrive_in_order_and_the_end_is_an_end():
    payloads = [b"", b"x", bytes(1_000), bytes(MAX_PAYLOAD_BYTES), *(b"%d" % n for n in range(50))]

    async def scenario():
        async with listening(collect) as (reader, writer, outcomes):
            channel = await connect(reader, writer)
            assert channel.peer == KEYS["bob"].public.fingerprint
            for payload in payloads:
                await channel.send(payload)
            await channel.send_many(payloads)
            await channel.close()
            with pytest.raises(ChannelClosed):
                await channel.send(b"x")
            assert await settled(outcomes) == (payloads * 2, ChannelClosed)

    asyncio.run(scenario())


def test_both_directions_at_once():
    async def echo(reader, writer):
        channel = await accept_stream(reader, writer, party("bob"), **ports())
        for _ in range(200):
            await channel.send(await channel.receive())

    async def scenario():
        async with listening(echo) as (reader, writer, _):
            channel = await connect(reader, writer)

            async def send():
                for n in range(200):
                    await channel.send(b"%d" % n)

            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                assert [await channel.receive() for _ in range(200)] == [b"%d" % n for n in range(200)]

    asyncio.run(scenario())


@pytest.mark.requirement("MSG-2")
def test_a_connection_that_is_cut_is_told_from_one_that_ended():
    async def scenario():
        async with listening(collect) as (reader, writer, outcomes):
            channel = await connect(reader, writer)
            await channel.send(b"x")
            writer.close()
            assert await settled(outcomes) == ([b"x"], ChannelTruncated)
            with pytest.raises(ChannelTruncated):
                await channel.receive()

    asyncio.run(scenario())


def test_bytes_from_somebody_else_end_the_channel():
    for junk in (bytes(4) + b"x" * 60, (60).to_bytes(4) + bytes(60), b"\xff" * 60):

        async def scenario(junk=junk):
            async with listening(collect) as (reader, writer, outcomes):
                await connect(reader, writer)
                writer.write(junk)
                assert await settled(outcomes) == ([], ChannelClosed)

        asyncio.run(scenario())


def test_a_server_that_nobody_speaks_the_handshake_to_gives_up():
    async def accept(reader, writer):
        return await accept_stream(reader, writer, party("bob"), **ports())

    async def scenario(first_bytes, expected):
        async with listening(accept) as (_, writer, outcomes):
            writer.write(first_bytes)
            writer.write_eof()
            assert isinstance(await settled(outcomes), expected)

    asyncio.run(scenario(b"GET / HTTP/1.1\r\n\r\n", HandshakeTampered))
    asyncio.run(scenario((20).to_bytes(4) + bytes(20), HandshakeTampered))
    asyncio.run(scenario((20).to_bytes(4) + bytes(7), HandshakeFailed))


def test_silence_is_a_timeout():
    async def accept(reader, writer):
        return await accept_stream(reader, writer, party("bob"), **ports(ImpatientClock()))

    async def scenario():
        async with listening(accept) as (reader, _, outcomes):
            assert isinstance(await settled(outcomes), HandshakeTimeout)
            assert await reader.read() == b""

    asyncio.run(scenario())


def test_both_sides_learn_why_there_is_no_channel():
    async def refuse_ada(reader, writer):
        return await accept_stream(reader, writer, party("bob", refused=["ada"]), **ports())

    async def other_suites(reader, writer):
        policy = ChannelPolicy(suites=(Suite(ML_KEM_768, AES_256_GCM),), signatures=(ED25519,))
        return await accept_stream(reader, writer, party("bob"), **{**ports(), "policy": policy})

    async def scenario(serve, expected, match):
        async with listening(serve) as (reader, writer, outcomes):
            with pytest.raises(expected, match=match):
                await connect(reader, writer)
            assert isinstance(await settled(outcomes), HandshakeFailed)

    asyncio.run(scenario(refuse_ada, PeerRefused, "does not accept our credential"))
    asyncio.run(scenario(other_suites, HandshakeFailed, "none of the suites"))


def test_keys_turn_in_a_stream_without_a_break():
    policy = ChannelPolicy(suites=POLICY.suites, signatures=(ED25519,), rekey_frames=3, rekey_age_s=1e-6)

    async def scenario():
        async with listening(collect) as (reader, writer, outcomes):
            channel = await connect(reader, writer, policy=policy)
            for n in range(20):
                await channel.send(b"%d" % n)
            assert channel.session.epochs[0] >= 6
            await channel.close()
            assert await settled(outcomes) == ([b"%d" % n for n in range(20)], ChannelClosed)

    asyncio.run(scenario())


def test_a_connection_that_breaks_under_a_sender_is_told():
    async def accept_and_abort(reader, writer):
        await accept_stream(reader, writer, party("bob"), **ports())
        writer.transport.abort()

    async def scenario():
        async with listening(accept_and_abort) as (reader, writer, outcomes):
            channel = await connect(reader, writer)
            await settled(outcomes)

            async def send_for_ever():
                while True:
                    await channel.send(bytes(MAX_PAYLOAD_BYTES))

            with pytest.raises(ChannelTruncated):
                await send_for_ever()
            await channel.close()

        async with listening(accept_and_abort) as (reader, writer, outcomes):
            channel = await connect(reader, writer)
            await settled(outcomes)
            await channel.close()  # it may or may not know yet that nobody is there
            assert channel.session.ended is not None

    asyncio.run(scenario())
