"""Weak keys, canary keys and downgrades: what is proven has its proof, and sound keys give no sign."""

import base64
import datetime as dt
import json
import math
import random

import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.cli.intel._signs import signs
from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, InvalidInput, LogSource, TenantId
from phalanx.incidents import SIGN_RULES
from phalanx.intel import load_rules
from phalanx.intel.signs import (
    CLASSICAL_BITS,
    COLLECTED,
    CONFIRMABLE,
    COPIED,
    DOWNGRADED,
    GRADES,
    MIRRORED,
    CanaryKey,
    Certainty,
    DowngradeDetector,
    SeenKey,
    SeenKeysDetector,
    SignTold,
    close_factor,
    keys_in,
    looks_like_roca,
    make_canaries,
    proven_fields,
    shared_factors,
    small_factor,
    verify_answer,
    weaknesses,
)

PRIMES = [n for n in range(70_000, 72_000) if all(n % d for d in range(2, math.isqrt(n) + 1))]


@pytest.mark.requirement("INT-7")
@settings(max_examples=200, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda two: two[0] < two[1]), max_size=12))
def test_batch_gcd_finds_what_pairs_share(pairs):
    moduli = [PRIMES[one] * PRIMES[two] for one, two in sorted(pairs)]
    found = shared_factors(moduli)
    for place, modulus in enumerate(moduli):
        shared = {math.gcd(modulus, other) for other in moduli if other != modulus} - {1}
        assert (place in found) == bool(shared)
        if shared:
            assert found[place] in shared


def key_of(modulus, where="k", exponent=65_537):
    return SeenKey(where, "RSA", modulus.bit_length(), f"{modulus:x}", modulus, exponent)


def test_factors_are_found_where_they_are_small_or_close():
    rng = random.Random(5)
    sound = rsa.generate_private_key(65_537, 2_048).public_key().public_numbers().n
    assert small_factor(sound) == close_factor(sound, 200) == 0
    assert small_factor(65_521 * (sound | 1)) in (65_521, small_factor(sound | 1)) or small_factor(sound | 1)
    base = rng.getrandbits(512) | 1 << 511 | 1
    assert close_factor(base * (base + 2), 10) == base
    assert close_factor(base * base, 10) == base


def test_the_fingerprint_of_roca():
    """Of the form the paper gives: k·M + 65537^a mod M, with M the product of the first primes."""
    product = math.prod(p for p in range(2, 168) if all(p % d for d in range(2, p)))
    rng = random.Random(3)
    one = rng.getrandbits(300) * product + pow(65_537, rng.getrandbits(60), product)
    two = rng.getrandbits(300) * product + pow(65_537, rng.getrandbits(60), product)
    assert looks_like_roca(one * two)
    assert not looks_like_roca(rsa.generate_private_key(65_537, 2_048).public_key().public_numbers().n)


def test_keys_are_read_and_judged_with_a_proof():
    private = rsa.generate_private_key(65_537, 2_048)
    public = private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ssh = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    read = list(
        keys_in(pem + b"\nnoise\n" + ssh + b" me@here\n-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----", "f")
    )
    assert [(key.algorithm, key.bits) for key in read] == [("RSA", 2_048)] * 2
    assert weaknesses(read) == []
    shared = private.private_numbers().p
    other = rsa.generate_private_key(65_537, 2_048).private_numbers().q
    found = weaknesses([*read, key_of(shared * other, "other")])
    assert {(sign.kind, sign.certainty) for sign in found} == {("shared-factor", Certainty.PROVEN)}
    assert {sign.proof for sign in found} == {f"{shared:x}"}
    weak = rsa.generate_private_key(3, 1_024).public_key().public_numbers()
    kinds = [(sign.kind, sign.certainty) for sign in weaknesses([key_of(weak.n, exponent=3)])]
    assert kinds == [("short", Certainty.PATTERN), ("small-exponent", Certainty.PATTERN)]


def test_only_who_broke_a_canary_key_answers_it():
    private = rsa.generate_private_key(65_537, 1_024)
    key = CanaryKey(1_024, private.public_key().public_numbers().n)
    answer = private.sign(key.challenge("node"), padding.PKCS1v15(), hashes.SHA256())
    verify_answer(key, "node", answer)
    for wrong in (("other", answer), ("node", answer[:-1] + bytes([answer[-1] ^ 1])), ("node", b"")):
        with pytest.raises(InvalidInput):
            verify_answer(key, *wrong)
    made = make_canaries()
    assert [one.grade for one in made] == list(GRADES)
    assert all(one.modulus.bit_length() == one.grade > CLASSICAL_BITS for one in made)


def batch_of(groups, tenant=DEFAULT_TENANT):
    n = len(groups)
    columns = {"id.orig_h": ["a"] * n, "id.resp_h": ["s"] * n, "id.resp_p": [443] * n, "curve": groups}
    return EventBatch(
        tenant, BatchId("b"), LogSource("zeek", "", "ssl"), "zeek", 0, range(n), [0] * n, [b""] * n, columns
    )


def test_a_downgrade_is_told_once_and_remembered():
    one = DowngradeDetector()
    assert not one.evaluate(batch_of(["x25519", None, "X25519MLKEM768"]))
    assert not one.evaluate(batch_of(["x25519"], TenantId("other")))
    state = one.state(DEFAULT_TENANT)
    assert state is not None
    assert one.state(DEFAULT_TENANT) is None
    again = DowngradeDetector()
    again.restore(DEFAULT_TENANT, state)
    for detector in (one, again):
        hits = detector.evaluate(batch_of(["x25519", "x25519"]))
        assert [hit.told for hit in hits] == ["a and s:443 agreed on a hybrid group before, and on x25519 now"]
        assert not detector.evaluate(batch_of(["x25519", "X25519MLKEM768"]))
        assert len(detector.evaluate(batch_of(["secp256r1"]))) == 1
    again.restore(DEFAULT_TENANT, None)
    assert not again.evaluate(batch_of(["x25519"]))


def test_the_command_checks_keys_and_answers(tmp_path):
    private = rsa.generate_private_key(65_537, 1_024)
    key = CanaryKey(1_024, private.public_key().public_numbers().n)
    book, answer = tmp_path / "canaries.json", tmp_path / "answer"

    def call(*arguments):
        return CliRunner().invoke(signs, [str(one) for one in arguments])

    assert call("canaries", "make", book, "--of", "acme").exit_code == 0
    assert [row["grade"] for row in json.loads(book.read_text())["keys"]] == list(GRADES)
    book.write_text(json.dumps(
        {"node": "acme", "keys": [{"name": key.name, "grade": 1, "modulus": f"{key.modulus:x}", "exponent": 65_537}]}
    ))  # fmt: skip
    broken = CanaryKey(1, key.modulus)
    answer.write_bytes(private.sign(broken.challenge("acme"), padding.PKCS1v15(), hashes.SHA256()))
    told = call("canaries", "answer", book, broken.name, answer)
    assert "is broken" in told.output
    assert "no published computation" in told.output, "the grade that a file claims does not count"
    answer.write_bytes(b"no")
    assert call("canaries", "answer", book, broken.name, answer).exit_code != 0
    certificate = tmp_path / "key.pem"
    certificate.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert "RSA of 1024 bits is below" in " ".join(call("check", certificate, "--json").output.split())
    assert call("list").exit_code == 0


def certificate_of(p, q):
    """A certificate for the key of two primes, as Suricata logs it."""
    e = 65_537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPublicNumbers(e, p * q)
    key = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), numbers
    ).private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "host")])
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, at, at + dt.timedelta(days=30))
    return base64.b64encode(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


@pytest.fixture(scope="module")
def primes():
    found = [rsa.generate_private_key(65_537, 1_024).private_numbers() for _ in range(3)]
    return [prime for one in found for prime in (one.p, one.q)]


def tls_batch(*seen, field="tls.certificate", tenant=DEFAULT_TENANT):
    n = len(seen)
    columns = {field: [text for _, text in seen], "dest_ip": [host for host, _ in seen]}
    return EventBatch(
        tenant, BatchId("b"), LogSource("suricata", "", "tls"), "suricata", 0, range(n), [0] * n, [b""] * n, columns
    )


@pytest.mark.requirement("INT-7")
@pytest.mark.parametrize("field", ["tls.certificate", "cert"])
def test_certificates_in_events_are_held_against_those_seen_before(field, primes):
    p, q, r, s, t, _ = primes
    one, other, sound = certificate_of(p, q), certificate_of(p, r), certificate_of(s, t)
    detector = SeenKeysDetector()
    assert not detector.evaluate(
        tls_batch(("a", one), ("b", sound), ("c", one), ("d", "nonsense"), ("e", None), field=field)
    )
    assert not detector.evaluate(tls_batch(("x", other), field=field, tenant=TenantId("other"))), "tenants are apart"
    state = detector.state(DEFAULT_TENANT)
    assert detector.state(DEFAULT_TENANT) is None
    again = SeenKeysDetector()
    again.restore(DEFAULT_TENANT, state)
    for judge in (detector, again):
        (hit,) = judge.evaluate(tls_batch(("f", sound), ("g", other), field=field))
        assert hit.places == (1,)
        assert hit.subject == "g"
        assert "shares a factor with the key of a" in hit.told
        assert not judge.evaluate(tls_batch(("g", other), field=field)), "told once"
    assert len(state) < 1_000


def test_what_is_remembered_of_keys_is_bounded(primes, monkeypatch):
    monkeypatch.setattr("phalanx.intel.signs._certificates.MAX_SEEN_KEY_BYTES", 300)
    p, q, r, s, t, u = primes
    detector = SeenKeysDetector()
    for host, two in (("a", (p, q)), ("b", (r, s)), ("c", (t, u))):
        assert not detector.evaluate(tls_batch((host, certificate_of(*two))))
    # The keys of b and c are held, and that of a is not any more.
    (hit,) = detector.evaluate(tls_batch(("e", certificate_of(p, t))))
    assert "key of c" in hit.told


@pytest.mark.requirement("INT-7")
def test_only_what_is_proven_is_believed(primes):
    p, q = primes[:2]
    told = SignTold(sign="shared-factor", modulus=f"{p * q:x}", proof=f"{p:X}", where="web-1")
    fields = proven_fields(told)
    assert (fields["certainty"], fields["key"], fields["where"]) == ("proven", "rsa-1024", "web-1")
    assert not fields["beyond_published"]
    for wrong in (
        {"proof": f"{p + 2:x}"}, {"proof": "1"}, {"proof": f"{p * q:x}"}, {"proof": "no"}, {"proof": ""},
        {"sign": "roca"}, {"modulus": "ff"}, {"modulus": "f" * 10_000}, {"sign": "canary-answered", "of": "acme"},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            proven_fields(msgspec.structs.replace(told, **wrong))


@pytest.mark.requirement("INT-7")
@pytest.mark.parametrize("pattern", [MIRRORED, COPIED, COLLECTED, DOWNGRADED], ids=lambda one: one.name)
def test_a_confirmed_pattern_is_a_finding_with_the_techniques_of_the_pattern(pattern):
    columns = {"sign": [pattern.name], "certainty": ["confirmed"]}
    batch = EventBatch(
        DEFAULT_TENANT, BatchId("b"), LogSource("phalanx", "crypto-sign", ""), "own", 0, range(1), [0], [b""], columns
    )
    (hit,) = load_rules().evaluate(batch)
    assert pattern.name in CONFIRMABLE
    assert hit.rule.name in SIGN_RULES, "and proposes to migrate"
    assert hit.rule.techniques
    assert set(hit.rule.techniques) <= set(pattern.techniques)
