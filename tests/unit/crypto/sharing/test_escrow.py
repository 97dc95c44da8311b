"""Escrow: what a quorum can do and nobody else, lies named, replays refused, every step recorded."""

import dataclasses
import itertools

import msgspec
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    NS_PER_S,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PhalanxError,
    Rng,
    WireError,
    encode_json,
)
from phalanx.crypto import X25519_ML_KEM_768, AlgorithmForbidden, CryptoPolicy, HybridSigner, InvalidSignature
from phalanx.crypto.sharing import (
    Ceremony,
    CeremonyClosed,
    Escrow,
    Escrows,
    InvalidEscrow,
    InvalidShare,
    Keyholder,
    NotEnoughShares,
    NotRegistered,
    Release,
    ReleaseRefused,
    begin_ceremony,
    make_escrow,
    own_share,
    read_card,
    read_signed,
    reconstruct,
    release_share,
)
from phalanx.crypto.sharing._ceremony import _released, registered
from phalanx.crypto.sharing._escrow import _held_by, pack_share, signed_by, unseal
from phalanx.crypto.sharing._sealed import seal_for
from phalanx.testing import MemoryAudit, SimEntropy, SimWorld

pytestmark = pytest.mark.requirement("CRY-2")

PEOPLE = {name: Keyholder.generate(name) for name in ("ada", "bob", "cho", "dee", "eve")}
MAKER, OPENER = Keyholder.generate("maker"), Keyholder.generate("opener")
NODE = HybridSigner.generate()
SECRET = b"the root key of the vault"
NOW_NS = 1_767_225_600_000_000_000
IDS = (f"00000000-0000-7000-8000-{number:012x}" for number in itertools.count(1))


def escrowed(threshold=3, secret=SECRET, people=(), **changed):
    given = {
        "escrow_id": next(IDS), "tenant": DEFAULT_TENANT, "at_ns": NOW_NS, "label": "vault root",
        "threshold": threshold, "custodians": [one.card for one in people or PEOPLE.values()],
        "registrar": NODE.public, "maker": MAKER, "entropy": SimEntropy(Rng(7)),
    }  # fmt: skip
    return make_escrow(secret, **(given | changed))


def asked(escrow, opener=OPENER, purpose="the node's disk is lost", now_ns=NOW_NS, lasts_s=3_600):
    ceremony = begin_ceremony(escrow, opener, ceremony_id=next(IDS), purpose=purpose, now_ns=now_ns, lasts_s=lasts_s)
    return registered(ceremony, NODE)


def released(escrow, ceremony, *names, now_ns=NOW_NS + 1):
    return [release_share(escrow, ceremony, PEOPLE[name], now_ns=now_ns) for name in names]


def lied(escrow, ceremony, name):
    """A release of a custodian with its own software, that signs another share than its own."""
    holder = PEOPLE[name]
    true = release_share(escrow, ceremony, holder, now_ns=NOW_NS + 1)
    share = own_share(escrow, holder)
    other = pack_share(dataclasses.replace(share, value=share.value ^ 1))
    sealed = seal_for(ceremony.opener.sealing_key, other, _released(ceremony, true.custodian))
    return signed_by(holder, msgspec.structs.replace(true, sealed=sealed))


def test_a_quorum_opens_it_whoever_they_are():
    escrow = escrowed()
    ceremony = asked(escrow)
    for names in (("ada", "bob", "cho"), ("eve", "cho", "bob"), ("ada", "bob", "cho", "dee", "eve")):
        opened = reconstruct(escrow, ceremony, released(escrow, ceremony, *names), OPENER, now_ns=NOW_NS + 2)
        assert opened.secret == SECRET
        assert set(opened.used) == set(names)
        assert opened.lying == ()
    assert SECRET.decode() not in repr(opened)


def test_one_fewer_than_the_quorum_does_not():
    escrow = escrowed()
    ceremony = asked(escrow)
    with pytest.raises(NotEnoughShares) as caught:
        reconstruct(escrow, ceremony, released(escrow, ceremony, "ada", "bob"), OPENER, now_ns=NOW_NS + 2)
    assert (caught.value.needed, caught.value.seen, caught.value.wrong) == (3, 2, ())


def test_custodians_who_lie_are_named_and_cannot_spoil_it():
    escrow = escrowed()
    ceremony = asked(escrow)
    releases = [*released(escrow, ceremony, "ada", "bob", "cho"), lied(escrow, ceremony, "dee")]
    garbage = released(escrow, ceremony, "eve")[0]
    releases.append(signed_by(PEOPLE["eve"], msgspec.structs.replace(garbage, sealed=b"\x00" * 40)))
    opened = reconstruct(escrow, ceremony, releases, OPENER, now_ns=NOW_NS + 2)
    assert (opened.secret, opened.used, opened.lying) == (SECRET, ("ada", "bob", "cho"), ("dee", "eve"))
    with pytest.raises(NotEnoughShares, match="those of dee, eve do not hold"):
        reconstruct(escrow, ceremony, releases[1:], OPENER, now_ns=NOW_NS + 2)


def test_only_the_opener_reads_the_releases():
    escrow = escrowed()
    ceremony = asked(escrow)
    with pytest.raises(NotEnoughShares):
        reconstruct(escrow, ceremony, released(escrow, ceremony, "ada", "bob", "cho"), PEOPLE["ada"], now_ns=NOW_NS + 2)


def test_a_release_is_for_one_ceremony_and_counts_once():
    escrow = escrowed()
    first, second = asked(escrow), asked(escrow, purpose="curiosity")
    releases = released(escrow, first, "ada", "bob", "cho")
    with pytest.raises(ReleaseRefused, match="ada is refused: it is for another ceremony"):
        reconstruct(escrow, second, releases, OPENER, now_ns=NOW_NS + 2)
    relabelled = [msgspec.structs.replace(one, ceremony=second.id, ceremony_digest=second.digest()) for one in releases]
    with pytest.raises(ReleaseRefused, match="signature"):
        reconstruct(escrow, second, relabelled, OPENER, now_ns=NOW_NS + 2)
    with pytest.raises(ReleaseRefused, match="handed in already"):
        reconstruct(escrow, first, [*releases, releases[0]], OPENER, now_ns=NOW_NS + 2)
    # Even a custodian that signs the old sealed share for the new ceremony gives its opener nothing.
    resigned = [signed_by(PEOPLE[name], one) for name, one in zip(("ada", "bob", "cho"), relabelled, strict=True)]
    with pytest.raises(NotEnoughShares) as caught:
        reconstruct(escrow, second, resigned, OPENER, now_ns=NOW_NS + 2)
    assert caught.value.wrong == ("ada", "bob", "cho")


def test_a_ceremony_ends():
    escrow = escrowed()
    ceremony = asked(escrow, lasts_s=60)
    end_ns = NOW_NS + 60 * NS_PER_S
    releases = released(escrow, ceremony, "ada", "bob", "cho", now_ns=end_ns - 1)
    assert reconstruct(escrow, ceremony, releases, OPENER, now_ns=end_ns - 1).secret == SECRET
    with pytest.raises(CeremonyClosed):
        reconstruct(escrow, ceremony, releases, OPENER, now_ns=end_ns)
    with pytest.raises(CeremonyClosed):
        released(escrow, ceremony, "dee", now_ns=end_ns)
    late = signed_by(PEOPLE["ada"], msgspec.structs.replace(releases[0], at_ns=end_ns))
    with pytest.raises(ReleaseRefused, match="after the ceremony's end"):
        late.verify(escrow, ceremony)
    # A custodian whose clock is behind may still release; nobody may date a ceremony ahead to make it last.
    assert released(escrow, ceremony, "dee", now_ns=NOW_NS - 60 * NS_PER_S)[0].verify(escrow, ceremony).name == "dee"
    with pytest.raises(InvalidInput, match="begins in the future"):
        released(escrow, ceremony, "dee", now_ns=NOW_NS - 3_600 * NS_PER_S)
    for lasts_s in (0, -1, 8 * 86_400):
        with pytest.raises(InvalidInput):
            asked(escrow, lasts_s=lasts_s)


def test_custodians_refuse_what_is_in_no_ledger_unless_told_and_then_it_says_so():
    escrow = escrowed()
    signed_off = asked(escrow)
    bare = msgspec.structs.replace(signed_off, registration=b"")
    forged = registered(bare, HybridSigner.generate())
    half = msgspec.structs.replace(bare, registration=signed_off.registration[:64] + bytes(2420))
    of_another = msgspec.structs.replace(bare, registration=asked(escrow).registration)
    for ceremony in (bare, forged, half, of_another):
        with pytest.raises(NotRegistered):
            release_share(escrow, ceremony, PEOPLE["ada"], now_ns=NOW_NS + 1)
    told = release_share(escrow, bare, PEOPLE["ada"], now_ns=NOW_NS + 1, even_unregistered=True)
    assert told.unregistered
    assert not released(escrow, signed_off, "ada")[0].unregistered
    with pytest.raises(ReleaseRefused, match="signature"):
        msgspec.structs.replace(told, unregistered=False).verify(escrow, bare)


@pytest.mark.parametrize(
    "part", ["label", "threshold", "custodians", "registrar", "commitment", "shares", "check", "sealed"]
)
def test_a_changed_escrow_is_refused(part):
    escrow = escrowed()
    other = escrowed(
        label="another", threshold=2, people=tuple(PEOPLE.values())[:4], registrar=HybridSigner.generate().public,
        entropy=SimEntropy(Rng(8)),
    )  # fmt: skip
    changed = msgspec.structs.replace(escrow, **{part: getattr(other, part)})
    with pytest.raises(InvalidSignature):
        changed.verify()
    # Signed again, by whoever it says made it, it is another escrow: ceremonies are for one alone.
    with pytest.raises(InvalidInput, match="another escrow"):
        asked(escrow).verify(signed_by(MAKER, changed))


@pytest.mark.parametrize("change", [{"purpose": "fun"}, {"expires_at_ns": NOW_NS + 5}, {"opener": MAKER.card}])
def test_a_changed_ceremony_is_refused(change):
    escrow = escrowed()
    changed = msgspec.structs.replace(asked(escrow), **change)
    with pytest.raises(InvalidSignature):
        release_share(escrow, changed, PEOPLE["ada"], now_ns=NOW_NS + 1)


def test_a_maker_that_deals_wrong_is_found_by_the_custodian():
    escrow = escrowed()
    share = own_share(escrow, PEOPLE["bob"])
    wrong = seal_for(
        PEOPLE["bob"].card.sealing_key, pack_share(dataclasses.replace(share, value=5)), _held_by(escrow.id, 2)
    )
    shares = (escrow.shares[0], wrong, *escrow.shares[2:])
    cheated = signed_by(MAKER, msgspec.structs.replace(escrow, shares=shares))
    cheated.verify()
    own_share(cheated, PEOPLE["ada"])
    with pytest.raises(InvalidShare, match="not what the dealer committed to"):
        own_share(cheated, PEOPLE["bob"])
    swapped = signed_by(MAKER, msgspec.structs.replace(escrow, shares=(*escrow.shares[1:], escrow.shares[0])))
    with pytest.raises(InvalidShare, match="not sealed for this key"):
        own_share(swapped, PEOPLE["ada"])


def test_a_maker_cannot_seal_under_another_key_than_it_shared():
    escrow, other = escrowed(), escrowed(entropy=SimEntropy(Rng(8)))
    key = 5
    for part in ({"check": other.check}, {"sealed": other.sealed}, {}):
        with pytest.raises(InvalidEscrow):
            unseal(msgspec.structs.replace(escrow, **part), key)
    swapped = signed_by(MAKER, msgspec.structs.replace(escrow, sealed=other.sealed))
    ceremony = asked(swapped)
    with pytest.raises(InvalidEscrow, match="was changed"):
        reconstruct(swapped, ceremony, released(swapped, ceremony, "ada", "bob", "cho"), OPENER, now_ns=NOW_NS + 2)


def test_what_cannot_be_put_into_escrow():
    with pytest.raises(InvalidInput, match="empty"):
        escrowed(secret=b"")
    with pytest.raises(LimitExceeded):
        escrowed(secret=bytes(2**20 + 1))
    with pytest.raises(InvalidInput, match="twice"):
        escrowed(people=(PEOPLE["ada"], PEOPLE["bob"], PEOPLE["ada"]))
    with pytest.raises(InvalidInput):
        escrowed(threshold=6)
    with pytest.raises(InvalidInput, match="holds no share"):
        own_share(escrowed(), MAKER)
    with pytest.raises(InvalidInput, match="say why"):
        asked(escrowed(), purpose="  ")


def test_documents_come_back_and_others_are_refused():
    escrow = escrowed(secret=bytes(range(256)) * 100)
    ceremony = asked(escrow)
    (release,) = released(escrow, ceremony, "ada")
    for document in (escrow, ceremony, release):
        assert read_signed(encode_json(document), type(document)) == document
        other = Escrow if document is release else Release
        with pytest.raises(WireError):
            read_signed(encode_json(document), other)
    holder = PEOPLE["ada"]
    assert Keyholder.from_bytes(holder.to_bytes()).card == holder.card
    assert read_card(msgspec.json.encode(holder.card)) == holder.card
    assert holder.signer.seed.hex() not in repr(holder)
    for noise in (b"", b"{}", b"[1]", encode_json(escrow), b"\xff"):
        with pytest.raises(WireError):
            read_card(noise)
        with pytest.raises(WireError):
            Keyholder.from_bytes(noise)


def with_registrar(main):
    async def in_world(world):
        audit = MemoryAudit()
        registrar = Escrows(world.store("disk"), audit, world.clock, NODE)
        await main(world, registrar, audit)

    SimWorld(1).run(in_world)


def made_at(world, **changed):
    return escrowed(at_ns=world.clock.wall_ns(), **changed)


def asked_at(world, escrow, **changed):
    now_ns = world.clock.wall_ns()
    given = {"ceremony_id": next(IDS), "purpose": "drill", "now_ns": now_ns, "lasts_s": 3_600}
    return begin_ceremony(escrow, OPENER, **(given | changed))


def test_every_step_is_in_the_ledger_before_its_effect():
    async def main(world, registrar, audit):
        escrow = made_at(world)
        audit.refuses = PhalanxError("no room in the ledger")
        with pytest.raises(PhalanxError):
            await registrar.add(escrow)
        assert await registrar.kept(DEFAULT_TENANT) == []
        audit.refuses = None
        await registrar.add(escrow)
        await registrar.add(escrow)
        assert await registrar.kept(DEFAULT_TENANT) == [escrow]
        await world.clock.sleep(1)
        other = made_at(world, escrow_id=escrow.id, label="another under its id")
        with pytest.raises(InvalidInput, match="another one"):
            await registrar.add(other)
        assert len(audit.kept) == 1, "what is refused was not made"

        request = asked_at(world, escrow)
        audit.refuses = PhalanxError("no room in the ledger")
        with pytest.raises(PhalanxError):
            await registrar.begin(request)
        audit.refuses = None
        ceremony = await registrar.begin(request)
        assert await registrar.begin(request) == ceremony
        ceremony.verify_registration(escrow)
        now_ns = world.clock.wall_ns()
        for name in ("bob", "dee", "ada"):
            await registrar.submit(release_share(escrow, ceremony, PEOPLE[name], now_ns=now_ns))
        found = await registrar.collect(DEFAULT_TENANT, ceremony.id)
        assert reconstruct(escrow, ceremony, found, OPENER, now_ns=now_ns).secret == SECRET
        await registrar.close(DEFAULT_TENANT, ceremony.id, opened=True)
        assert [(entry.actor, entry.action) for entry in audit.kept] == [
            ("maker", "escrow-made"),
            ("opener", "escrow-ceremony-begun"),
            ("bob", "escrow-share-released"),
            ("dee", "escrow-share-released"),
            ("ada", "escrow-share-released"),
            ("local operator", "escrow-shares-collected"),
            ("local operator", "escrow-opened"),
        ]
        assert audit.kept[-1].body["opener"] == "opener"
        begun = audit.kept[1]
        assert begun.body["purpose"] == "drill"
        assert begun.subject == escrow.id
        (status,) = await registrar.status(DEFAULT_TENANT, escrow.id)
        assert (status.state, status.released, status.needed) == ("opened", ("ada", "bob", "dee"), 3)

    with_registrar(main)


def test_the_registrar_refuses_replays_and_what_is_over():
    async def main(world, registrar, audit):
        escrow = made_at(world)
        await registrar.add(escrow)
        ceremony = await registrar.begin(asked_at(world, escrow, lasts_s=60))
        now_ns = world.clock.wall_ns()
        releases = [release_share(escrow, ceremony, PEOPLE[name], now_ns=now_ns) for name in ("ada", "bob", "cho")]
        await registrar.submit(releases[0])
        n_entries = len(audit.kept)
        await registrar.submit(releases[0])
        assert len(audit.kept) == n_entries, "the same again is nothing new"
        with pytest.raises(ReleaseRefused, match="another one"):
            await registrar.submit(release_share(escrow, ceremony, PEOPLE["ada"], now_ns=now_ns))
        with pytest.raises(NotEnoughShares):
            await registrar.collect(DEFAULT_TENANT, ceremony.id)
        await registrar.submit(releases[1])
        with pytest.raises(ReleaseRefused, match="signature"):
            await registrar.submit(msgspec.structs.replace(releases[2], custodian=4))
        await registrar.submit(releases[2])
        await registrar.close(DEFAULT_TENANT, ceremony.id, opened=False, lying=["ada"])
        assert ("local operator", "escrow-not-opened") in [(entry.actor, entry.action) for entry in audit.kept]
        await registrar.collect(DEFAULT_TENANT, ceremony.id)
        await registrar.close(DEFAULT_TENANT, ceremony.id, opened=True)
        for call in (
            registrar.collect(DEFAULT_TENANT, ceremony.id),
            registrar.close(DEFAULT_TENANT, ceremony.id, opened=True),
            registrar.submit(release_share(escrow, ceremony, PEOPLE["dee"], now_ns=now_ns)),
        ):
            with pytest.raises(CeremonyClosed, match="has been used"):
                await call
        slow = await registrar.begin(asked_at(world, escrow, lasts_s=60))
        release = release_share(escrow, slow, PEOPLE["ada"], now_ns=world.clock.wall_ns())
        await world.clock.sleep(61)
        with pytest.raises(CeremonyClosed, match="it ended at"):
            await registrar.submit(release)
        assert [one.state for one in await registrar.status(DEFAULT_TENANT, escrow.id)] == ["opened", "expired"]
        with pytest.raises(CeremonyClosed):
            await registrar.begin(slow)

    with_registrar(main)


def test_a_forbidden_algorithm_makes_no_new_escrow_and_leaves_old_ones_openable():
    async def main(world):
        store, audit = world.store("disk"), MemoryAudit()
        old = made_at(world)
        await Escrows(store, audit, world.clock, NODE).add(old)
        strict = CryptoPolicy(frozenset({X25519_ML_KEM_768}))
        registrar = Escrows(store, audit, world.clock, NODE, policy=strict)
        with pytest.raises(AlgorithmForbidden, match="X25519"):
            await registrar.add(made_at(world))
        assert [one.id for one in await registrar.kept(DEFAULT_TENANT)] == [old.id]
        await registrar.add(old)
        ceremony = await registrar.begin(asked_at(world, old))
        await registrar.submit(release_share(old, ceremony, PEOPLE["ada"], now_ns=world.clock.wall_ns()))
        with pytest.raises(AlgorithmForbidden):
            Keyholder.generate("fay", policy=strict)

    SimWorld(1).run(main)


def test_the_registrar_keeps_only_what_names_it_and_what_it_knows():
    async def main(world, registrar, audit):
        with pytest.raises(InvalidInput, match="another node"):
            await registrar.add(made_at(world, registrar=HybridSigner.generate().public))
        escrow = made_at(world)
        with pytest.raises(NotFound):
            await registrar.begin(asked_at(world, escrow))
        await registrar.add(escrow)
        twin = signed_by(MAKER, msgspec.structs.replace(escrow, label="another"))
        with pytest.raises(InvalidInput, match="another one of id"):
            await registrar.add(twin)
        ceremony = await registrar.begin(asked_at(world, escrow))
        with pytest.raises(InvalidInput, match="another one of id"):
            await registrar.begin(asked_at(world, escrow, ceremony_id=ceremony.id, purpose="fun"))
        with pytest.raises(NotFound):
            await registrar.collect(DEFAULT_TENANT, "nothing")
        assert isinstance(ceremony, Ceremony)

    with_registrar(main)
