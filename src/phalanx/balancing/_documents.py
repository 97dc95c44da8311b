"""Problems and answers as plain documents: what the command line reads and the API takes.

Unknown fields are refused: a misspelt deadline must not become none.
"""

import math
from typing import Annotated

import msgspec

from phalanx.balancing._capacity import CapacityPlan, Demand, Offer, plan_capacity
from phalanx.balancing._limits import MAX_DOCUMENT_OPERATIONS, MAX_DOCUMENT_PAIRS
from phalanx.balancing._model import Operation, OperationKind, Resource, Weights
from phalanx.balancing._ordering import order
from phalanx.balancing._problem import Problem
from phalanx.balancing._solving import DEFAULT_METHOD, Answer, solve
from phalanx.core import InvalidInput, LimitExceeded

_PLAIN_NOTE = "kernels are still being compiled on this machine: answered without them, which is rougher"

_Many = Annotated[int, msgspec.Meta(ge=1, le=MAX_DOCUMENT_OPERATIONS)]


class KindDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of operation. ``work`` is seconds at speed 1 per kind of resource."""

    name: str
    work: dict[str, float]
    coherence_us: float = 0.0

    def value(self) -> OperationKind:
        return OperationKind(name=self.name, work=self.work, coherence_us=self.coherence_us)


class ResourceDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A resource; absent fields are as good as can be."""

    name: str
    kind: str
    speed: dict[str, float] = {}
    default_speed: float = 1.0
    availability: float = 1.0
    queue_s: float = 0.0
    coherence_us: float | None = None
    drift: float = 0.0
    site: str = ""
    link_s_per_mib: dict[str, float] = {}
    default_link_s_per_mib: float = 0.0

    def value(self) -> Resource:
        fields = msgspec.structs.asdict(self)
        fields["coherence_us"] = math.inf if self.coherence_us is None else self.coherence_us
        return Resource(**fields)


class OperationDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Operations that are alike, ``count`` of them; their ids are numbered."""

    kind: str
    id: str = "operation"
    count: _Many = 1
    size: float = 1.0
    site: str = ""
    data_mib: float = 0.0
    deadline_s: float | None = None
    priority: int = 0
    tenant: str = "default"
    eligible: tuple[str, ...] | None = None

    def values(self, number: int) -> list[Operation]:
        """``number`` is where this stands in the document: ids of two that are not named apart stay apart."""
        fields = msgspec.structs.asdict(self)
        count, name = fields.pop("count"), fields.pop("id")
        fields["deadline_s"] = math.inf if self.deadline_s is None else self.deadline_s
        fields["eligible"] = None if self.eligible is None else frozenset(self.eligible)
        alone = name if name != "operation" else f"{name}-{number}"
        return [Operation(id=alone if count == 1 else f"{alone}-{at + 1}", **fields) for at in range(count)]


class WeightsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shares of the four objectives; they add up to one."""

    completion: float = 0.4
    utilisation: float = 0.3
    coherence: float = 0.2
    communication: float = 0.1


class ProblemDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be distributed, and how."""

    kinds: tuple[KindDocument, ...]
    resources: tuple[ResourceDocument, ...]
    operations: tuple[OperationDocument, ...]
    weights: WeightsDocument = WeightsDocument()
    method: str = DEFAULT_METHOD
    seed: int = 0


class GivenView(msgspec.Struct, frozen=True, kw_only=True):
    """What one resource was given. ``operations`` counts them by kind; the whole is the distribution matrix."""

    resource: str
    load_s: float
    price: float
    operations: dict[str, int]


class PlacedView(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: where it goes and when it will be done there, counted from now."""

    operation: str
    resource: str
    done_s: float
    late: bool


class AnswerView(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with its certificate: no assignment scores below ``bound``, this one is ``gap`` above it."""

    method: str
    chosen: str
    score: float
    bound: float
    gap: float
    terms: dict[str, float]
    candidates: dict[str, float]
    makespan_s: float
    makespan_bound_s: float
    efficiency: float
    contention: float
    hopeless: int
    late: int
    given: tuple[GivenView, ...]
    placed: tuple[PlacedView, ...]
    note: str = ""


class OfferDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A resource that can be had."""

    name: str
    resource: ResourceDocument
    cost_per_hour: float
    lead_days: int = 0
    most: int = 100

    def value(self) -> Offer:
        return Offer(
            name=self.name,
            resource=self.resource.value(),
            cost_per_hour=self.cost_per_hour,
            lead_days=self.lead_days,
            most=self.most,
        )


class CapacityDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What arrives, what there is, and what can be had. ``arrivals_per_s`` is by kind."""

    kinds: tuple[KindDocument, ...]
    resources: tuple[ResourceDocument, ...]
    arrivals_per_s: dict[str, float]
    offers: tuple[OfferDocument, ...] = ()
    growth_per_day: float = 1.0
    target: float = 0.8
    horizon_days: int = 90


class AdditionView(msgspec.Struct, frozen=True, kw_only=True):
    """One resource to add, with the reason. A peak is null where some operations have nowhere to go."""

    offer: str
    day: int
    order_day: int
    late_days: int
    peak_before: float | None
    peak_after: float | None
    cost: float
    reason: str


class CapacityView(msgspec.Struct, frozen=True, kw_only=True):
    """What to add, when, and what it costs; ``short_day`` is the first day that nothing on offer saves, or -1."""

    additions: tuple[AdditionView, ...]
    cost: float
    short_day: int
    peaks: tuple[float | None, ...]
    bounds: tuple[float | None, ...]


def problem_of(document: ProblemDocument) -> tuple[Problem, list[Operation]]:
    """The problem that a document describes, and its operations in order."""
    wanted = sum(one.count for one in document.operations)
    if wanted > MAX_DOCUMENT_OPERATIONS:
        raise LimitExceeded("operations of a document", maximum=MAX_DOCUMENT_OPERATIONS, seen=wanted)
    pairs = wanted * len(document.resources)
    if pairs > MAX_DOCUMENT_PAIRS:
        raise LimitExceeded("operations times resources of a document", maximum=MAX_DOCUMENT_PAIRS, seen=pairs)
    operations = [value for at, one in enumerate(document.operations, 1) for value in one.values(at)]
    if len({operation.id for operation in operations}) != len(operations):
        raise InvalidInput("operations", "two have the same id")
    kinds, resources = [one.value() for one in document.kinds], [one.value() for one in document.resources]
    return Problem.of(kinds, resources, operations), operations


def answer_document(document: ProblemDocument) -> AnswerView:
    """Solve what a document asks."""
    problem, operations = problem_of(document)
    weights = Weights(**msgspec.structs.asdict(document.weights))
    answer = solve(problem, method=document.method, weights=weights, seed=document.seed)
    return answer_view(problem, operations, answer, document.method)


def answer_view(problem: Problem, operations: list[Operation], answer: Answer, method: str) -> AnswerView:
    """An answer as plain data; operations in the order in which each resource does them."""
    sequence, done = order(problem, operations, answer.choice)
    choice, score = answer.choice.tolist(), answer.score
    counts: list[dict[str, int]] = [{} for _ in answer.names]
    for j, operation in enumerate(operations):
        counts[choice[j]][operation.kind] = counts[choice[j]].get(operation.kind, 0) + 1
    late = [bool(end > one.deadline_s) for one, end in zip(operations, done.tolist(), strict=True)]
    return AnswerView(
        method=method,
        chosen=answer.chosen,
        score=score.total,
        bound=answer.bound,
        gap=answer.gap,
        terms={
            "completion": score.completion,
            "utilisation": score.utilisation,
            "coherence": score.coherence,
            "communication": score.communication,
        },
        candidates=dict(answer.candidates),
        makespan_s=answer.makespan_s,
        makespan_bound_s=answer.makespan_bound_s,
        efficiency=answer.efficiency,
        contention=answer.contention,
        hopeless=answer.hopeless,
        late=sum(late),
        note=_PLAIN_NOTE if answer.plain else "",
        given=tuple(
            GivenView(resource=name, load_s=load, price=price, operations=count)
            for name, load, price, count in zip(
                answer.names, answer.loads_s.tolist(), answer.prices.tolist(), counts, strict=True
            )
        ),
        placed=tuple(
            PlacedView(
                operation=operations[j].id, resource=answer.names[choice[j]], done_s=float(done[j]), late=late[j]
            )
            for j in sequence.tolist()
        ),
    )


def capacity_document(document: CapacityDocument) -> CapacityView:
    """Plan what a document asks."""
    kinds = tuple(one.value() for one in document.kinds)
    unknown = sorted(document.arrivals_per_s.keys() - {kind.name for kind in kinds})
    if unknown:
        raise InvalidInput("arrivals_per_s", f"there is no kind {unknown[0]!r}")
    demand = Demand(
        kinds=kinds,
        per_s=tuple(document.arrivals_per_s.get(kind.name, 0.0) for kind in kinds),
        growth_per_day=document.growth_per_day,
    )
    plan = plan_capacity(
        demand,
        [one.value() for one in document.resources],
        [one.value() for one in document.offers],
        target=document.target,
        horizon_days=document.horizon_days,
    )
    return capacity_view(plan)


def capacity_view(plan: CapacityPlan) -> CapacityView:
    """A plan as plain data."""
    return CapacityView(
        additions=tuple(
            AdditionView(
                offer=one.offer,
                day=one.day,
                order_day=one.order_day,
                late_days=one.late_days,
                peak_before=_finite(one.peak_before),
                peak_after=_finite(one.peak_after),
                cost=one.cost,
                reason=one.reason,
            )
            for one in plan.additions
        ),
        cost=plan.cost,
        short_day=plan.short_day,
        peaks=tuple(map(_finite, plan.peaks)),
        bounds=tuple(map(_finite, plan.bounds)),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
