"""The view of one case: what was found, what was made of it, and what is to be done."""

from dataclasses import dataclass

from phalanx.core import MAX_PAGE_ROWS, Assessment, Decision, Finding, NotFound, Store, TenantId, decode
from phalanx.incidents._correlating import related
from phalanx.incidents._model import DECISIONS, PROPOSALS, ActionProposal
from phalanx.intel import Findings
from phalanx.workflows import Assessments


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything recorded of a case, each kind by id, as many as one page holds. ``related`` are other cases."""

    case: str
    findings: tuple[Finding, ...]
    assessments: tuple[Assessment, ...]
    proposals: tuple[ActionProposal, ...]
    decisions: tuple[Decision, ...]
    related: tuple[str, ...] = ()


class Cases:
    """Reads cases, for pages and the API. A case has no row of its own: it is what carries its name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._findings = Findings(store)
        self._assessments = Assessments(store)

    async def get(self, tenant: TenantId, case: str) -> CaseView:
        """Raises ``NotFound`` when nothing was found in ``case``, and nothing is proposed for it."""
        findings = await self._findings.list(tenant, case=case, limit=MAX_PAGE_ROWS) if case else []
        proposals = await self._store.find(PROPOSALS, tenant, "case", case, limit=MAX_PAGE_ROWS) if case else []
        if not findings and not proposals:
            raise NotFound("case", case)
        decisions = await self._store.find(DECISIONS, tenant, "case", case, limit=MAX_PAGE_ROWS)
        return CaseView(
            case=case,
            findings=tuple(findings),
            assessments=tuple(await self._assessments.list(tenant, case=case, limit=MAX_PAGE_ROWS)),
            proposals=tuple(decode(row.value, ActionProposal) for row in proposals),
            decisions=tuple(decode(row.value, Decision) for row in decisions),
            related=tuple(await related(self._store, tenant, case)),
        )
