"""Impossible travel: an account is used from two places that nobody gets from one to the other in the time between.

Where addresses are is what the operator says (``intel.places``); the distance is the least that it can be, both places'
radii taken off. Neighbours in one /24 (IPv6: /48) are one place. Without places something weaker remains: an account
used by turns from two public networks, there and back within minutes, is used in both at once. What was told of a pair
of places is not told again while it is remembered: it is how this account is used here.

Memory: where each account was last, and what was told of it, bounded by ``_limits``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import NS_PER_S, Entity, EventBatch, EventId, Severity, TenantId, event_id
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Remembering, heard
from phalanx.intel.detectors._limits import (
    MAX_NAME_CHARS,
    MAX_STAYS,
    MAX_TOLD_PAIRS,
    MAX_TRAVELLERS,
    MAX_TURNS,
    TRAVEL_FLOOR_KMH,
    TRAVEL_LEAST_H,
    TRAVEL_MIN_KM,
    TRAVEL_WITHIN_S,
    TURNS_WANTED,
    TURNS_WITHIN_S,
)
from phalanx.intel.places import Place, Places, network_of
from phalanx.intel.sigma import as_text

TRAVEL: Final = Pattern(
    name="impossible-travel",
    title="Account is used in two places too far apart",
    severity=Severity.MEDIUM,
    description="Nobody gets from one place to the other in this time; a VPN or a proxy does, and so does a thief.",
    confidence=0.5,
    techniques=("T1078",),
    tactics=("initial-access",),
)
TURNS: Final = Pattern(
    name="account-in-two-networks",
    title="Account is used by turns from two public networks",
    severity=Severity.LOW,
    description="There and back within minutes: somebody is in both at once. A phone that changes its network is, too.",
    confidence=0.25,
    techniques=("T1078",),
    tactics=("initial-access",),
)
# By product and service: fields of the account and of where it comes from, and what the event must say.
_Use = tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]
_USES: Mapping[tuple[str, str], _Use] = {
    ("windows", "security"): ("TargetUserName", "IpAddress", (("EventID", ("4624",)),)),
    ("linux", "sshd"): ("user", "src_ip", (("action", ("accepted",)),)),
    ("aws", "cloudtrail"): ("userIdentity.arn", "sourceIPAddress", ()),
}
_BY_READER: Mapping[str, _Use] = {
    "ecs": ("user.name", "source.ip", (("event.category", ("authentication",)), ("event.outcome", ("success",)))),
    "ocsf": ("user.name", "src_endpoint.ip", (("class_uid", ("3002",)), ("status_id", ("1",)))),
}


class _Stay(msgspec.Struct, array_like=True):
    """An account was in ``network`` last at ``at_s``, by this event."""

    network: str
    at_s: float
    event: str
    address: str


class _Traveller(msgspec.Struct, array_like=True):
    """Where an account was, the latest last; its latest changes of network; pairs that were told."""

    stays: list[_Stay] = msgspec.field(default_factory=list)
    turns: list[tuple[str, float]] = msgspec.field(default_factory=list)
    told: list[str] = msgspec.field(default_factory=list)


class _House(msgspec.Struct):
    """Accounts of a tenant, the one heard last at the end."""

    travellers: dict[str, _Traveller] = msgspec.field(default_factory=dict)


class TravelDetector(Remembering[_House]):
    """``places`` knows where addresses are; without it only turns are told."""

    name = "impossible-travel"
    house_type = _House

    def __init__(self, places: Places | None = None) -> None:
        super().__init__()
        self._places = places

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        uses = list(_uses(batch))
        if not uses:
            return ()
        house = self.house(batch.tenant)
        hits = []
        for place, account, address, network, public in uses:
            traveller = heard(house.travellers, account, _Traveller, most=MAX_TRAVELLERS)
            at_s = batch.times_ns[place] / NS_PER_S
            stay = _Stay(network, at_s, event_id(batch.batch, batch.rows[place]), address)
            where = self._where(batch.tenant, address)
            hit = None
            if where is not None:
                hit = self._travelled(batch, place, account, traveller, stay, where)
            elif public:
                hit = _turned(batch, place, account, traveller, stay)
            _remember(traveller, stay)
            if hit is not None:
                hits.append(hit)
        return hits

    def _where(self, tenant: TenantId, address: str) -> Place | None:
        return None if self._places is None else self._places.at(tenant, address)

    def _travelled(
        self, batch: EventBatch, place: int, account: str, traveller: _Traveller, stay: _Stay, where: Place
    ) -> Hit | None:  # fmt: skip
        """The fastest of the ways from where the account was, when it is too fast and new."""
        fastest: tuple[float, float, float, _Stay, Place] | None = None
        for before in traveller.stays:
            gap_s = abs(stay.at_s - before.at_s)
            if before.network == stay.network or gap_s > TRAVEL_WITHIN_S:
                continue
            from_where = self._where(batch.tenant, before.address)
            if from_where is None:
                continue
            km = where.apart_km(from_where)
            kmh = km / max(gap_s / 3_600.0, TRAVEL_LEAST_H)
            if km >= TRAVEL_MIN_KM and kmh > TRAVEL_FLOOR_KMH and (fastest is None or kmh > fastest[0]):
                fastest = kmh, km, gap_s, before, from_where
        if fastest is None:
            return None
        kmh, km, gap_s, before, from_where = fastest
        if not _is_new(traveller, _cell(where), _cell(from_where)):
            return None
        told = (
            f"{account} was used from {before.address} ({from_where.told}) and, {_span(gap_s)} apart, from "
            f"{stay.address} ({where.told}), at least {km:.0f} km away: {kmh:.0f} km/h."
        )
        confidence = round(0.45 + min(0.25, 0.25 * (kmh / TRAVEL_FLOOR_KMH - 1.0) / 9.0), 2)
        return _hit(TRAVEL, batch, place, account, stay, before, told, confidence)


def _uses(batch: EventBatch) -> Iterator[tuple[int, str, str, str, bool]]:
    """Place, account, address, neighbourhood and whether it is public, of each use in the batch."""
    source, columns = batch.log_source, batch.columns
    use = _USES.get((source.product, source.service)) or _BY_READER.get(source.service)
    if use is None:
        return
    accounts, addresses = columns.get(use[0]), columns.get(use[1])
    if accounts is None or addresses is None:
        return
    wanted = [(columns.get(field), values) for field, values in use[2]]
    if any(column is None for column, _ in wanted):
        return
    for place, (account, address) in enumerate(zip(accounts, addresses, strict=True)):
        if not account or not address:
            continue
        if any(column is not None and as_text(column[place]) not in values for column, values in wanted):
            continue
        known, name = network_of(as_text(address)), as_text(account).lower()[-MAX_NAME_CHARS:]
        # Machines log on as themselves, and from wherever they are.
        if known is not None and not known[0].is_loopback and not name.endswith("$"):
            yield place, name, str(known[0]), known[1], known[2]


def _turned(batch: EventBatch, place: int, account: str, traveller: _Traveller, stay: _Stay) -> Hit | None:
    """Whether this turn of the account, with those before it, is one too many."""
    turns = traveller.turns
    if turns and turns[-1][0] == stay.network:
        return None
    turns.append((stay.network, stay.at_s))
    del turns[:-MAX_TURNS]
    recent = [network for network, at_s in turns if abs(stay.at_s - at_s) <= TURNS_WITHIN_S]
    last = recent[-TURNS_WANTED:]
    if len(last) < TURNS_WANTED or len(set(last)) != 2:
        return None
    other = next(network for network in last if network != stay.network)
    before = next((one for one in reversed(traveller.stays) if one.network == other), None)
    if before is None or not _is_new(traveller, stay.network, other):
        return None
    told = (
        f"{account} was used by turns from {other} and {stay.network}, {len(last)} times within "
        f"{_span(TURNS_WITHIN_S)}; where they are nobody said."
    )
    return _hit(TURNS, batch, place, account, stay, before, told, None)


def _remember(traveller: _Traveller, stay: _Stay) -> None:
    traveller.stays = [one for one in traveller.stays if one.network != stay.network][-(MAX_STAYS - 1) :]
    traveller.stays.append(stay)


def _is_new(traveller: _Traveller, one: str, other: str) -> bool:
    """Whether the pair was not told before; it is remembered."""
    pair = ">".join(sorted((one, other)))
    if pair in traveller.told:
        traveller.told.remove(pair)
        traveller.told.append(pair)
        return False
    traveller.told.append(pair)
    del traveller.told[:-MAX_TOLD_PAIRS]
    return True


def _cell(where: Place) -> str:
    """Places a degree apart are one for what was told."""
    return f"{where.latitude:.0f},{where.longitude:.0f}"


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def _hit(
    pattern: Pattern, batch: EventBatch, place: int, account: str, stay: _Stay, before: _Stay, told: str,
    confidence: float | None,
) -> Hit:  # fmt: skip
    entities = (Entity("user", account), Entity("ip", stay.address), Entity("ip", before.address))
    return Hit(pattern, batch, (place,), entities, account, told, confidence, (EventId(before.event),))


def travel_detector(tools: Toolbox) -> TravelDetector:
    """As the plug-in ``impossible-travel``."""
    return TravelDetector(tools.get(Places))
