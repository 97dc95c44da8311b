"""What people ask and say of thresholds, and the ledger's part in it. See ``_adapting``."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    InvalidInput,
    NotFound,
    Put,
    Store,
    TenantId,
    decode,
    derive_id,
    encode,
)
from phalanx.intel._adapting import (
    PENDING,
    THRESHOLD_MOVES,
    THRESHOLD_PINS,
    THRESHOLDS,
    Steering,
    Tally,
    ThresholdMove,
    ThresholdPin,
    ThresholdStanding,
)
from phalanx.intel._judging import OPINIONS, Opinion, Verdict, reason_of
from phalanx.intel._limits import (
    ADVICE_FINDINGS,
    ADVICE_WRONG,
    MAX_OPINION_PAGES,
    MAX_STANDINGS,
    THRESHOLDS_EVERY_S,
)
from phalanx.intel._queries import Findings

_ACTOR: Final = "sentinel"
_FIELDS: Final = {Verdict.RIGHT: "right", Verdict.WRONG: "wrong", Verdict.DUPLICATE: "duplicate"}


class PinWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a threshold is to be held, and why; without a value it follows again."""

    value: float | None = None
    reason: str


class SuppressionAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of a rule on one host that were all wrong: a suppression may be due. Nobody makes it but a person."""

    host: str
    wrong: int


class RuleFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """What people said of one rule's findings: the latest word on each.

    ``false_share`` is the part that was wrong, with an interval of 95 %; ``raised`` how far that raises its threshold,
    for a rule that has one. ``title`` is what the rule is called; its name may be a UUID.
    """

    rule: str
    title: str
    right: int
    wrong: int
    duplicate: int
    false_share: float
    false_share_low: float
    false_share_high: float
    raised: float
    advice: tuple[SuppressionAdvice, ...] = ()


class Thresholds:
    """Made by ``open``. ``steering`` is what the sentinel holds thresholds to."""

    def __init__(self, store: Store, clock: Clock, audit: AuditSink) -> None:
        self.steering = Steering()
        self._store = store
        self._clock = clock
        self._audit = audit

    async def open(self) -> None:
        """Want what was wanted before."""
        for tenant in await self._store.tenants(THRESHOLD_PINS):
            for row in await self._store.scan(THRESHOLD_PINS, tenant, limit=MAX_STANDINGS):
                self._hold(decode(row.value, ThresholdPin))
        await self._listen()

    async def run(self) -> None:
        """Tell the ledger of moves, and listen to what people say, for as long as the node runs."""
        while True:
            await self.look()
            await self._clock.sleep(THRESHOLDS_EVERY_S)

    async def look(self) -> None:
        """Once."""
        for tenant in await self._store.tenants(THRESHOLD_MOVES):
            for row in await self._store.find(THRESHOLD_MOVES, tenant, PENDING, "ledger"):
                move = decode(row.value, ThresholdMove)
                await self._audit.record(self._entry(move))
                # Asked for twice, an entry is recorded once: a crash between the two does no harm.
                await self._store.commit([msgspec.structs.replace(move, recorded=True).put()])
        await self._listen()

    async def standing(self, tenant: TenantId) -> list[ThresholdStanding]:
        """Every threshold of the tenant, by name."""
        return [
            decode(row.value, ThresholdStanding)
            for row in await self._store.scan(THRESHOLDS, tenant, limit=MAX_STANDINGS)
        ]

    async def pins(self, tenant: TenantId) -> dict[str, ThresholdPin]:
        """What is held where, and why, by the names of thresholds."""
        rows = await self._store.scan(THRESHOLD_PINS, tenant, limit=MAX_STANDINGS)
        return {pin.id: pin for row in rows if (pin := decode(row.value, ThresholdPin)).value is not None}

    async def history(self, tenant: TenantId, *, after: str = "", limit: int = MAX_PAGE_ROWS) -> list[ThresholdMove]:
        """How thresholds moved, the newest first."""
        rows = await self._store.scan(THRESHOLD_MOVES, tenant, after=after, limit=limit, reverse=True)
        return [decode(row.value, ThresholdMove) for row in rows]

    async def pin(self, tenant: TenantId, name: str, wanted: PinWanted, *, by: str) -> ThresholdPin:
        """Hold a threshold from the next events on, or let it follow again.

        Raises ``NotFound``, and ``InvalidInput`` below its floor, above its ceiling, or without a reason.
        """
        reason = reason_of(wanted.reason)
        row = await self._store.get(THRESHOLDS, tenant, name)
        if row is None:
            raise NotFound("threshold", name, hint="phalanx intel thresholds list")
        stands = decode(row.value, ThresholdStanding)
        if wanted.value is not None and not stands.floor <= wanted.value <= stands.ceiling:
            raise InvalidInput("value", f"must be from its floor {stands.floor} to its ceiling {stands.ceiling}")
        now_ns = self._clock.wall_ns()
        pin = ThresholdPin(
            id=name, tenant=tenant, trace=NO_TRACE, at_ns=now_ns, value=wanted.value, reason=reason, by=by
        )  # fmt: skip
        await self._store.commit([Put(THRESHOLD_PINS, tenant, name, encode(pin))])
        self._hold(pin)
        action = "threshold.pinned" if wanted.value is not None else "threshold.let-go"
        await self._audit.record(
            AuditEntry(
                id=derive_id(now_ns, "audit", action, tenant, name, by), tenant=tenant, trace=NO_TRACE, at_ns=now_ns,
                actor=by, action=action, subject=name, case="",
                body={"old": stands.value, "new": wanted.value, "reason": reason, "floor": stands.floor},
            )
        )  # fmt: skip
        return pin

    async def feedback(self, tenant: TenantId) -> list[RuleFeedback]:
        """What people said, by rule, those first of which most was wrong."""
        opinions = await self._latest(tenant)
        standing = {one.id: one for one in await self.standing(tenant)}
        told = []
        for rule, tally in tallied(opinions).items():
            share = tally.false_share
            told.append(RuleFeedback(
                rule=rule, title=await self._title(tenant, opinions, rule),
                right=tally.right, wrong=tally.wrong, duplicate=tally.duplicate,
                false_share=share.value, false_share_low=share.low, false_share_high=share.high,
                raised=standing[rule].raised if rule in standing else 0.0,
                advice=await self._advice(tenant, [one for one in opinions.values() if one.rule == rule]),
            ))  # fmt: skip
        return sorted(told, key=lambda one: (-one.wrong, one.rule))

    async def labels(self, tenant: TenantId) -> dict[str, bool]:
        """Findings that somebody called right or wrong, and which."""
        said = {finding: one.verdict for finding, one in (await self._latest(tenant)).items()}
        return {finding: one is Verdict.RIGHT for finding, one in said.items() if one is not Verdict.DUPLICATE}

    def _hold(self, pin: ThresholdPin) -> None:
        if pin.value is None:
            self.steering.pins.pop((pin.tenant, pin.id), None)
        else:
            self.steering.pins[pin.tenant, pin.id] = pin.value

    async def _listen(self) -> None:
        tallies: dict[tuple[TenantId, str], Tally] = {}
        for tenant in await self._store.tenants(OPINIONS):
            for rule, tally in tallied(await self._latest(tenant)).items():
                tallies[tenant, rule] = tally
        self.steering.tallies = tallies

    async def _latest(self, tenant: TenantId) -> dict[str, Opinion]:
        """The latest word on each finding, of the newest opinions."""
        latest: dict[str, Opinion] = {}
        after = ""
        for _ in range(MAX_OPINION_PAGES):
            rows = await self._store.scan(OPINIONS, tenant, after=after, reverse=True)
            for row in rows:
                one = decode(row.value, Opinion)
                if one.finding not in latest or latest[one.finding].at_ns < one.at_ns:
                    latest[one.finding] = one
            if len(rows) < MAX_PAGE_ROWS:
                break
            after = rows[-1].key
        return latest

    async def _title(self, tenant: TenantId, opinions: Mapping[str, Opinion], rule: str) -> str:
        """What the rule is called, by the newest of its findings that there still is; a rule's name may be a UUID."""
        findings = Findings(self._store)
        named = sorted((finding for finding, one in opinions.items() if one.rule == rule), reverse=True)
        for finding in named[:ADVICE_FINDINGS]:
            with suppress(NotFound):
                return (await findings.get(tenant, finding)).title
        return rule

    async def _advice(self, tenant: TenantId, opinions: list[Opinion]) -> tuple[SuppressionAdvice, ...]:
        if sum(one.verdict is Verdict.WRONG for one in opinions) < ADVICE_WRONG:
            return ()
        findings, hosts = Findings(self._store), dict[str, list[Verdict]]()
        for one in opinions[:ADVICE_FINDINGS]:
            try:
                about = await findings.get(tenant, one.finding)
            except NotFound:
                continue
            hosts.setdefault(about.case.rpartition("@")[0], []).append(one.verdict)
        return tuple(
            SuppressionAdvice(host=host, wrong=len(said)) for host, said in sorted(hosts.items())
            if len(said) >= ADVICE_WRONG and all(one is Verdict.WRONG for one in said)
        )  # fmt: skip

    def _entry(self, move: ThresholdMove) -> AuditEntry:
        first, last = move.steps[0], move.steps[-1]
        body: dict[str, Any] = {
            "detector": move.detector, "old": first.before, "new": last.after, "reason": last.set_by,
            "floor": move.floor, "ceiling": move.ceiling, "steps": [msgspec.to_builtins(step) for step in move.steps],
        }  # fmt: skip
        said = self.steering.tallies.get((move.tenant, move.threshold))
        if said is not None:
            body["opinions"] = msgspec.to_builtins(said)
        return AuditEntry(
            id=derive_id(move.at_ns, "audit", "threshold.moved", move.id), tenant=move.tenant, trace=NO_TRACE,
            at_ns=move.at_ns, actor=_ACTOR, action="threshold.moved", subject=move.threshold, case="", body=body,
        )  # fmt: skip


def tallied(latest: Mapping[str, Opinion]) -> dict[str, Tally]:
    """Opinions by rule."""
    found: dict[str, Tally] = {}
    for one in latest.values():
        tally, field = found.get(one.rule, Tally()), _FIELDS[one.verdict]
        found[one.rule] = msgspec.structs.replace(tally, **{field: getattr(tally, field) + 1})
    return found
