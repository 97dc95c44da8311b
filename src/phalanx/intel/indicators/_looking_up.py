"""Everything known of one value, for a person who asks: indicators that cover it, their past, and what they found."""

from dataclasses import dataclass

from phalanx.core import Finding, Offload, TenantId
from phalanx.intel._queries import Findings
from phalanx.intel.indicators._detector import rule_of
from phalanx.intel.indicators._indicators import Indicators
from phalanx.intel.indicators._limits import MAX_LOOKED_UP_FINDINGS
from phalanx.intel.indicators._model import History, Kind, Known
from phalanx.intel.indicators._values import guess_kind, indicator_key, refanged


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What is known of ``value``, in the one form that it has as an indicator. ``findings`` are the newest first."""

    kind: Kind
    value: str
    known: tuple[Known, ...]
    history: History
    findings: tuple[Finding, ...]


async def look_up(
    indicators: Indicators, findings: Findings, offload: Offload, tenant: TenantId, value: str, kind: Kind | None = None
) -> LookedUp:
    """Written so that nobody clicks on it is fine. Raises ``InvalidInput`` for what is no value of an indicator."""
    value = refanged(value.strip())
    form = indicator_key(guess_kind(value) if kind is None else kind, value)
    known = await offload.run(indicators.known, tenant, [(form.kind, form.value)])
    about = dict.fromkeys([(form.kind, form.value), *((one.match.kind, one.match.matched) for one in known)])
    if form.kind is Kind.DOMAIN:
        # A name may have been looked for by itself, without what is below it.
        about |= {(Kind.HOST, form.value): None}
    found: dict[str, Finding] = {}
    for one in about:
        some = await findings.list(tenant, rule=rule_of(*one), limit=MAX_LOOKED_UP_FINDINGS, reverse=True)
        found |= {finding.id: finding for finding in some}
    newest = sorted(found.values(), key=lambda one: one.last_seen_ns, reverse=True)[:MAX_LOOKED_UP_FINDINGS]
    return LookedUp(form.kind, form.value, tuple(known), await indicators.history(tenant, list(about)), tuple(newest))
