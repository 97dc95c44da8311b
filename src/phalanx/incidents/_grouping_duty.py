"""Analysts keep incidents up to date: findings are regrouped whenever there is something new."""

from phalanx.agents import Capability, DutyManifest, Role, Watch
from phalanx.core import PROBE_TENANT, Store, counted
from phalanx.incidents._incidents import Incidents
from phalanx.incidents._limits import REGROUP_EVERY_S
from phalanx.intel import FINDINGS


class IncidentsDuty:
    """Puts findings of every tenant together, a little after they were made."""

    manifest = DutyManifest(
        name="incidents",
        role=Role.ANALYST,
        capabilities=(Capability.AGGREGATION, Capability.INCIDENTS),
        inputs=("finding", "hunt"),
        outputs=("incident",),
        cost=0.5,
        permissions=("Incidents", "Store"),
    )

    async def keep(self, watch: Watch, /) -> None:
        incidents, store = watch.tools.get(Incidents), watch.tools.get(Store)
        async for _ in watch.beats(REGROUP_EVERY_S):
            for tenant in await store.tenants(FINDINGS):
                if tenant != PROBE_TENANT and (changed := await incidents.regroup(tenant)):
                    watch.progress(f"{counted(changed, 'incident')} changed", done=changed)


incidents_duty = IncidentsDuty()
