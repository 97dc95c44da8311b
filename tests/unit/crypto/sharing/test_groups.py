"""The groups are those of RFC 7919, as OpenSSL has them too, and their laws hold."""

import hashlib

import pytest

from phalanx.crypto.sharing import Group, ffdhe2048, ffdhe3072, safe_prime_group
from phalanx.crypto.sharing._field import GF256

pytestmark = pytest.mark.requirement("CRY-2")

# SHA-256 of p's bytes as OpenSSL 3.0 wrote them: openssl genpkey -genparam -algorithm DH -pkeyopt group:NAME
OPENSSL = {
    "ffdhe2048": "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966",
    "ffdhe3072": "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17",
}


@pytest.mark.parametrize("group", [ffdhe2048(), ffdhe3072()], ids=lambda group: group.name)
def test_the_primes_are_those_that_openssl_has(group):
    assert hashlib.sha256(group.to_bytes(group.p)).hexdigest() == OPENSSL[group.name]


@pytest.mark.parametrize("number", [GF256.modulus, ffdhe2048().p, ffdhe2048().field.modulus], ids=("gf", "p", "q"))
def test_moduli_are_prime(number):
    assert probably_prime(number)
    assert not probably_prime(number + 2 * 3)


def test_no_smaller_prime_holds_every_secret():
    assert not any(probably_prime(candidate) for candidate in range(2**256 + 1, GF256.modulus, 2))


@pytest.mark.parametrize("group", [ffdhe2048(), safe_prime_group("tiny", 23)], ids=lambda group: group.name)
def test_both_generators_have_the_groups_order(group: Group):
    for generator in (group.g, group.h):
        assert group.contains(generator)
        assert generator != 1
        assert group.power(generator, group.field.modulus) == 1


def test_membership_is_what_eulers_criterion_says():
    tiny = safe_prime_group("tiny", 23)
    assert [x for x in range(-1, 25) if tiny.contains(x)] == [x for x in range(1, 23) if pow(x, 11, 23) == 1]


def test_generators_differ_between_groups():
    assert ffdhe2048().h != ffdhe3072().h


def probably_prime(n: int) -> bool:
    """Miller and Rabin's test to 24 bases."""
    twos = ((n - 1) & -(n - 1)).bit_length() - 1
    for base in range(2, 26):
        x = pow(base, (n - 1) >> twos, n)
        if x not in (1, n - 1) and not any((x := x * x % n) == n - 1 for _ in range(twos - 1)):
            return False
    return True
