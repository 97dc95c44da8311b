import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import TenantId
from phalanx.crypto import AES_256_GCM, CHACHA20_POLY1305, NotAuthentic
from phalanx.crypto.vault import NotSealed, Vault, WrongKey, parse
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryWrapper, SimWorld

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

BYTES = st.binary(max_size=300)


def sealers(algorithm, *names):
    async def main(world):
        vault = await Vault.open(
            world.store("disk"), MemoryWrapper(world.entropy), clock=world.clock, ids=world.ids,
            entropy=world.entropy, telemetry=Telemetry(world.clock), seal_with=algorithm,
        )  # fmt: skip
        return [await vault.sealer(TenantId(tenant), purpose) for tenant, purpose in names]

    return SimWorld(7).run(main)


HERE, *ELSEWHERE = sealers(AES_256_GCM, ("acme", "store"), ("acme", "ledger"), ("zeta", "store"), ("acmes", "tore"))
CHACHA = sealers(CHACHA20_POLY1305, ("acme", "store"))[0]


@given(BYTES, BYTES)
def test_what_is_sealed_opens_and_shows_nothing(plaintext, aad):
    for sealer in (HERE, CHACHA):
        sealed = sealer.seal(plaintext, aad)
        assert sealer.open(sealed, aad) == plaintext
        assert len(plaintext) < 4 or plaintext not in parse(sealed).ciphertext


@given(BYTES, BYTES, st.data())
def test_no_changed_bit_opens(plaintext, aad, data):
    for sealer in (HERE, CHACHA):
        sealed = bytearray(sealer.seal(plaintext, aad))
        bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
        sealed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((NotAuthentic, NotSealed, WrongKey)):
            sealer.open(bytes(sealed), aad)


@given(BYTES, BYTES, BYTES)
def test_no_other_aad_opens(plaintext, aad, other):
    if aad != other:
        with pytest.raises(NotAuthentic):
            HERE.open(HERE.seal(plaintext, aad), other)


@given(BYTES)
def test_no_other_tenant_or_purpose_opens(plaintext):
    sealed = HERE.seal(plaintext)
    for other in (*ELSEWHERE, CHACHA):
        with pytest.raises(WrongKey):
            other.open(sealed)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_an_orderly_way(junk):
    for data in (junk, b"\xc1PhV\x01" + junk):
        with pytest.raises((NotAuthentic, NotSealed, WrongKey)):
            HERE.open(data)


@given(BYTES, st.data())
def test_no_prefix_opens(plaintext, data):
    sealed = HERE.seal(plaintext)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises((NotAuthentic, NotSealed, WrongKey)):
        HERE.open(sealed[:cut])
