"""Indicators that people put and take away, each time with an entry in the ledger.

What feeds bring by themselves is recorded where it comes in; here somebody decided. Values are named in the ledger as
far as they are few; of a file its digest is, so that who has the file can show that it was this one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from phalanx.core import NO_TRACE, AuditEntry, AuditSink, Clock, InvalidInput, Offload, TenantId, derive_id, ns_from_s
from phalanx.intel.indicators._formats import FileRead, guess_format, read_csv, read_text
from phalanx.intel.indicators._indicators import Indicators
from phalanx.intel.indicators._limits import MAX_RECORDED_VALUES, MAX_VALUE_CHARS
from phalanx.intel.indicators._model import EVERYBODY, Indicator, Kind, Refused
from phalanx.intel.indicators._values import guess_kind, indicator_key
from phalanx.messaging import Marking

_DAY_S = 86_400
_MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is said of all values of a text, as far as it does not say otherwise.

    ``form`` is text, csv, or auto; ``kind`` None: each is looked at; ``days`` 0: for good; ``replaces`` what the source
    said before.
    """

    source: str
    kind: Kind | None = None
    form: str = "auto"
    name: str = ""
    confidence: float = 0.5
    days: float = 0
    marking: Marking = Marking.AMBER
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a text of values: how many are looked for, how many notes were forgotten, and what is wrong."""

    taken: int
    replaced: int
    refused: tuple[Refused, ...]
    flagged: tuple[Refused, ...]


class ByHand:
    """Puts and withdraws for people. ``tenant`` is whose people they are, also where it is for everybody."""

    def __init__(self, indicators: Indicators, audit: AuditSink, clock: Clock, offload: Offload) -> None:
        self._indicators = indicators
        self._audit = audit
        self._clock = clock
        self._offload = offload

    async def put(self, tenant: TenantId, text: bytes, wanted: Wanted, *, everybody: bool, by: str) -> Taken:
        """Look for the values of ``text``. Raises ``InvalidInput`` and what ``Indicators.put_many`` raises."""
        if not wanted.source.strip():
            raise InvalidInput("source", "is needed: whom the values are from")
        scope = EVERYBODY if everybody else tenant
        until = self._clock.wall_ns() + ns_from_s(wanted.days * _DAY_S) if wanted.days else 0
        meant = Indicator(
            kind=Kind.DOMAIN, value="", source=wanted.source, name=wanted.name, confidence=wanted.confidence,
            until_ns=until, marking=wanted.marking,
        )  # fmt: skip
        read = await self._offload.run(_read, text, meant, wanted.kind, wanted.form)
        replacing = wanted.source if wanted.replaces else ""
        put = await self._indicators.put_many(scope, read.indicators, replacing=replacing)
        taken = Taken(put.taken, put.replaced, (*read.refused, *put.refused), put.flagged)
        refused = {one.value for one in put.refused}
        values = [one.value for one in read.indicators if one.value not in refused]
        few = values if len(values) <= MAX_RECORDED_VALUES else []
        await self._record(tenant, "indicators.put", wanted.source, by, {
            "taken": put.taken, "refused": len(taken.refused), "replaced": put.replaced, "values": few,
            "sha256": hashlib.sha256(text).hexdigest(), "about": wanted.name, "marking": wanted.marking.label,
            "until_ns": until, "everybody": everybody,
        })  # fmt: skip
        return taken

    async def withdraw(
        self, tenant: TenantId, value: str, kind: Kind | None, *, everybody: bool, reason: str, by: str
    ) -> tuple[Kind, str]:
        """Do not look for a value any more, whoever it is from; its kind and form. Raises ``InvalidInput``."""
        reason = _reason(reason)
        asked = indicator_key(guess_kind(value) if kind is None else kind, value)
        await self._indicators.remove(EVERYBODY if everybody else tenant, [(asked.kind, asked.value)])
        body = {"kind": asked.kind.value, "why": reason, "everybody": everybody}
        await self._record(tenant, "indicators.withdrawn", asked.value, by, body)
        return asked.kind, asked.value

    async def withdraw_source(self, tenant: TenantId, source: str, *, everybody: bool, reason: str, by: str) -> int:
        """Do not look for anything of a source any more; returns how many notes were on it."""
        reason = _reason(reason)
        n_notes = await self._indicators.remove_source(EVERYBODY if everybody else tenant, source)
        body = {"notes": n_notes, "why": reason, "everybody": everybody}
        await self._record(tenant, "indicators.source-withdrawn", source, by, body)
        return n_notes

    async def _record(self, tenant: TenantId, action: str, subject: str, by: str, body: Mapping[str, object]) -> None:
        now_ns = self._clock.wall_ns()
        entry = AuditEntry(
            id=derive_id(now_ns, "audit", action, tenant, subject, by), tenant=tenant, trace=NO_TRACE, at_ns=now_ns,
            actor=by, action=action, subject=subject[:MAX_VALUE_CHARS], case="", body=body,
        )  # fmt: skip
        await self._audit.record(entry)


def _read(body: bytes, meant: Indicator, kind: Kind | None, form: str) -> FileRead:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("body", "it is not UTF-8") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    chosen = guess_format(first) if form == "auto" else form
    return read_csv(text, meant, kind) if chosen == "csv" else read_text(text.splitlines(), meant, kind)


def _reason(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > _MAX_REASON_CHARS:
        raise InvalidInput("reason", f"is at most {_MAX_REASON_CHARS} characters")
    return text
