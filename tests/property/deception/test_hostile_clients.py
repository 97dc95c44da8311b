"""Whatever is sent to a decoy: it answers within its bounds, learns only printable text, and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.deception import DIALOGUES
from phalanx.deception._limits import MAX_FACT_CHARS, MAX_FACTS, MAX_HEAD_BYTES, MAX_SENT_BYTES, MAX_SSH_LINE_BYTES

USERS = {"svc-archive": "abcdefgh"}
TOKENS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST /login HTTP/1.1\r\n", b"HEAD * HTTP/9\r\n", b"\r\n\r\n", b"\r\n", b"\n",
        b"Content-Length: 10\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999\r\n",
        b"Content-Length: \xc2\xb2\r\n", b"Authorization: Basic c3ZjLWFyY2hpdmU6YWJjZGVmZ2g=\r\n",
        b"Authorization: Basic =\xff\r\n", b"Authorization: basic\r\n", b"username=svc-archive&password=abcdefgh",
        b"user=%ff%00&pwd=%zz", b"&" * 100, b"SSH-2.0-x\r\n", b"SSH-", b"\x00" * 300, b"\x1b[2J", b"a" * 9000,
        "名前\r\n".encode(), b"x\r\n" * 40,
    ]
)  # fmt: skip
PIECES = st.lists(st.one_of(TOKENS, st.binary(max_size=64)), max_size=24)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize("kind", sorted(DIALOGUES))
@given(pieces=PIECES, cut=st.integers(1, 97))
def test_nothing_that_comes_in_breaks_a_dialogue_or_makes_it_say_much(kind, pieces, cut):
    dialogue = DIALOGUES[kind](USERS)
    sent, heard = len(dialogue.opened()), b"".join(pieces)
    for start in range(0, len(heard), cut):
        said = dialogue.received(heard[start : start + cut])
        sent += len(said.data)
        if said.over:
            break
    assert sent <= MAX_SENT_BYTES
    facts = dialogue.learned.facts
    assert len(facts) <= MAX_FACTS
    assert all(value.isprintable() and len(value) <= MAX_FACT_CHARS for value in facts.values())


@given(data=st.binary(max_size=400), cut=st.integers(1, 400))
def test_how_a_request_is_cut_into_pieces_does_not_matter(data, cut):
    whole = (
        b"POST /login HTTP/1.1\r\nUser-Agent: " + data.replace(b"\r\n\r\n", b"") + b"\r\nContent-Length: 4\r\n\r\na=bc"
    )
    at_once, in_pieces = DIALOGUES["http"](USERS), DIALOGUES["http"](USERS)
    expected = at_once.received(whole)
    said = None
    for start in range(0, len(whole), cut):
        said = in_pieces.received(whole[start : start + cut])
        if said.over:
            break
    assert (said.data, said.over) == (expected.data, expected.over)
    assert in_pieces.learned == at_once.learned


@given(chunk=st.integers(1, 4096))
def test_a_head_without_an_end_is_given_up(chunk):
    dialogue = DIALOGUES["http"](USERS)
    sent = 0
    while True:
        said = dialogue.received(b"a" * chunk)
        sent += chunk
        if said.over:
            break
        assert sent <= MAX_HEAD_BYTES
    assert said.data.startswith(b"HTTP/1.1 431")


@given(chunk=st.integers(1, 64))
def test_a_line_without_an_end_is_given_up(chunk):
    dialogue = DIALOGUES["ssh"](USERS)
    sent = 0
    while not dialogue.received(b"a" * chunk).over:
        sent += chunk
        assert sent <= MAX_SSH_LINE_BYTES
