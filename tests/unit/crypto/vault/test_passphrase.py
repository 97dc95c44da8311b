import asyncio

import msgspec
import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.crypto.vault import PassphraseWrapper, WrapperContext, WrongKey, passphrase_wrapper
from phalanx.testing import InlineOffload, SimEntropy

pytestmark = pytest.mark.requirement("CRY-2")

CHEAP = {"memory_kib": 64, "passes": 1, "lanes": 1}


def wrapper(passphrase=b"correct horse battery", **costs):
    return PassphraseWrapper(passphrase, entropy=SimEntropy(Rng(1)), offload=InlineOffload(), **CHEAP | costs)


def wrapped(**costs):
    return asyncio.run(wrapper(**costs).wrap(bytes(32), b"root"))


def test_costs_are_stored_and_may_be_raised_later():
    stored = msgspec.msgpack.decode(wrapped(passes=2))
    assert (stored["kdf"], stored["memory_kib"], stored["passes"], len(stored["salt"])) == ("Argon2id", 64, 2, 16)
    assert asyncio.run(wrapper(passes=3).unwrap(wrapped(passes=2), b"root")) == bytes(32)


def test_the_default_costs_are_those_of_the_standard():
    made = passphrase_wrapper(context({}))
    assert made._costs == (65_536, 3, 4)


@pytest.mark.parametrize("change", [{"memory_kib": 1 << 40}, {"passes": 0}, {"lanes": 10**6}, {"salt": b"short"}])
def test_costs_that_were_changed_exhaust_nothing(change):
    stored = msgspec.msgpack.decode(wrapped()) | change
    with pytest.raises(WrongKey, match="the record was changed"):
        asyncio.run(wrapper().unwrap(msgspec.msgpack.encode(stored), b"root"))


@pytest.mark.parametrize("passphrase", [b"", b"short", bytes(5_000)])
def test_a_passphrase_has_a_length(passphrase):
    with pytest.raises(InvalidInput):
        wrapper(passphrase)


def test_it_is_not_shown():
    assert "horse" not in repr(wrapper())
    assert "horse" not in repr(context({}))


def context(options):
    return WrapperContext(
        options=options, data_dir=None, entropy=SimEntropy(Rng(1)), offload=InlineOffload(),
        secret=lambda what: b"correct horse battery",
    )  # fmt: skip


@pytest.mark.parametrize("options", [{"passes": "many"}, {"lanes": "0"}, {"memory_kib": "99999999999"}, {"pases": "3"}])
def test_an_option_that_is_none_is_named(options):
    with pytest.raises(InvalidInput) as refused:
        passphrase_wrapper(context(options))
    assert refused.value.field == f"at_rest.options.{next(iter(options))}"
