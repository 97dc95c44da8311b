"""A token that is really one, in software: what it keeps, and what it says when something is wrong."""

import asyncio
import shutil

import pytest

from phalanx.adapters import OsEntropy
from phalanx.adapters.keys import Pkcs11Wrapper
from phalanx.core import InvalidInput, Unavailable
from phalanx.crypto.vault import WrongKey
from phalanx.testing import InlineOffload

pytestmark = pytest.mark.requirement("CRY-2")

KEY, CONTEXT = bytes(range(32)), b"root"
PIN = "1234-5678"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def wrapper(token="first", *, module=SOFTHSM, pin=PIN, key="phalanx-root"):
    return Pkcs11Wrapper(
        str(module), token, pin.encode(), key=key, entropy=OsEntropy(), offload=InlineOffload()
    )  # fmt: skip


def wrap(**options):
    return asyncio.run(wrapper(**options).wrap(KEY, CONTEXT))


def unwrap(wrapped, **options):
    return asyncio.run(wrapper(**options).unwrap(wrapped, CONTEXT))


def test_the_key_is_made_in_the_token_once_and_cannot_be_taken_out(softhsm):
    import pkcs11

    softhsm("first")
    assert unwrap(wrap()) == unwrap(wrap()) == KEY
    token = pkcs11.lib(str(SOFTHSM)).get_token(token_label="first")
    with token.open(user_pin=PIN) as session:
        (key,) = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}))
        assert (key.label, key.key_type, key.key_length) == ("phalanx-root", pkcs11.KeyType.AES, 256)
        assert key[pkcs11.Attribute.SENSITIVE]
        assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
        assert key[pkcs11.Attribute.LOCAL]
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            _ = key[pkcs11.Attribute.VALUE]


def test_a_wrong_pin_is_said_to_be_one(softhsm):
    softhsm("first")
    for pin in ("0000-0000", "1"):
        with pytest.raises(InvalidInput, match="refuses it") as told:
            wrap(pin=pin)
        assert told.value.field == "pin"
        assert "lock" in told.value.hint
        assert pin not in str(told.value)
    assert wrap()


def test_a_token_that_is_not_there_is_named_and_one_that_comes_back_works(softhsm):
    softhsm("first")
    wrapped = wrap()
    with pytest.raises(Unavailable, match=r"'elsewhere'.*not there"):
        wrap(token="elsewhere")
    away = softhsm.folder.with_name("away")
    shutil.move(softhsm.folder, away)
    softhsm.folder.mkdir()
    with pytest.raises(Unavailable, match=r"'first'.*not there"):
        unwrap(wrapped)
    softhsm.folder.rmdir()
    shutil.move(away, softhsm.folder)
    assert unwrap(wrapped) == KEY


def test_a_module_that_was_removed_is_named(softhsm, tmp_path):
    softhsm("first")
    with pytest.raises(Unavailable, match=r"gone\.so") as told:
        wrap(module=tmp_path / "gone.so")
    assert "vendor" in told.value.hint
    not_one = tmp_path / "not_one.so"
    not_one.write_bytes(b"not a library")
    with pytest.raises(Unavailable, match=r"not_one\.so"):
        wrap(module=not_one)


def test_a_key_that_is_gone_or_another_is_a_wrong_key(softhsm):
    softhsm("first")
    wrapped = wrap()
    with pytest.raises(WrongKey, match="no key 'other'"):
        unwrap(wrapped, key="other")
    wrap(key="other")
    with pytest.raises(WrongKey, match="wrapped by another key"):
        unwrap(wrapped, key="other")
    assert unwrap(wrapped) == KEY


def test_the_pin_is_not_shown(softhsm):
    assert PIN not in repr(wrapper())
