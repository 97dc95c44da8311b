"""What deception agents do when something that nobody has a reason to touch was touched.

``profile-touch`` puts together all that the same address did to decoys: in which order, with which client, with whose
name. ``sweep-canaries`` looks through stored events for that address and for the names of canary users: where whoever
touched was, and where what was planted is used.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

from phalanx.agents import (
    REPORT_TOOLS,
    Capability,
    Mission,
    Role,
    SkillManifest,
    Toolbox,
    file_report,
    filed,
    finding_of,
    told,
)
from phalanx.core import (
    NS_PER_S,
    Entity,
    Event,
    Finding,
    FindingReader,
    Store,
    TenantId,
    Trail,
    decode,
    iso_from_ns,
)
from phalanx.deception._limits import MAX_PROFILED, MAX_SWEPT_EVENTS, SCAN_WITHIN_S
from phalanx.deception._model import CAPTURES, Capture, Decoys

TOUCH = "touch"
# The rules that find a touch: decoys and canary files by the node's own events, canary users in anybody's logs.
TOUCH_RULES = (
    "decoy-touched", "canary-credential-used", "canary-file-touched", "canary-account-windows", "canary-account-linux",
    "canary-account-zeek",
)  # fmt: skip
_SEVERAL = 2


class ProfileTouchSkill:
    """Puts together what whoever touched a decoy did to all of them."""

    manifest = SkillManifest(
        name="profile-touch",
        role=Role.DECEPTION,
        capabilities=(Capability.AGGREGATION, Capability.INCIDENTS),
        inputs=(TOUCH,),
        outputs=("touch-profile",),
        cost=0.3,
        permissions=(*REPORT_TOOLS, "FindingReader"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        finding = await finding_of(mission, tools.get(FindingReader))
        peers = _addresses(finding)
        captures = [one for one in await _captures(tools.get(Store), mission.tenant) if one.peer in peers]
        if not captures:
            who = ", ".join(sorted(peers)) or "nobody that has an address"
            text = f"{finding.rule}: {who} touched none of the decoys that captures are kept of"
            return await file_report(
                mission, self.manifest, tools, summary=text, facts={"captures": 0, "rule": finding.rule}
            )
        first, last = captures[0], captures[-1]
        span_s = (last.ended_ns - first.at_ns) / NS_PER_S
        ports = list(dict.fromkeys(f"{one.decoy}:{one.port}" for one in captures))
        said = Counter(f"{name} {value}" for one in captures for name, value in one.facts.items())
        payloads = Counter(hashlib.sha256(one.received).hexdigest()[:12] for one in captures if one.received)
        concerns = []
        if any(one.canary for one in captures):
            concerns.append("a planted credential was used: whoever has it has read what it was planted in")
        if len(ports) >= _SEVERAL and span_s <= SCAN_WITHIN_S * len(ports):
            concerns.append(f"{len(ports)} decoys within {span_s:.1f} s: it looks for what there is")
        n_bytes = sum(one.size for one in captures)
        facts: dict[str, str | int] = {
            "captures": len(captures), "decoys in order": ", ".join(ports), "first": iso_from_ns(first.at_ns),
            "last": iso_from_ns(last.ended_ns), "bytes": n_bytes,
            "payloads": len(payloads), **{f"said {words}": n for words, n in said.most_common(_SAID)},
        }  # fmt: skip
        summary = f"{first.peer} touched {', '.join(ports)} {len(captures)} times and sent {n_bytes} bytes"
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


_SAID = 12


class SweepCanariesSkill:
    """Looks through stored events for whoever touched, and for what was planted."""

    manifest = SkillManifest(
        name="sweep-canaries",
        role=Role.DECEPTION,
        capabilities=(Capability.DETECTION, Capability.AGGREGATION),
        inputs=(TOUCH,),
        outputs=("canary-sweep",),
        cost=0.5,
        permissions=(*REPORT_TOOLS, "Decoys", "FindingReader", "Trail"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        finding = await finding_of(mission, tools.get(FindingReader))
        users, peers = tools.get(Decoys).users, sorted(_addresses(finding))
        near = await tools.get(Trail).near(
            mission.tenant, finding.evidence[0], [*users, *peers], limit=MAX_SWEPT_EVENTS
        )
        events = [event for event in near.events if event.id not in finding.evidence]
        with_user = [event for event in events if _names(event, users)]
        of_peer = [event for event in events if _names(event, peers)]
        sources = Counter(str(event.batch.log_source) for event in events)
        concerns = [
            f"the canary user {name} is named in {n} events of {source}"
            for (name, source), n in Counter(
                (name, str(event.batch.log_source)) for event in with_user for name in _names(event, users)
            ).most_common()
        ]
        facts = {
            "events looked at": near.looked_at, "name a canary user": len(with_user),
            "name who touched": len(of_peer), **{f"of {source}": n for source, n in sources.most_common()},
        }  # fmt: skip
        summary = (
            f"of {near.looked_at} events around it {len(with_user)} more name a canary user, {len(of_peer)} "
            f"{' or '.join(peers) or 'nobody with an address'}"
        )
        entities = [Entity("user", name) for event in with_user for name in _names(event, users)]
        return await file_report(
            mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns, entities=entities
        )


def _names(event: Event, words: Sequence[str]) -> list[str]:
    """Which of the words some field of the event is, or ends or begins with as an account of a domain does."""
    values = {str(value).lower() for value in event.fields().values()}
    parts = values | {part for value in values for part in value.replace("@", "\\").split("\\")}
    return [word for word in words if word.lower() in parts]


def _addresses(finding: Finding) -> set[str]:
    return {one.value for one in finding.entities if one.type in ("ip", "host")}


async def _captures(store: Store, tenant: TenantId) -> list[Capture]:
    """The newest captures, oldest first."""
    rows = await store.scan(CAPTURES, tenant, limit=MAX_PROFILED, reverse=True)
    return [decode(row.value, Capture) for row in reversed(rows)]


profile_touch_skill = ProfileTouchSkill()
sweep_canaries_skill = SweepCanariesSkill()
