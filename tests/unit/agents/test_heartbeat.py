"""Heartbeats: nobody can send another's, and none is good for a second time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.agents import Unauthentic
from phalanx.agents._heartbeat import Beat, name_of, open_beat, seal_beat, statement

KEY, OTHER, ROUND = bytes(range(32)), bytes(32), b"r" * 16
BEAT = Beat("hunter-1.1", 3, ROUND, 17, "mission")


def opened(message, key=KEY, agent="hunter-1.1", epoch=3, challenge=ROUND):
    return open_beat(message, key, agent=agent, epoch=epoch, challenge=challenge)


@pytest.mark.requirement("AGT-5")
@given(
    agent=st.text(min_size=1, max_size=40), epoch=st.integers(0, 2**32), challenge=st.binary(max_size=32),
    done=st.integers(0, 2**40), mission=st.text(max_size=40), key=st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_a_beat_opens_as_it_was_sealed(agent, epoch, challenge, done, mission, key):
    beat = Beat(agent, epoch, challenge, done, mission)
    message = seal_beat(beat, key)
    assert name_of(message) == agent
    assert opened(message, key, agent, epoch, challenge) == beat


@pytest.mark.requirement("AGT-5")
@given(st.data())
def test_a_changed_byte_is_noticed(data):
    message = bytearray(seal_beat(BEAT, KEY))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Unauthentic):
        opened(bytes(message))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": OTHER}, "not the one of this agent's key"),
        ({"agent": "hunter-2.1"}, "it speaks for hunter-1.1"),
        ({"epoch": 4}, "of epoch 3, not 4"),
        ({"challenge": b"later"}, "answers another challenge"),
    ],
)
def test_a_beat_is_good_for_one_agent_one_epoch_and_one_round(changes, says):
    with pytest.raises(Unauthentic, match=says):
        opened(seal_beat(BEAT, KEY), **changes)


@pytest.mark.parametrize("message", [b"", b"x" * 32, b"x" * 40, seal_beat(BEAT, KEY)[:-1]])
def test_what_is_no_beat_is_refused(message):
    with pytest.raises(Unauthentic):
        name_of(message)
    with pytest.raises(Unauthentic):
        opened(message)


def test_a_beat_with_something_more_in_it_is_refused():
    body = msgspec.msgpack.encode(["hunter-1.1", 3, ROUND, 17, "mission", "and more"])
    with pytest.raises(Unauthentic):
        name_of(bytes(32) + body)


def test_statements_of_different_keys_agents_identities_and_epochs_differ():
    said = [
        statement(agent, identity, epoch, key)
        for agent in ("a", "ab") for identity in ("b", "") for epoch in (1, 2) for key in (KEY, OTHER)
    ]  # fmt: skip
    assert len(set(said)) == 16
