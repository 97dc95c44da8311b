"""Skills of agents that foresee: each answers one question about what a tenant's findings lead to.

They are asked by orders (``phalanx orders place … --given question --want foresight-risk``), not by every finding. What
was foreseen is one record whose id follows from the mission.
"""

import hashlib

from phalanx.agents import Capability, Mission, MissionRejected, Role, SkillManifest, Toolbox, Workers
from phalanx.core import (
    MAX_PAGE_ROWS,
    AuditEntry,
    AuditSink,
    Finding,
    InvalidInput,
    Put,
    Store,
    TenantId,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.intel._queries import Findings
from phalanx.intel.foresight._limits import FORESEE_LIMIT_S, MAX_FINDINGS
from phalanx.intel.foresight._model import FORESIGHTS, Foresight
from phalanx.intel.foresight._questions import foresee

GIVEN = "question"


class ForeseeSkill:
    """One question. Quantum means are simulated; classical ones that saw the same stand beside them."""

    def __init__(self, question: str, role: Role) -> None:
        self._question = question
        self.manifest = SkillManifest(
            name=f"foresee-{question}",
            role=role,
            capabilities=(Capability.PREDICTION,),
            inputs=(GIVEN,),
            outputs=(f"foresight-{question}",),
            cost=4.0,
            permissions=("AuditSink", "Findings", "Store"),
            limit_s=FORESEE_LIMIT_S,
            cpu_bound=True,
        )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        made = derive_id(id_time_ns(mission.id), "foresight", mission.id)
        row = await tools.get(Store).get(FORESIGHTS, mission.tenant, made)
        if row is not None:
            kept = decode(row.value, Foresight)
        else:
            findings = await _newest(mission.tenant, tools.get(Findings))
            seed = int.from_bytes(hashlib.sha256(mission.id.encode()).digest()[:6])
            try:
                seen = await tools.get(Workers).run(foresee, self._question, findings, seed=seed)
            except InvalidInput as refused:
                raise MissionRejected(refused.message) from refused
            kept = Foresight(
                id=made, tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, case=mission.case,
                question=self._question, seed=seed, seen=seen,
            )  # fmt: skip
            index = {"case": (kept.case,), "question": (self._question,)}
            await tools.get(Store).commit([Put(FORESIGHTS, kept.tenant, kept.id, encode(kept), index)])
        await tools.get(AuditSink).record(
            AuditEntry(
                id=derive_id(id_time_ns(kept.id), "audit", kept.id), tenant=kept.tenant, trace=kept.trace,
                at_ns=kept.at_ns, actor=self.manifest.role.value, action=f"foresight.{self._question}",
                subject=mission.subject, case=kept.case,
                body={"foresight": kept.id, "findings": kept.seen.findings, "judged": kept.seen.judged},
            )
        )  # fmt: skip
        return kept.seen.summary


async def _newest(tenant: TenantId, findings: Findings) -> list[Finding]:
    found: list[Finding] = []
    after = ""
    while len(found) < MAX_FINDINGS:
        page = await findings.list(tenant, after=after, limit=MAX_PAGE_ROWS, reverse=True)
        found += page
        if len(page) < MAX_PAGE_ROWS:
            break
        after = page[-1].id
    return found[:MAX_FINDINGS]


foresee_evolution_skill = ForeseeSkill("evolution", Role.ANALYST)
foresee_paths_skill = ForeseeSkill("paths", Role.HUNTER)
foresee_risk_skill = ForeseeSkill("risk", Role.ANALYST)
foresee_vulnerability_skill = ForeseeSkill("vulnerability", Role.SPECIALIST)
foresee_novelty_skill = ForeseeSkill("novelty", Role.HUNTER)
