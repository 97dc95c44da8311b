"""The key server as it is met in practice: throttled, sealed, refusing, gone, too old."""

import asyncio

import pytest

from phalanx.adapters.keys import TransitWrapper
from phalanx.core import InvalidInput, Unavailable
from phalanx.crypto.vault import WrongKey
from phalanx.testing import InlineOffload

pytestmark = pytest.mark.requirement("CRY-2")

KEY, CONTEXT = bytes(range(32)), b"root"
TOKEN = "hvs.a-token-of-the-tests"


def refused(status, *errors, **headers):
    return status, {"errors": list(errors)}, headers


def wrapper(server, *, token=TOKEN, **options):
    options = {"key": "phalanx", "pause_s": 0.001} | options
    return TransitWrapper(server.url, token.encode(), offload=InlineOffload(), **options)


def wrap(server, **options):
    return asyncio.run(wrapper(server, **options).wrap(KEY, CONTEXT))


def unwrap(server, wrapped, **options):
    return asyncio.run(wrapper(server, **options).unwrap(wrapped, CONTEXT))


def test_what_an_older_version_of_the_key_wrapped_still_opens(transit_server):
    wrapped = wrap(transit_server)
    transit_server.rotate("phalanx")
    assert unwrap(transit_server, wrapped) == KEY
    assert unwrap(transit_server, wrap(transit_server)) == KEY


@pytest.mark.parametrize("trouble", [
    refused(429, "request path rate limit quota exceeded", **{"Retry-After": "0"}),
    refused(503, "Vault is sealed"),
    (502, b"<html>bad gateway</html>", {}),
    refused(500, "internal error"),
], ids=["429", "503", "502", "500"])  # fmt: skip
def test_what_passes_is_waited_out_and_what_does_not_is_told(transit_server, trouble):
    transit_server.trouble = [trouble] * 4
    assert wrap(transit_server)
    assert len(transit_server.asked) == 5
    transit_server.trouble = [trouble] * 99
    with pytest.raises(Unavailable, match=r"5 attempts") as told:
        wrap(transit_server)
    assert "rate limit" in told.value.hint
    assert len(transit_server.asked) == 10, "bounded"


def test_it_waits_as_long_as_it_is_asked_to_within_a_bound(transit_server):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    transit_server.trouble = [refused(429, "slow down", **{"Retry-After": text}) for text in ("3", "never", "999")]
    wrap(transit_server, sleep=sleep)
    assert slept == [3.0, 6.0, 10.0]


def test_a_wrong_token_is_not_tried_twice(transit_server):
    with pytest.raises(Unavailable, match="refuses the token") as told:
        wrap(transit_server, token="hvs.wrong")
    assert "capability update on transit/encrypt/phalanx" in told.value.hint
    assert len(transit_server.asked) == 1
    transit_server.policy = {"decrypt"}
    with pytest.raises(Unavailable, match="refuses the token"):
        wrap(transit_server)


def test_a_mount_that_is_not_there_is_named(transit_server):
    with pytest.raises(Unavailable, match="nothing at mount 'elsewhere'"):
        wrap(transit_server, mount="elsewhere")


def test_a_key_that_was_deleted_is_a_wrong_key(transit_server):
    wrapped = wrap(transit_server)
    transit_server.keys.clear()
    with pytest.raises(WrongKey, match="encryption key not found"):
        unwrap(transit_server, wrapped)


def test_a_server_that_is_gone_is_unavailable(make_transit_server):
    with make_transit_server() as server:
        wrapped = wrap(server)
    with pytest.raises(Unavailable, match="5 attempts"):
        unwrap(server, wrapped)


def test_a_server_too_old_to_know_associated_data_binds_the_context_all_the_same(make_transit_server):
    with make_transit_server(knows_associated_data=False) as server:
        wrapped = wrap(server)
        assert unwrap(server, wrapped) == KEY
        with pytest.raises(WrongKey, match="not this vault's"):
            asyncio.run(wrapper(server).unwrap(wrapped, b"another"))


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'{"data": 3}', b'{"data": {}}', b'{"data": {"ciphertext": "vault:v1:"}}']
)
def test_an_answer_that_is_none_is_refused(transit_server, answer):
    transit_server.trouble = [(200, answer, {})] * 9
    with pytest.raises(Unavailable):
        wrap(transit_server)


@pytest.mark.parametrize("url", ["ftp://key.example", "key.example", "http://key.example", "http://10.0.0.1:8200"])
def test_the_root_key_travels_over_tls_only(url):
    with pytest.raises(InvalidInput):
        TransitWrapper(url, TOKEN.encode(), key="phalanx", offload=InlineOffload())
    TransitWrapper("https://key.example", TOKEN.encode(), key="phalanx", offload=InlineOffload())


@pytest.mark.parametrize("token", ["", "two\nlines", "é"])
def test_a_token_that_is_none_is_refused(transit_server, token):
    with pytest.raises(InvalidInput):
        wrap(transit_server, token=token)


def test_the_token_is_not_shown(transit_server):
    assert TOKEN not in repr(wrapper(transit_server))
