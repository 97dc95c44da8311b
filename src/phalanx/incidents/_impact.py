"""Guardians weigh what an approved action would hit besides its target: who works there, and who depends on it.

Cutting off a host that forty people are working on, or that half of the other hosts depend on, is different from
cutting off a desk. What is weighed is what stored events around the case show, which is not all there is.
"""

from collections import Counter
from collections.abc import Mapping

from phalanx.agents import (
    REPORT_TOOLS,
    Capability,
    Mission,
    MissionRejected,
    Role,
    SkillManifest,
    Toolbox,
    file_report,
    filed,
    told,
)
from phalanx.core import Entity, Event, EventId, NotFound, Store, Trail, counted, decode
from phalanx.incidents._cases import Cases
from phalanx.incidents._limits import MANY_DEPEND, MANY_USERS, MAX_WEIGHED_EVENTS
from phalanx.incidents._model import PROPOSALS, ActionProposal
from phalanx.intel import Sentinel, entities_of, host_of

_NAMED = 6


class WeighImpactSkill:
    """Counts users of an action's target, and hosts that have to do with it."""

    manifest = SkillManifest(
        name="weigh-impact",
        role=Role.GUARDIAN,
        capabilities=(Capability.RESPONSE, Capability.PREDICTION),
        inputs=("approved-action",),
        outputs=("impact",),
        cost=0.5,
        permissions=(*REPORT_TOOLS, "Cases", "Sentinel", "Trail"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        row = await tools.get(Store).get(PROPOSALS, mission.tenant, mission.subject)
        if row is None:
            raise MissionRejected(f"there is no proposal {mission.subject}")
        proposal = decode(row.value, ActionProposal)
        target, names = proposal.target.value, tools.get(Sentinel).host_names
        known_as = [target, *(alias for alias, name in names.items() if name == target)]
        near = await tools.get(Trail).near(
            mission.tenant, await _anchor(mission, tools), known_as, limit=MAX_WEIGHED_EVENTS
        )
        users: Counter[str] = Counter()
        others: Counter[str] = Counter()
        for event in near.events:
            host = host_of(event, names)
            others.update(_others(event, host, target, names))
            if host == target:
                users.update({one.value for one in entities_of(event, host) if one.type == "user"})
        concerns = []
        if len(users) >= MANY_USERS:
            concerns.append(f"{len(users):,} users are at work on {target}")
        if len(others) >= MANY_DEPEND:
            concerns.append(f"{len(others)} others have to do with {target}")
        facts = {
            "events": len(near.events), "users": len(users), "others": len(others),
            **{f"events of user {name}": n for name, n in users.most_common(_NAMED)},
            **{f"events with {name}": n for name, n in others.most_common(_NAMED)},
        }  # fmt: skip
        summary = (
            f"{proposal.action} of {proposal.target} would hit {counted(len(users), 'user')} and "
            f"{counted(len(others), 'other')} that {'uses' if len(others) == 1 else 'use'} it"
        )
        entities = [*(Entity("user", name) for name in users), *(Entity("host", name) for name in others)]
        return await file_report(
            mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns, entities=entities
        )


def _others(event: Event, host: str, target: str, names: Mapping[str, str]) -> set[str]:
    """Hosts and addresses that an event joins to the target."""
    named = {
        names.get(one.value, one.value) for one in entities_of(event, host) if one.type in ("ip", "host")
    }  # fmt: skip
    if host != target and target not in named:
        return set()  # It is only a word of its line.
    return ({host} | named) - {target}


async def _anchor(mission: Mission, tools: Toolbox) -> EventId:
    """The event that the newest finding of the case rests on."""
    try:
        case = await tools.get(Cases).get(mission.tenant, mission.case)
    except NotFound as missing:
        raise MissionRejected(missing.message) from missing
    newest = max(case.findings, key=lambda one: one.last_seen_ns)
    return newest.evidence[0]


weigh_impact_skill = WeighImpactSkill()
