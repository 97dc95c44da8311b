"""The identities of a node: its own, those of its agents, and whoever shows it a chain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditSink,
    Clock,
    Delete,
    EntropySource,
    InvalidInput,
    Offload,
    Store,
)
from phalanx.crypto import CryptoPolicy, InvalidSignature
from phalanx.crypto.identity._book import Book
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._changes import Changes
from phalanx.crypto.identity._errors import BrokenChain, RevocationRefused, UntrustedRoot
from phalanx.crypto.identity._identity import Identity, KeyCabinet
from phalanx.crypto.identity._issuer import Issuer
from phalanx.crypto.identity._limits import LATEST_NS, MAX_LIFETIME_NS, PAGE_ROWS
from phalanx.crypto.identity._model import Subject, SubjectKind, Use
from phalanx.crypto.identity._own import Names, Own
from phalanx.crypto.identity._path import Standing, Verified, validate
from phalanx.crypto.identity._records import ANCHORS, AnchorRecord, IdentityRecord, put
from phalanx.crypto.identity._register import Listener, Register
from phalanx.crypto.identity._reissue import ReissueJob
from phalanx.crypto.identity._request import KeyRequest
from phalanx.crypto.identity._revocation import Revocation, RevocationList, Why, check_succession
from phalanx.crypto.identity._seats import Seats, Spares
from phalanx.crypto.identity._upkeep import Upkeep
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Told:
    """One identity as it stands now. ``state`` is valid, superseded, expired or revoked, with its reason."""

    record: IdentityRecord
    certificate: Certificate
    state: str
    reason: str


class Identities:
    """Made by ``open``. ``upkeep`` and ``reissue`` are to run for as long as the node does."""

    def __init__(
        self,
        own: Own,
        book: Book,
        changes: Changes,
        register: Register,
        seats: Seats,
        upkeep: Upkeep,
        reissue: ReissueJob,
        alerts: AlertSink,
        *,
        clock: Clock,
        policy: CryptoPolicy,
        telemetry: Telemetry,
    ) -> None:
        self._own = own
        self._book = book
        self._changes = changes
        self._register = register
        self._alerts = alerts
        self._clock = clock
        self._policy = policy
        self._anchors: dict[str, Subject] = {}
        self._head = -1
        self.seats = seats
        self.upkeep = upkeep
        self.reissue = reissue
        self._checked = telemetry.metrics.counter(
            "phalanx_identity_chains_checked_total", "Chains of identities that were checked.", ("outcome",)
        )

    @classmethod
    async def open(
        cls,
        names: Names,
        store: Store,
        keys: KeyCabinet,
        audit: AuditSink,
        alerts: AlertSink,
        *,
        clock: Clock,
        entropy: EntropySource,
        offload: Offload,
        telemetry: Telemetry,
        policy: CryptoPolicy | None = None,
        n_spares: int = 0,
    ) -> "Identities":
        """Read what is known, and make what is missing: at the first start that is the root and the node.

        Raises ``Unavailable`` when the node's key is lost and so is the organisation's.
        """
        policy = policy or CryptoPolicy()
        register, issuer, book = Register(alerts), Issuer(clock, entropy, policy), Book(store, audit, clock)
        changes = Changes(book, register, issuer, keys, clock=clock, offload=offload)
        own = Own(names, book, changes, keys, alerts, clock)
        spares = Spares(issuer, lambda: own.node, names.algorithm, size=n_spares, clock=clock, offload=offload)
        seats = Seats(spares, register, clock=clock, telemetry=telemetry)
        upkeep = Upkeep(own, book, changes, register, issuer, seats, clock=clock, offload=offload, telemetry=telemetry)
        job = ReissueJob(upkeep, book, register, seats, clock=clock, policy=policy, telemetry=telemetry)
        opened = cls(
            own, book, changes, register, seats, upkeep, job, alerts, clock=clock, policy=policy, telemetry=telemetry
        )
        await book.settle()
        await opened.refresh()
        await own.open()
        await opened.refresh()
        return opened

    @property
    def node(self) -> Identity:
        return self._own.node

    @property
    def root(self) -> Identity | None:
        """The organisation's identity; None on a node that has not got its private key."""
        return self._own.root

    @property
    def names(self) -> Names:
        return self._own.names

    @property
    def anchors(self) -> Mapping[str, Subject]:
        """Fingerprints of the root keys that are trusted here, and whose they are."""
        return self._anchors

    @property
    def standing(self) -> Standing:
        """What was revoked and which epochs have passed, for whoever judges chains within one step."""
        return self._register

    async def verify(self, chain: Chain, *, use: Use, at_ns: int | None = None) -> Verified:
        """Whose chain it is, if it holds; raises the ``BrokenChain`` that names the broken link.

        Looks whether anything was revoked since, also by another process. ``at_ns`` is the time of
        a signature in the past; without it, now. Answers about now are remembered.
        """
        await self.refresh()
        now_ns = self._clock.wall_ns()
        key = (chain.digest, use.value)
        remembered = self._register.remembered(key, now_ns) if at_ns is None else None
        if remembered is not None:
            self._checked.labels("remembered").inc()
            return remembered
        try:
            verified = validate(
                chain,
                at_ns=now_ns if at_ns is None else at_ns,
                use=use,
                anchors=self._anchors,
                standing=self._register,
                policy=self._policy,
            )
        except BrokenChain as error:
            self._checked.labels(error.code).inc()
            raise
        self._checked.labels("held").inc()
        if at_ns is None:
            self._register.remember(key, verified)
        return verified

    def require(self, verified: Verified) -> None:
        """Whether what ``verify`` said still stands: look-ups in memory, for hot paths. Raises ``BrokenChain``."""
        if verified.anchor and verified.anchor not in self._anchors:
            root = str(verified.links[-1].subject)
            raise UntrustedRoot(len(verified.links) - 1, root, "it is no longer trusted here")
        self._register.require(verified, self._clock.wall_ns())

    def on_revoked(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every revocation, in the step in which it takes effect. Returns what ends it."""
        return self._register.listen(listener)

    async def refresh(self) -> None:
        """Read what another process has changed, if anything."""
        head = await self._book.head()
        if head == self._head:
            return
        lists, standings, anchors = await self._book.lists(), await self._book.standings(), await self._book.anchors()
        self._head = head
        for standing in standings:
            self._register.set_epochs(Subject.parse(standing.id), standing.epochs)
        for _, found in lists:
            known = self._register.known_list(found.issuer)
            if known is None or found.number > known.number:
                self._register.apply(found)
        own_roots = {one.key_fingerprint: one.subject for one in await self._own.roots()}
        present = own_roots | {one.id: Subject.parse(one.subject) for one in anchors}
        if not self._anchors.items() <= present.items():
            self._register.forget()
        self._anchors = present

    async def issue(
        self,
        request: KeyRequest,
        *,
        actor: str,
        lifetime_ns: int = 0,
        uses: Sequence[Use] = (),
    ) -> Chain:
        """A certificate for the key of a node, a person or an agent elsewhere, whose private part never comes here."""
        subject = request.subject
        request.require_proof(subject)
        if not 0 <= lifetime_ns <= MAX_LIFETIME_NS:
            raise InvalidInput("lifetime_ns", f"has to be at most {MAX_LIFETIME_NS}")
        if subject.kind is SubjectKind.ORGANISATION:
            raise InvalidInput("subject", "an organisation issues its own identity, on a node of its own")
        async with self._changes.turn:
            return await self._changes.issue(
                self._own.above(subject), subject, request.key, actor=actor, lifetime_ns=lifetime_ns, uses=tuple(uses)
            )

    async def rotate(
        self, subject: Subject, *, actor: str, request: KeyRequest | None = None, algorithm: str = ""
    ) -> Chain:
        """The next epoch of a subject: of what the node owns under a fresh key, of anybody else as ``request`` asks.

        What was issued beneath stays valid for the time of grace; ``reissue`` re-signs it.
        """
        async with self._changes.turn:
            own = self._own.of(subject)
            if own is not None:
                return (await self._own.rotate(own, algorithm or self.names.algorithm, actor=actor)).chain
            if request is None:
                raise InvalidInput(
                    "request",
                    f"the node has no private key of {subject}: give a request for its new one",
                    hint="`phalanx keys identity rotate` makes the key with --out, or takes a request with --request",
                )
            request.require_proof(subject)
            before = await self.chain(str(subject))
            return await self._changes.rotate(self._own.above(subject), before, request.key, actor=actor)

    async def revoke(self, name: str, why: Why, *, actor: str, note: str = "") -> Revocation:
        """Revoke what ``name`` is: a certificate, all of a key, or all of a subject; in force on return.

        Certificates of one key stand together when the key is compromised, whatever they were named by.
        What a subject still shows of an earlier key counts from now on for nothing either.
        """
        async with self._changes.turn:
            record = await self._found(name)
            subject = Subject.parse(record.subject)
            if subject.kind is SubjectKind.ORGANISATION:
                raise InvalidInput("subject", "a root cannot revoke itself", hint="rotate it, or stop trusting it")
            besides = await self._besides(name, record, why)
            entry = await self._changes.revoke(
                self._own.above(subject), record, why, actor=actor, note=note, besides=besides
            )
        self._alerts.alert(
            AlertLevel.WARNING, "crypto", "an identity was revoked", subject=entry.subject, reason=entry.reason
        )
        return entry

    async def accept(self, offered: RevocationList, signer: Chain, *, actor: str) -> bool:
        """Take over another issuer's list; False when it is known already. Raises ``RevocationRefused``."""
        async with self._changes.turn:
            await self.refresh()
            issuer = str(offered.issuer)
            verified = await self.verify(signer, use=Use.ISSUE)
            if verified.subject != offered.issuer:
                raise RevocationRefused(issuer, offered.number, f"the chain beside it is of {verified.subject}")
            try:
                offered.require_signature_of(verified.key)
            except InvalidSignature as error:
                raise RevocationRefused(issuer, offered.number, error.message) from error
            if not check_succession(self._register.known_list(offered.issuer), offered):
                return False
            await self._changes.take_over(offered, signer, actor=actor)
            return True

    async def trust(self, root: Certificate, *, actor: str) -> None:
        """Trust another organisation's root: whoever calls this has compared its fingerprint.

        Refuses one that goes by the name of the node's own organisation: its people would pass for ours.
        """
        if not root.is_root:
            raise InvalidInput("root", f"{root.subject} is no organisation")
        own = {one.key_fingerprint for one in await self._own.roots()}
        if root.subject == self.names.root_subject and root.key_fingerprint not in own:
            raise InvalidInput(
                "root", f"{root.subject} is the name of this node's own organisation",
                hint="one of the two needs another name: identity.organisation",
            )  # fmt: skip
        root.require_signature_of(root.key)
        record = AnchorRecord(
            id=root.key_fingerprint, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=self._clock.wall_ns(),
            subject=str(root.subject), certificate=root.to_bytes(),
        )  # fmt: skip
        async with self._changes.turn:
            await self._book.commit(
                [put(ANCHORS, record)],
                owed=[self._book.owe(actor, "identity.root-trusted", root.subject, key=root.key_fingerprint)],
                then=lambda: self._anchors.update({root.key_fingerprint: root.subject}),
            )

    async def distrust(self, fingerprint: str, *, actor: str) -> bool:
        """Trust that root no longer, at once; False when it is not trusted. The own organisation's stay.

        Channels find out when they are rechecked.
        """
        async with self._changes.turn:
            await self.refresh()
            subject = self._anchors.get(fingerprint)
            if subject is None:
                return False
            if subject == self.names.root_subject:
                raise InvalidInput("root", "it is this node's own organisation's", hint="rotate it instead")

            def then() -> None:
                self._anchors.pop(fingerprint, None)
                self._register.forget()

            owed = self._book.owe(actor, "identity.root-distrusted", subject, key=fingerprint)
            await self._book.commit([Delete(ANCHORS, DEFAULT_TENANT, fingerprint)], owed=[owed], then=then)
            return True

    async def chain(self, name: str) -> Chain:
        """The chain of the certificate of that serial or key, or of that subject's present one."""
        return await self._own.chain((await self._found(name)).id)

    async def list_of(self, issuer: Subject) -> tuple[RevocationList, Chain] | None:
        """The newest list of an issuer and the chain of whoever signed it, to be carried to another node."""
        for record, found in await self._book.lists():
            if found.issuer == issuer:
                return found, Chain.from_bytes(record.chain)
        return None

    async def get(self, name: str) -> Told:
        """By serial, by fingerprint of the key, or by subject (``node:acme/hq``): its present one."""
        return self._told(await self._found(name))

    async def page(self, *, kind: SubjectKind | None = None, after: str = "", limit: int = PAGE_ROWS) -> list[Told]:
        """Identities in order of their serials, past the serial ``after``."""
        return [self._told(one) for one in await self._book.page(kind=kind, after=after, limit=limit)]

    async def _found(self, name: str) -> IdentityRecord:
        # An agent that was seated a moment ago may not be written down yet.
        await self.upkeep.record()
        return await self._book.find(name)

    async def _besides(self, name: str, record: IdentityRecord, why: Why) -> list[tuple[IdentityRecord, Why]]:
        """The other certificates of the subject that fall with ``record``, and why each does."""
        found: list[tuple[IdentityRecord, Why]] = []
        now_ns = self._clock.wall_ns()
        for other in await self._book.of_subject(record.subject):
            if other.id == record.id:
                continue
            if other.key == record.key and why is Why.KEY_COMPROMISED:
                found.append((other, why))
            elif other.not_after_ns > now_ns and (name == record.subject or name == other.key):
                found.append((other, why if other.key == record.key else Why.CEASED))
        return found

    def _told(self, record: IdentityRecord) -> Told:
        certificate, now_ns = Certificate.from_bytes(record.certificate), self._clock.wall_ns()
        subject = certificate.subject
        known = self._register.revocation(subject, record.id)
        if known is not None and known.since_ns <= now_ns and known.why is not Why.SUPERSEDED:
            return Told(record, certificate, "revoked", known.reason)
        if record.not_after_ns <= now_ns:
            return Told(record, certificate, "expired", "")
        if known is not None or record.epoch < self._register.epoch(subject, LATEST_NS):
            return Told(record, certificate, "superseded", "")
        return Told(record, certificate, "valid", "")
