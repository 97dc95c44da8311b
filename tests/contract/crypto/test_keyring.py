"""Keyrings that are not what they should be. A desktop's own is not among the backends tested here."""

import asyncio

import pytest

from phalanx.adapters import OsEntropy
from phalanx.adapters.keys import KeyringWrapper, keyring_wrapper
from phalanx.core import Unavailable
from phalanx.crypto.vault import WrapperContext, WrongKey
from phalanx.testing import InlineOffload

pytestmark = pytest.mark.requirement("CRY-2")


def context(tmp_path, **options):
    return WrapperContext(
        options=options, data_dir=tmp_path, entropy=OsEntropy(), offload=InlineOffload(), secret=lambda what: b""
    )  # fmt: skip


def wrap(wrapper):
    return asyncio.run(wrapper.wrap(bytes(32), b"root"))


def test_a_machine_without_a_keyring_says_so(tmp_path):
    wrapper = keyring_wrapper(context(tmp_path, backend="keyring.backends.fail.Keyring"))
    with pytest.raises(Unavailable, match="there is none on this machine") as told:
        wrap(wrapper)
    assert "another wrapper" in told.value.hint


def test_a_backend_that_forgets_is_found_out_before_anything_depends_on_it(tmp_path):
    wrapper = keyring_wrapper(context(tmp_path, backend="keyring.backends.null.Keyring"))
    with pytest.raises(Unavailable, match="does not keep"):
        wrap(wrapper)


def test_a_backend_that_is_none_is_named(tmp_path):
    with pytest.raises(Unavailable, match=r"'no\.such\.Backend' does not load"):
        keyring_wrapper(context(tmp_path, backend="no.such.Backend"))


def test_each_node_of_a_machine_has_an_entry_of_its_own(tmp_path):
    one, other = [keyring_wrapper(context(tmp_path / name, backend="keyring.backends.null.Keyring")) for name in "ab"]
    assert one._entry != other._entry


@pytest.mark.parametrize("method", ["get_password", "set_password"])
def test_a_locked_keyring_is_unavailable(keyring, monkeypatch, method):
    import keyring as library

    backend = keyring[0]()._backend

    def locked(*_):
        raise library.errors.KeyringLocked("ask its user")

    monkeypatch.setattr(backend, method, locked)
    with pytest.raises(Unavailable, match="locked"):
        wrap(keyring[0]())


def test_an_entry_that_is_gone_or_no_key_is_a_wrong_key(keyring):
    wrapper = keyring[0]()
    wrapped = wrap(wrapper)
    wrapper._backend.entries["phalanx", "root 0"] = "written by hand"
    with pytest.raises(WrongKey, match="is not a key"):
        asyncio.run(wrapper.unwrap(wrapped, b"root"))
    del wrapper._backend.entries["phalanx", "root 0"]
    with pytest.raises(WrongKey, match="has no entry"):
        asyncio.run(wrapper.unwrap(wrapped, b"root"))
    assert not wrapper._backend.entries, "unwrapping makes nothing"


def test_the_librarys_own_choice_is_used_without_a_backend(keyring):
    import keyring as library

    before = library.get_keyring()
    library.set_keyring(keyring[0]()._backend)
    try:
        made = KeyringWrapper("phalanx", "chosen", entropy=OsEntropy(), offload=InlineOffload())
        assert asyncio.run(made.unwrap(wrap(made), b"root")) == bytes(32)
        assert ("phalanx", "chosen") in made._backend.entries
    finally:
        library.set_keyring(before)
