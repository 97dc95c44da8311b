"""What changes identities: issuing, rotating, revoking, re-signing. One change at a time, each one commit.

Invariants:

- a private key is saved before the commit that makes its certificate the present one, and the one
  before it is erased after; a crash between leaves a key that nothing names, never a name without a key;
- the certificate, the standing, the list of revocations and the debt to the ledger are one commit;
- memory follows the commit in the same step, and never leads it.
"""

import asyncio
from collections.abc import Callable, Sequence

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Clock, Conflict, Expect, InvalidInput, Offload, Write
from phalanx.crypto import EncapsulationKey, SigningKey, VerifyingKey
from phalanx.crypto.identity._book import Book
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._identity import Identity, KeyCabinet
from phalanx.crypto.identity._issuer import Issuer
from phalanx.crypto.identity._limits import MAX_EPOCHS, MAX_SUCCESSION, ROTATION_GRACE_NS
from phalanx.crypto.identity._model import Subject, Use
from phalanx.crypto.identity._records import (
    LISTS,
    STANDINGS,
    IdentityRecord,
    ListRecord,
    StandingRecord,
    identity_put,
    put,
    record_of,
)
from phalanx.crypto.identity._register import Register
from phalanx.crypto.identity._revocation import Revocation, RevocationList, Why, forgettable, sign_list


def _nothing() -> None:
    """What else takes effect with most changes."""


class Changes:
    """Commits changes and puts them into ``register``."""

    def __init__(
        self,
        book: Book,
        register: Register,
        issuer: Issuer,
        keys: KeyCabinet,
        *,
        clock: Clock,
        offload: Offload,
    ) -> None:
        self._book = book
        self._register = register
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._offload = offload
        self.turn = asyncio.Lock()

    async def first(self, subject: Subject, algorithm: str, above: Identity | None, *, epoch: int = 1) -> Identity:
        """The first identity of what the node owns (or the next, when the key of the one before is lost)."""
        key = await self.fresh(algorithm)
        request = self._issuer.request(subject, key.public, epoch=epoch)
        certificate = self._issuer.sign(request, above.key if above else key)
        chain = above.chain.below(certificate) if above else Chain((certificate,))
        await self._install(chain, actor="node", action="identity.key-lost" if epoch > 1 else "identity.made")
        return Identity(key, chain)

    async def issue(
        self,
        above: Identity,
        subject: Subject,
        key: VerifyingKey,
        *,
        actor: str,
        lifetime_ns: int = 0,
        uses: tuple[Use, ...] = (),
        kem_key: EncapsulationKey | None = None,
    ) -> Chain:
        """A certificate for somebody else's key. Raises ``InvalidInput`` for a subject that has a standing one."""
        standing, _ = await self._book.standing(subject)
        epoch = 1
        if standing is not None:
            before = await self._book.get(standing.serial)
            now_ns = self._clock.wall_ns()
            if before.not_after_ns > now_ns and not self._register.revoked(subject, before.id, now_ns):
                raise InvalidInput(
                    "subject", f"{subject} has an identity, serial {before.id}", hint="rotate it, or revoke it first"
                )
            epoch = standing.epoch + 1
        request = self._issuer.request(subject, key, epoch=epoch, lifetime_ns=lifetime_ns, uses=uses, kem_key=kem_key)
        chain = above.chain.below(self._issuer.sign(request, above.key))
        await self._install(chain, actor=actor, action="identity.issued")
        return chain

    async def rotate(
        self,
        above: Identity | None,
        before: Chain,
        key: SigningKey | VerifyingKey,
        *,
        actor: str,
        earlier: SigningKey | None = None,
    ) -> Chain:
        """The next epoch of a subject under another key; ``earlier`` is its present key, where the node has it.

        ``above`` is None for a root, which ``key`` then signs itself.
        """
        old = before.leaf
        public = key.public if isinstance(key, SigningKey) else key
        request = self._issuer.request(
            old.subject, public, epoch=old.epoch + 1, uses=tuple(old.uses), kem_key=old.kem_key
        )
        signer = above.key if above else key
        assert isinstance(signer, SigningKey)
        certificate = self._issuer.sign(request, signer, earlier=earlier)
        if above is None:
            chain = Chain((certificate,), (old, *before.succession)[:MAX_SUCCESSION])
        else:
            chain = above.chain.below(certificate)
        await self._install(chain, actor=actor, action="identity.rotated", before=old, above=above)
        return chain

    async def resign(self, above: Identity, olds: Sequence[Certificate], *, actor: str) -> list[Chain]:
        """The same identities under the issuer's present key: one commit for all of them."""
        now_ns = self._clock.wall_ns()
        chains = [above.chain.below(self._issuer.sign(self._issuer.again(old), above.key)) for old in olds]
        writes: list[Write] = []
        expect: list[Expect] = []
        for chain in chains:
            standing, version = await self._book.standing(chain.leaf.subject)
            assert standing is not None, chain.leaf.subject
            writes += [
                identity_put(record_of(chain.leaf, above.chain.leaf.serial, now_ns)),
                put(STANDINGS, _standing(chain.leaf, now_ns, standing.epochs)),
            ]
            expect.append(Expect(STANDINGS, DEFAULT_TENANT, str(chain.leaf.subject), version))
        superseded = [_superseded(old, now_ns + ROTATION_GRACE_NS) for old in olds]
        await self._commit_list(
            above, superseded, writes=writes, expect=expect, actor=actor, action="identity.reissued",
            subject=above.subject, body={"identities": str(len(chains)), "key": above.fingerprint},
        )  # fmt: skip
        return chains

    async def revoke(
        self,
        above: Identity,
        record: IdentityRecord,
        why: Why,
        *,
        actor: str,
        note: str,
        besides: Sequence[tuple[IdentityRecord, Why]] = (),
    ) -> Revocation:
        """Revoke at once. A key that was compromised never counted; anything else counts until now.

        ``besides`` are other certificates of the same subject, each with its own reason.
        """
        now_ns = self._clock.wall_ns()
        try:
            entries = [_revocation(one, reason, now_ns, note) for one, reason in [(record, why), *besides]]
        except ValueError as error:
            raise InvalidInput("note", str(error)) from error
        stand = [self._register.revocation(Subject.parse(one.subject), one.serial) for one in entries]
        news = [
            one for one, known in zip(entries, stand, strict=True) if known is None or known.since_ns > one.since_ns
        ]
        if news:
            body = {"serial": record.id, "why": why.value, "note": note}
            if others := [one.serial for one in news if one.serial != record.id]:
                body["besides"] = " ".join(others)
            await self._commit_list(
                above, news, writes=(), expect=(), actor=actor, action="identity.revoked",
                subject=record.subject, body=body,
            )  # fmt: skip
        first = stand[0]
        return entries[0] if entries[0] in news or first is None else first

    async def end_agents(self, above: Identity, ended: Sequence[Revocation], writes: Sequence[Write]) -> None:
        """Revoke agents that are gone, all in one list; ``writes`` forget them."""
        await self._commit_list(
            above, ended, writes=writes, expect=(), actor="node", action="identity.agents-ended",
            subject=above.subject, body={"agents": str(len(ended))},
        )  # fmt: skip

    async def take_over(self, offered: RevocationList, chain: Chain, *, actor: str) -> None:
        """Put a list of somebody else's into force. The caller has verified it, and that it is news."""
        version = await self._book.list_version(offered.issuer)
        owed = self._book.owe(
            actor, "identity.list-accepted", offered.issuer, number=str(offered.number), digest=offered.digest
        )
        await self._book.commit(
            [put(LISTS, self._list_record(offered, chain))],
            expect=[Expect(LISTS, DEFAULT_TENANT, str(offered.issuer), version)],
            owed=[owed],
            then=lambda: self._register.apply(offered),
        )

    async def fresh(self, algorithm: str) -> SigningKey:
        """A new private key, already in the cabinet under its fingerprint."""
        self._issuer.policy.require(algorithm)
        key = await self._offload.run(SigningKey.generate, algorithm)
        await self._keys.save(key.public.fingerprint, key.to_bytes())
        return key

    async def _install(
        self,
        chain: Chain,
        *,
        actor: str,
        action: str,
        before: Certificate | None = None,
        above: Identity | None = None,
    ) -> None:
        """Make ``chain`` the present one of its subject."""
        leaf, now_ns = chain.leaf, self._clock.wall_ns()
        standing, version = await self._book.standing(leaf.subject)
        if standing is not None and standing.epoch >= leaf.epoch:
            raise Conflict(STANDINGS.name, str(leaf.subject), expected=leaf.epoch - 1, found=standing.epoch)
        epochs = standing.epochs if standing else ()
        if leaf.epoch > 1:
            # Without a present key to hand over from there is nothing to wait for.
            epochs = (*epochs, (now_ns + (ROTATION_GRACE_NS if before else 0), leaf.epoch))[-MAX_EPOCHS:]
        issuer = chain.certificates[min(1, len(chain.certificates) - 1)]
        writes = [
            identity_put(record_of(leaf, issuer.serial, now_ns)),
            put(STANDINGS, _standing(leaf, now_ns, epochs)),
        ]
        expect = [Expect(STANDINGS, DEFAULT_TENANT, str(leaf.subject), version)]
        body = {"key": leaf.key_fingerprint, "serial": leaf.serial, "epoch": str(leaf.epoch),
                "algorithm": leaf.key.algorithm}  # fmt: skip

        def then() -> None:
            self._register.set_epochs(leaf.subject, epochs)

        if before is None or above is None:
            owed = self._book.owe(actor, action, leaf.subject, **body)
            await self._book.commit(writes, expect=expect, owed=[owed], then=then)
            return
        await self._commit_list(
            above, [_superseded(before, now_ns + ROTATION_GRACE_NS)], writes=writes, expect=expect,
            actor=actor, action=action, subject=leaf.subject, body=body, also=then,
        )  # fmt: skip

    async def _commit_list(
        self,
        above: Identity,
        news: Sequence[Revocation],
        *,
        writes: Sequence[Write],
        expect: Sequence[Expect],
        actor: str,
        action: str,
        subject: Subject | str,
        body: dict[str, str],
        also: Callable[[], None] = _nothing,
    ) -> None:
        """The next list of ``above`` with ``news`` in it, committed together with ``writes``."""
        now_ns = self._clock.wall_ns()
        version = await self._book.list_version(above.subject)
        known = self._register.known_list(above.subject)
        kept = {entry.serial: entry for entry in (known.entries if known else ()) if not forgettable(entry, now_ns)}
        for entry in news:
            there = kept.get(entry.serial)
            if there is None or entry.since_ns < there.since_ns:
                kept[entry.serial] = entry
        number = known.number + 1 if known else 1

        def then() -> None:
            also()
            self._register.apply(offered)

        offered = sign_list(above.subject, above.key, number=number, at_ns=now_ns, entries=tuple(kept.values()))
        await self._book.commit(
            [*writes, put(LISTS, self._list_record(offered, above.chain))],
            expect=[*expect, Expect(LISTS, DEFAULT_TENANT, str(above.subject), version)],
            owed=[self._book.owe(actor, action, subject, **body, list=str(number))],
            then=then,
        )

    def _list_record(self, offered: RevocationList, chain: Chain) -> ListRecord:
        return ListRecord(
            id=str(offered.issuer),
            tenant=DEFAULT_TENANT,
            trace=NO_TRACE,
            at_ns=self._clock.wall_ns(),
            number=offered.number,
            revocations=offered.to_bytes(),
            chain=chain.to_bytes(),
        )


def _standing(leaf: Certificate, at_ns: int, epochs: tuple[tuple[int, int], ...]) -> StandingRecord:
    return StandingRecord(
        id=str(leaf.subject),
        tenant=DEFAULT_TENANT,
        trace=NO_TRACE,
        at_ns=at_ns,
        serial=leaf.serial,
        epoch=leaf.epoch,
        epochs=epochs,
    )


def _revocation(record: IdentityRecord, why: Why, now_ns: int, note: str) -> Revocation:
    return Revocation(
        serial=record.id,
        subject=record.subject,
        why=why,
        since_ns=0 if why is Why.KEY_COMPROMISED else now_ns,
        not_after_ns=record.not_after_ns,
        note=note,
    )


def _superseded(old: Certificate, since_ns: int) -> Revocation:
    return Revocation(
        serial=old.serial,
        subject=str(old.subject),
        why=Why.SUPERSEDED,
        since_ns=since_ns,
        not_after_ns=old.not_after_ns,
    )
