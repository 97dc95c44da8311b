"""Whatever is changed in a certificate, a chain or a list: it is refused, or it is the same."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput
from phalanx.crypto import ED25519, CryptoError, CryptoPolicy, SigningKey
from phalanx.crypto.identity import (
    Certificate,
    Chain,
    ListForked,
    ListRolledBack,
    NothingKnown,
    Request,
    Revocation,
    RevocationList,
    Subject,
    SubjectKind,
    Use,
    Why,
    check_succession,
    sign_certificate,
    sign_list,
    validate,
)

NOW_NS = 1_800_000_000 * 10**9
ROOT = Subject(SubjectKind.ORGANISATION, "acme")


@cache
def material():
    root, node = SigningKey.generate(ED25519), SigningKey.generate(ED25519)
    request = {"epoch": 1, "not_before_ns": NOW_NS - 1, "not_after_ns": NOW_NS + 10**15}
    top = sign_certificate(Request(subject=ROOT, key=root.public, serial="0" * 32, uses=(Use.ISSUE,), **request), root)
    leaf = sign_certificate(
        Request(
            subject=ROOT.below(SubjectKind.NODE, "hq"), key=node.public, serial="1" * 32, uses=(Use.SIGN,), **request
        ),
        root,
    )
    return root, Chain((leaf, top))


def holds(chain):
    root, _ = material()
    return validate(
        chain, at_ns=NOW_NS, use=Use.SIGN, anchors={root.public.fingerprint: ROOT}, standing=NothingKnown(),
        policy=CryptoPolicy(),
    )  # fmt: skip


@pytest.mark.requirement("CRY-2")
@given(data=st.data())
def test_no_changed_bit_goes_unnoticed(data):
    chain = material()[1]
    holds(chain)
    raw = bytearray(chain.to_bytes())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises((CryptoError, InvalidInput)):
        holds(Chain.from_bytes(bytes(raw)))


@given(st.binary(max_size=300))
def test_anything_else_is_refused_as_such(data):
    for read in (Certificate.from_bytes, Chain.from_bytes, RevocationList.from_bytes):
        with pytest.raises(CryptoError):
            read(data)


@given(cut=st.integers(0, 2_000))
def test_a_cut_chain_is_refused(cut):
    raw = material()[1].to_bytes()
    if cut < len(raw):
        with pytest.raises(CryptoError):
            Chain.from_bytes(raw[:cut])


def entry(number, since_ns, why=Why.CEASED, not_after_ns=NOW_NS + 10**15):
    return Revocation(
        serial=f"{number:032x}", subject=f"node:acme/n{number}", why=why, since_ns=since_ns, not_after_ns=not_after_ns
    )


entries = st.dictionaries(st.integers(0, 6), st.integers(0, 3), max_size=5)


@given(entries, entries, st.integers(1, 3), st.integers(1, 3))
def test_a_later_list_takes_nothing_back(before, after, first, second):
    root, _ = material()

    def made(which, number):
        return sign_list(
            ROOT, root, number=number, at_ns=NOW_NS, entries=tuple(entry(n, since) for n, since in which.items())
        )

    known, offered = made(before, first), made(after, second)
    offered.require_signature_of(root.public)
    assert RevocationList.from_bytes(offered.to_bytes()) == offered
    extends = all(n in after and after[n] <= since for n, since in before.items())
    if second < first:
        with pytest.raises(ListRolledBack):
            check_succession(known, offered)
    elif second == first:
        if before == after:
            assert not check_succession(known, offered)
        else:
            with pytest.raises(ListForked):
                check_succession(known, offered)
    elif extends:
        assert check_succession(known, offered)
    else:
        with pytest.raises(ListForked):
            check_succession(known, offered)


names = st.text(st.characters(codec="utf-8"), max_size=12)


@given(names)
def test_a_subject_is_written_as_it_is_read(text):
    for kind in SubjectKind:
        try:
            subject = Subject.parse(f"{kind.value}:{text}")
        except InvalidInput:
            continue
        assert str(subject) == f"{kind.value}:{text}"
