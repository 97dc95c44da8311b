"""What specialists do with findings: a plan out of the inventory, and the cryptography that stored events tell of.

``plan-migration`` orders what a quantum computer breaks into steps: which keys of which kind, by what, until when, and
what breaking one would take. ``crypto-in-traffic`` reads sessions of TLS and SSH out of events around a finding, and
judges what they agreed on as it judges keys: what was recorded there can be read later.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

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
    finding_of,
    told,
)
from phalanx.core import Clock, Event, FindingReader, Store, Trail, counted, decode, ns_from_s
from phalanx.posture._judging import judge, most_urgent_first
from phalanx.posture._limits import INVENTORY_KEPT_WITHIN_S, INVENTORY_LOOK_S, MAX_TRAFFIC_EVENTS
from phalanx.posture._model import INVENTORIES, NEWEST, Asset, Inventory, Listed
from phalanx.posture._sessions import SESSION_WORDS, UNTOLD, session_assets

VULNERABLE_CRYPTO = "vulnerable-crypto"
# The rules that find keys which fall to a quantum computer.
STOCK_RULES = ("quantum-vulnerable-crypto",)


class PlanMigrationSkill:
    """Makes steps with deadlines out of the inventory."""

    manifest = SkillManifest(
        name="plan-migration",
        role=Role.SPECIALIST,
        capabilities=(Capability.PREDICTION, Capability.ENFORCEMENT),
        inputs=(VULNERABLE_CRYPTO,),
        outputs=("migration-plan",),
        cost=0.3,
        permissions=(*REPORT_TOOLS, "Clock"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        inventory = await _told_of(mission, tools)
        assets = [one for one in inventory.assets if one.judgement.vulnerable or one.judgement.weak]
        steps: dict[tuple[str, str, str], list[Listed]] = defaultdict(list)
        for one in assets:  # the most urgent first, as the inventory lists them
            steps[one.algorithm, one.size, one.judgement.replacement].append(one)
        facts: dict[str, str | int] = {"assets": len(assets), "steps": len(steps)}
        concerns = []
        for number, ((algorithm, size, replacement), group) in enumerate(steps.items(), 1):
            worst = group[0].judgement
            what = f"{algorithm} {size}".strip()
            until = worst.deprecated or worst.until
            facts[f"step {number}"] = f"{len(group)} of {what} → {replacement}, by {until or 'now'}: {group[0].where}"
            if worst.resources:
                facts[f"step {number}, to break one"] = worst.resources
            if worst.weak:
                concerns.append(f"{what} is weak already: {worst.weak}")
            if worst.harvest_now:
                concerns.append(f"what {what} agrees on today can be recorded and read later")
        soonest = min((one.judgement.deprecated or one.judgement.until for one in assets), default=0)
        summary = f"{counted(len(assets), 'key')} in {counted(len(steps), 'step')}, the first due by {soonest}"
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


async def _told_of(mission: Mission, tools: Toolbox) -> Inventory:
    """The inventory that the mission's finding tells of. It is kept a moment after it was told of."""
    store, clock = tools.get(Store), tools.get(Clock)
    until_ns = clock.monotonic_ns() + ns_from_s(INVENTORY_KEPT_WITHIN_S)
    while True:
        row = await store.get(INVENTORIES, mission.tenant, NEWEST)
        found = None if row is None else decode(row.value, Inventory)
        if found is not None and found.trace == mission.trace:
            return found
        if clock.monotonic_ns() >= until_ns:
            if found is None:
                raise MissionRejected("there is no inventory to plan by")
            return found  # There is a newer one by now.
        await clock.sleep(INVENTORY_LOOK_S)


class CryptoInTrafficSkill:
    """Judges the TLS and SSH sessions around a finding."""

    manifest = SkillManifest(
        name="crypto-in-traffic",
        role=Role.SPECIALIST,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("serious-finding",),
        outputs=("traffic-crypto",),
        cost=0.5,
        permissions=(*REPORT_TOOLS, "FindingReader", "Trail"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        finding = await finding_of(mission, tools.get(FindingReader))
        near = await tools.get(Trail).near(mission.tenant, finding.evidence[0], SESSION_WORDS, limit=MAX_TRAFFIC_EVENTS)
        assets = _assets(near.events)
        open_later = [one for one in assets if one.algorithm != UNTOLD and judge(one).harvest_now]
        urgent = most_urgent_first(list(assets))
        facts: dict[str, str | int] = {"events looked at": near.looked_at, "kinds of session": len(assets)}
        for one in urgent:
            what = f"{one.algorithm} {one.size}".strip()
            facts[f"{what} at {one.where}"] = assets[one]
        concerns = [
            f"{one.where} agreed on {one.algorithm} {one.size} {assets[one]} times: what was recorded can be read later"
            for one in urgent
            if one in open_later
        ]
        sessions = sum(assets.values())
        fall = sum(assets[one] for one in open_later)
        summary = f"{sessions} key exchanges and host keys in {near.looked_at} events, {fall} open to who records them"
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


def _assets(events: Iterable[Event]) -> Counter[Asset]:
    return Counter(asset for event in events for asset in session_assets(event))


plan_migration_skill = PlanMigrationSkill()
crypto_in_traffic_skill = CryptoInTrafficSkill()
