"""The indicators section: one looked up, how many there are, where they come from, and taking and withdrawing some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from phalanx.core import InvalidInput, TenantId
from phalanx.dashboard._deeds import Deed, asked
from phalanx.dashboard._limits import (
    INDICATORS_PAGE_ROWS,
    MAX_COUNTS_SHOWN,
    MAX_FILTER_CHARS,
    MAX_HAND_CHANGES,
    MAX_VALUE_CHARS,
)
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import INDICATORS
from phalanx.dashboard._sharing_page import Pulled, pulled_from
from phalanx.intel.indicators import EVERYBODY, Census, Kind, Listed, LookedUp, State, Taken, Wanted, look_up
from phalanx.ledger import EntryFilter, LedgerEntry, look_through
from phalanx.messaging import Marking
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_SEE_OTHER = 303
_FIRST = {"source": "by hand", "name": "", "confidence": "0.5", "days": "30", "marking": Marking.AMBER.label}


@dataclass(frozen=True, slots=True)
class IndicatorsView:
    """What the page shows. ``wrong`` says why the value that was asked for is none; ``after`` is the next page."""

    value: str
    found: LookedUp | None
    wrong: str
    counted: Census
    everybody: Census
    listed: Sequence[Listed]
    source: str
    kind: str
    after: str
    pulled: Sequence[Pulled]
    changes: Sequence[LedgerEntry]
    warninglists: int
    warninglist_entries: int

    @property
    def wanted(self) -> bool:
        """Whether the value that was asked for is looked for now."""
        return self.found is not None and any(one.state is State.WANTED for one in self.found.known)

    @property
    def own(self) -> bool:
        """Whether the tenant's own indicators are among those: everybody's are withdrawn by administrators."""
        known = self.found.known if self.found else ()
        return any(one.state is State.WANTED and one.match.scope != EVERYBODY for one in known)

    @property
    def counts(self) -> list["Counts"]:
        """The values by type, by source and by marking, the most first."""
        kinds = {kind.value: n for kind, n in self.counted.kinds.items()}
        markings = {marking.label: n for marking, n in self.counted.markings.items()}
        found = [
            Counts("By type", "kind", _most(kinds)),
            Counts("By source", "source", _most(self.counted.sources), len(self.counted.sources) - MAX_COUNTS_SHOWN),
            Counts("By marking", "", _most(markings)),
        ]
        return [one for one in found if one.rows]

    def query(self, **changed: str) -> str:
        """The address of this page with something else asked for."""
        named = {"source": self.source, "kind": self.kind} | changed
        return urlencode({name: value for name, value in named.items() if value})


@dataclass(frozen=True, slots=True)
class Counts:
    """Values counted by one thing, which the list is narrowed by as ``name``; and how many more there are of it."""

    title: str
    name: str
    rows: Sequence[tuple[str, int]]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Filled:
    """The form to take some, as it was filled in, and what became of it."""

    fields: Mapping[str, str] = field(default_factory=lambda: dict(_FIRST))
    taken: Taken | None = None
    problem: str = ""


def indicators_page(node: "Node", renderer: Renderer) -> Deed:
    """``GET /indicators``."""

    async def page(request: Request, principal: Principal) -> Response:
        return await _shown(node, renderer, principal, request.query_params, Filled())

    return page


def taking(node: "Node", renderer: Renderer) -> Deed:
    """``POST /indicators``: take those of the form; the answer says what became of each that was refused."""

    async def take(request: Request, principal: Principal) -> Response:
        form = {**_FIRST, **await asked(request, principal)}
        everybody = form.get("everybody") == "1"
        if everybody:
            principal.require(Role.ADMIN)
        try:
            taken = await node.by_hand.put(
                principal.tenant, form.get("values", "").encode(), _wanted(form), everybody=everybody, by=principal.name
            )  # fmt: skip
        except InvalidInput as error:
            return await _shown(node, renderer, principal, {}, Filled(form, problem=error.message), status=400)
        left = "\n".join(one.value for one in taken.refused)
        return await _shown(node, renderer, principal, {}, Filled(form | {"values": left}, taken))

    return take


def withdrawing(node: "Node") -> Deed:
    """``POST /indicators/withdraw``: one value, whoever it is from."""

    async def withdraw(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        everybody = form.get("everybody") == "1"
        if everybody:
            principal.require(Role.ADMIN)
        reason = form.get("reason", "")
        if not reason.strip():
            raise InvalidInput("reason", "is needed")
        kind, value = await node.by_hand.withdraw(
            principal.tenant, form.get("value", ""), _kind(form.get("kind", "")), everybody=everybody, reason=reason,
            by=principal.name,
        )  # fmt: skip
        return RedirectResponse(f"{INDICATORS.path}?{urlencode({'value': value, 'as': kind.value})}", _SEE_OTHER)

    return withdraw


async def _shown(
    node: "Node", renderer: Renderer, principal: Principal, wanted: Mapping[str, str], filled: Filled,
    *, status: int = 200,
) -> Response:  # fmt: skip
    view = await indicators_view(node, principal.tenant, wanted)
    return renderer.page(
        "indicators.html", status=status, principal=principal, section=INDICATORS.path, view=view, filled=filled,
        kinds=tuple(Kind), markings=tuple(one.label for one in Marking), steering=Role.ADMIN,
    )  # fmt: skip


async def indicators_view(node: "Node", tenant: TenantId, wanted: Mapping[str, str]) -> IndicatorsView:
    """Everything as it stands now, narrowed to what is ``wanted``."""
    value, source = wanted.get("value", "").strip()[:MAX_VALUE_CHARS], wanted.get("source", "")[:MAX_FILTER_CHARS]
    kind, found, wrong = _kind(wanted.get("kind", "")), None, ""
    if value:
        try:
            found = await look_up(
                node.indicators, node.findings, node.offload, tenant, value, _kind(wanted.get("as", ""))
            )  # fmt: skip
        except InvalidInput as error:
            wrong = error.reason
    listed, after = await node.indicators.listed(
        tenant, after=wanted.get("after", "")[:64], limit=INDICATORS_PAGE_ROWS, source=source, kind=kind
    )
    changes, _ = await look_through(
        node.ledger, lambda entry: entry.tenant == tenant and EntryFilter(action="indicators.").meant(entry),
        start=node.ledger.size, newest=True, limit=MAX_HAND_CHANGES,
    )  # fmt: skip
    return IndicatorsView(
        value=value, found=found, wrong=wrong,
        counted=await node.offload.run(node.indicators.census, tenant),
        everybody=await node.offload.run(node.indicators.census, EVERYBODY),
        listed=listed, source=source, kind="" if kind is None else kind.value, after=after,
        pulled=await pulled_from(node, tenant), changes=changes,
        warninglists=len(node.indicators.lists.names), warninglist_entries=node.indicators.lists.entries,
    )  # fmt: skip


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: -one[1])[:MAX_COUNTS_SHOWN]


def _wanted(form: Mapping[str, str]) -> Wanted:
    marking = next((one for one in Marking if one.label == form["marking"]), None)
    if marking is None:
        raise InvalidInput("marking", "is none of TLP")
    confidence, days = _number(form, "confidence", 1.0), _number(form, "days", 36_500.0)
    kind = _kind(form.get("kind", ""))
    return Wanted(
        source=form["source"].strip()[:MAX_FILTER_CHARS], kind=kind, form="text",
        name=form["name"].strip()[:MAX_FILTER_CHARS], confidence=confidence, days=days, marking=marking,
    )  # fmt: skip


def _number(form: Mapping[str, str], name: str, most: float) -> float:
    try:
        value = float(form[name])
    except ValueError:
        value = -1.0
    # Written so that what is not a number is refused.
    if not 0 <= value <= most:
        raise InvalidInput(name, f"is from 0 to {most:g}")
    return value


def _kind(name: str) -> Kind | None:
    return next((one for one in Kind if one.value == name), None)
