"""Harvesting: ciphertext that somebody gathers who can only hope to read it later, seen in flows. Three patterns.

- *Mirrored*: a tunnel that traffic is mirrored through (GRE, ERSPAN in it, VXLAN, Geneve, TZSP) leaves the house, and
  next to nothing comes back. A tunnel that joins two networks carries traffic both ways.
- *Copied*: what goes out to one peer has, flow by flow, the volume of encrypted sessions with other servers that ended
  in the same seconds. How often volumes meet by chance is counted beside it, by asking for volumes a little larger and
  a little smaller in the same seconds: many sessions at once make twins, and just as many decoys.
- *Collected*: a peer that nothing went to before gets bulk from many hosts, in sessions without a hybrid group.

Each says which of the sessions were protected by hybrid groups, as far as their handshakes were seen: what those
carried is not read later. None proves what the peer wants. Memory: bounded by ``_limits``; a peer is told once a day.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

import msgspec

from phalanx.core import Entity, EventBatch, EventId, Severity, counted, event_id
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Bar, Following, WithThresholds, heard
from phalanx.intel.signs._flows import HYBRID, Flow, flows, handshakes
from phalanx.intel.signs._limits import (
    COLLECTED_BYTES,
    COLLECTED_CEILING_HOSTS,
    COLLECTED_FLOOR_HOSTS,
    COLLECTED_RATIO,
    COLLECTED_WITHIN_S,
    COPIED_CEILING,
    COPIED_DECOY,
    COPIED_FLOOR,
    COPIED_LEAST_BYTES,
    COPIED_PART,
    COPIED_SERVERS,
    COPIED_TOLERANCE,
    COPIED_WITHIN_S,
    HARVEST_AGAIN_S,
    HARVEST_PASSING,
    HARVEST_WATCHED_S,
    MAX_COPIES,
    MAX_COUNTED_FLOWS,
    MAX_HARVEST_EVIDENCE,
    MAX_HARVEST_NAMED,
    MAX_HARVEST_NAMES,
    MAX_HARVEST_PAIRS,
    MAX_HARVEST_PEERS,
    MAX_HARVEST_SESSIONS,
    MAX_PAIRS_NAMED,
    MAX_TUNNELS,
    MIRRORED_CEILING_MB,
    MIRRORED_FLOOR_MB,
    MIRRORED_RATIO,
)

MIRRORED: Final = Pattern(
    name="traffic-mirrored-outward",
    title="Traffic is mirrored out of the house",
    severity=Severity.HIGH,
    description="A mirror tunnel to the outside that nothing comes back through. Monitoring that somebody else runs "
    "for the house looks the same.",
    confidence=0.6,
    techniques=("T1020.001", "T1040"),
    tactics=("exfiltration", "collection"),
)
COPIED: Final = Pattern(
    name="ciphertext-copied",
    title="Encrypted sessions are copied to a peer outside",
    severity=Severity.HIGH,
    description="What goes to it has the volumes of encrypted sessions with others that ended in the same seconds. A "
    "recorder that the house ordered looks the same.",
    confidence=0.5,
    techniques=("T1020.001", "T1557"),
    tactics=("exfiltration", "collection"),
)
COLLECTED: Final = Pattern(
    name="ciphertext-collected",
    title="A new peer outside gathers ciphertext from many hosts",
    severity=Severity.MEDIUM,
    description="Bulk from many hosts in sessions without post-quantum key exchange. A new backup or a new service of "
    "the house begins the same way.",
    confidence=0.3,
    techniques=("T1048.002",),
    tactics=("exfiltration",),
)
HARVEST_RULES: Final = (MIRRORED.name, COPIED.name, COLLECTED.name)


class _Session(msgspec.Struct, array_like=True):
    """An encrypted session with a volume worth copying, and when it ended."""

    pair: str
    out: int
    back: int
    end_s: float
    outward: bool
    event: str


class _Copy(msgspec.Struct, array_like=True):
    """A flow out that may be the copy of a session that is yet to be told; what was found to be like it."""

    client: str
    peer: str
    volume: int
    end_s: float
    event: str
    twin: bool = False
    decoys: int = 0


class _Peer(msgspec.Struct, array_like=True):
    """A peer outside: flows that may be copies, those with a twin, decoys, and who gave it bulk."""

    flows: int = 0
    twins: int = 0
    decoys: int = 0
    servers: list[str] = msgspec.field(default_factory=list)
    pairs: list[str] = msgspec.field(default_factory=list)
    events: list[str] = msgspec.field(default_factory=list)
    copied_told_s: float = 0.0
    bulk_since_s: float = 0.0
    bulk_bytes: int = 0
    hosts: list[str] = msgspec.field(default_factory=list)
    bulk_pairs: list[str] = msgspec.field(default_factory=list)
    bulk_events: list[str] = msgspec.field(default_factory=list)
    bulk_told_s: float = 0.0


class _Tunnel(msgspec.Struct, array_like=True):
    """What went through a tunnel and what came back."""

    out: int = 0
    back: int = 0
    events: list[str] = msgspec.field(default_factory=list)
    told_s: float = 0.0


class _House(WithThresholds):
    """What is remembered of a tenant; by name what was heard last at the end."""

    since_s: float = 0.0
    pairs: dict[str, str] = msgspec.field(default_factory=dict)
    sessions: list[_Session] = msgspec.field(default_factory=list)
    copies: list[_Copy] = msgspec.field(default_factory=list)
    peers: dict[str, _Peer] = msgspec.field(default_factory=dict)
    tunnels: dict[str, _Tunnel] = msgspec.field(default_factory=dict)


class HarvestDetector(Following[_House]):
    """Tells of peers that gather ciphertext."""

    name = "harvesting"
    house_type = _House
    bars: ClassVar = {
        MIRRORED.name: Bar(MIRRORED_FLOOR_MB, MIRRORED_CEILING_MB, HARVEST_PASSING),
        COPIED.name: Bar(COPIED_FLOOR, COPIED_CEILING, HARVEST_PASSING),
        COLLECTED.name: Bar(COLLECTED_FLOOR_HOSTS, COLLECTED_CEILING_HOSTS, HARVEST_PASSING),
    }

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        agreed, seen = list(handshakes(batch)), list(flows(batch))
        if not agreed and not seen:
            return ()
        house = self.house(batch.tenant)
        for pair, group in agreed:
            heard(house.pairs, pair, str, most=MAX_HARVEST_PAIRS)
            house.pairs[pair] = group
        return [hit for flow in seen for hit in _looked_at(house, batch, flow)]


def _looked_at(house: _House, batch: EventBatch, flow: Flow) -> Iterator[Hit]:
    house.since_s = min(house.since_s or flow.end_s, flow.end_s)
    if flow.outward and flow.tunnel:
        yield from _mirrored(house, batch, flow)
        return
    event = str(event_id(batch.batch, batch.rows[flow.place]))
    encrypted = flow.encrypted or flow.pair in house.pairs
    one_way = flow.outward and flow.out_bytes * COPIED_PART >= flow.back_bytes
    if encrypted and flow.out_bytes + flow.back_bytes >= COPIED_LEAST_BYTES:
        session = _Session(flow.pair, flow.out_bytes, flow.back_bytes, flow.end_s, flow.outward, event)
        for copy in house.copies:
            if _is_near(copy, session):
                yield from _held(house, batch, flow, copy, session)
        house.sessions.append(session)
    if one_way and flow.out_bytes >= COPIED_LEAST_BYTES:
        peer = heard(house.peers, flow.server, _Peer, most=MAX_HARVEST_PEERS)
        peer.flows += 1
        if peer.flows > MAX_COUNTED_FLOWS:
            # What was long ago counts for less.
            peer.flows, peer.twins, peer.decoys = peer.flows // 2, peer.twins // 2, peer.decoys // 2
        copy = _Copy(flow.client, flow.server, flow.out_bytes, flow.end_s, event)
        for session in house.sessions:
            if _is_near(copy, session):
                yield from _held(house, batch, flow, copy, session)
        house.copies.append(copy)
        if encrypted:
            yield from _collected(house, batch, flow, peer, event)
    _forget(house, flow.end_s)


def _forget(house: _House, now_s: float) -> None:
    """What ended so long ago that nothing is a copy of it any more; a clock that is far ahead forgets no more."""
    for kept, most in ((house.sessions, MAX_HARVEST_SESSIONS), (house.copies, MAX_COPIES)):
        while kept and (len(kept) > most or abs(now_s - kept[0].end_s) > 2 * COPIED_WITHIN_S):
            del kept[0]


def _is_near(copy: _Copy, session: _Session) -> bool:
    """Whether they ended together, with volumes near enough for a twin or a decoy: few are, and all are asked."""
    if not -COPIED_WITHIN_S <= copy.end_s - session.end_s <= COPIED_WITHIN_S:
        return False
    low, high = copy.volume * (1 - 2 * COPIED_DECOY), copy.volume * (1 + 2 * COPIED_DECOY)
    out, back = session.out, session.back
    return low < out < high or low < back < high or low < out + back < high


def _held(house: _House, batch: EventBatch, flow: Flow, copy: _Copy, session: _Session) -> Iterator[Hit]:
    """A flow against a session: is it its copy, or like one by chance?"""
    client, server, _ = session.pair.split(" ")
    if copy.twin and copy.decoys:
        return
    if copy.peer in (client, server) or server == copy.client:
        # The same connection, seen twice, or what a relay hands on.
        return
    if client == copy.client and session.outward and session.out * COPIED_PART >= session.back:
        # Who sends the same to several keeps copies of its own.
        return
    peer = house.peers.get(copy.peer)
    if peer is None:
        return
    volumes = (session.out, session.back, session.out + session.back)
    if not copy.decoys and any(_alike(copy.volume * by, volumes) for by in (1 - COPIED_DECOY, 1 + COPIED_DECOY)):
        copy.decoys = 1
        peer.decoys += 1
    if copy.twin or not _alike(copy.volume, volumes):
        return
    copy.twin = True
    peer.twins += 1
    _note(peer.servers, server, MAX_HARVEST_NAMES)
    _note(peer.pairs, session.pair, MAX_PAIRS_NAMED)
    for one in (session.event, copy.event):
        _note(peer.events, one, MAX_HARVEST_EVIDENCE)
    yield from _copied(house, batch, flow, copy, peer)


def _alike(volume: float, others: Sequence[int]) -> bool:
    return any(abs(volume - other) <= COPIED_TOLERANCE * other for other in others)


def _copied(house: _House, batch: EventBatch, flow: Flow, copy: _Copy, peer: _Peer) -> Iterator[Hit]:
    # Two decoys are asked for each flow, so half of those found is what chance makes.
    chance = peer.decoys / 2
    if (
        peer.twins - chance < house.thresholds[COPIED.name].standing
        or len(peer.servers) < COPIED_SERVERS
        or 2 * peer.twins < peer.flows
        or chance * 4 > peer.twins
        or (peer.copied_told_s and flow.end_s - peer.copied_told_s < HARVEST_AGAIN_S)
    ):
        return
    peer.copied_told_s = flow.end_s
    told = (
        f"{counted(peer.twins, 'flow')} of {peer.flows} to {copy.peer} had the volume of an encrypted session with "
        f"another server that ended within {COPIED_WITHIN_S:g} s ({len(peer.servers)} servers); by chance about "
        f"{chance:g} would. {_protection(house, peer.pairs)}"
    )
    confidence = round(min(0.85, COPIED.confidence + 0.35 * (1 - 4 * chance / peer.twins)), 2)
    yield _hit(COPIED, batch, flow, copy.peer, [copy.client], told, peer.events, confidence)


def _mirrored(house: _House, batch: EventBatch, flow: Flow) -> Iterator[Hit]:
    tunnel = heard(house.tunnels, f"{flow.client} {flow.server} {flow.tunnel}", _Tunnel, most=MAX_TUNNELS)
    tunnel.out += flow.out_bytes
    tunnel.back += flow.back_bytes
    event = str(event_id(batch.batch, batch.rows[flow.place]))
    _note(tunnel.events, event, MAX_HARVEST_EVIDENCE)
    again = not tunnel.told_s or flow.end_s - tunnel.told_s >= HARVEST_AGAIN_S
    megabytes = tunnel.out / 1e6
    one_way = tunnel.back * MIRRORED_RATIO <= tunnel.out
    if not again or not one_way or megabytes < house.thresholds[MIRRORED.name].standing:
        return
    tunnel.told_s = flow.end_s
    told = (
        f"{flow.client} sent {megabytes:,.1f} MB to {flow.server} through a {flow.tunnel} tunnel and got "
        f"{tunnel.back / 1e6:,.1f} MB back. What went through it is not seen; of the sessions of the house whose "
        f"handshakes were: {_protection(house, list(house.pairs))}"
    )
    yield _hit(MIRRORED, batch, flow, flow.server, [flow.client], told, tunnel.events)


def _collected(house: _House, batch: EventBatch, flow: Flow, peer: _Peer, event: str) -> Iterator[Hit]:
    if flow.out_bytes < COLLECTED_BYTES or flow.out_bytes < COLLECTED_RATIO * flow.back_bytes:
        return
    peer.bulk_since_s = peer.bulk_since_s or flow.end_s
    if _is_hybrid(house.pairs.get(flow.pair, "")):
        # It is kept by whoever gathers it, and is not read later.
        return
    peer.bulk_bytes += flow.out_bytes
    _note(peer.hosts, flow.client, MAX_HARVEST_NAMES)
    _note(peer.bulk_pairs, flow.pair, MAX_PAIRS_NAMED)
    _note(peer.bulk_events, event, MAX_HARVEST_EVIDENCE)
    if (
        len(peer.hosts) < house.thresholds[COLLECTED.name].standing
        or peer.bulk_since_s - house.since_s < HARVEST_WATCHED_S
        or flow.end_s - peer.bulk_since_s > COLLECTED_WITHIN_S
        or peer.bulk_told_s
    ):
        return
    peer.bulk_told_s = flow.end_s
    hours = (flow.end_s - peer.bulk_since_s) / 3_600
    told = (
        f"{len(peer.hosts)} hosts sent {peer.bulk_bytes / 1e6:,.0f} MB to {flow.server} within {hours:.1f} h of the "
        f"first bulk that went there, and got less than a {COLLECTED_RATIO:g}th back. "
        f"{_protection(house, peer.bulk_pairs)}"
    )
    yield _hit(COLLECTED, batch, flow, flow.server, peer.hosts, told, peer.bulk_events)


def _protection(house: _House, pairs: Sequence[str]) -> str:
    """Which sessions agreed on hybrid groups, by the latest handshake of their ends, which did not, and which were not
    seen to."""
    kinds: dict[str, list[str]] = {"hybrid": [], "classical": [], "unknown": []}
    for pair in dict.fromkeys(pairs):
        group = house.pairs.get(pair, "")
        client, server, port = pair.split(" ")
        kind = "unknown" if not group else "hybrid" if _is_hybrid(group) else "classical"
        kinds[kind].append(f"{client} with {server}:{port}{f' ({group})' if group else ''}")
    parts = [
        f"{counted(len(found), 'pair')} {what}{_named(found)}"
        for found, what in (
            (kinds["hybrid"], "protected by a hybrid group, not readable later"),
            (kinds["classical"], "not protected, readable once the key exchange falls"),
            (kinds["unknown"], "whose handshake was not seen"),
        )
    ]  # fmt: skip
    return "; ".join(parts) + "."


def _named(found: Sequence[str]) -> str:
    more = len(found) - MAX_HARVEST_NAMED
    return f": {', '.join(found[:MAX_HARVEST_NAMED])}{f' and {more} more' if more > 0 else ''}" if found else ""


def _is_hybrid(group: str) -> bool:
    return group.lower() in HYBRID


def _note(kept: list[str], text: str, most: int) -> None:
    """The latest, each once."""
    if text in kept:
        kept.remove(text)
    kept.append(text)
    del kept[:-most]


def _hit(
    pattern: Pattern, batch: EventBatch, flow: Flow, peer: str, hosts: Sequence[str], told: str, events: Sequence[str],
    confidence: float | None = None,
) -> Hit:  # fmt: skip
    this = str(event_id(batch.batch, batch.rows[flow.place]))
    return Hit(
        pattern, batch, (flow.place,), (Entity("ip", peer), *(Entity("ip", host) for host in hosts)), peer, told,
        confidence, tuple(EventId(one) for one in events if one != this),
    )  # fmt: skip
