"""The containment policy: when isolating a host may be approved without a person. Pure.

Every ground against an action is given, not only the first, so that a person who decides instead sees all of them.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from phalanx.core import NS_PER_S, InvalidInput, Outcome, how_long, iso_from_ns
from phalanx.incidents._limits import MAX_EVIDENCE_AGE_S, MAX_REASON_CHARS
from phalanx.incidents._model import ISOLATE_HOST, ActionProposal
from phalanx.intel import UNKNOWN_HOST

# Names that domain controllers usually have; what else must not be touched is named in the settings.
DOMAIN_CONTROLLERS = ("dc*", "*-dc", "*-dc-*", "*-dc[0-9]*")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says to a proposal, and all of its grounds in words."""

    outcome: Outcome
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainmentPolicy:
    """Approves isolating a host that is probably compromised, not protected, and one of few.

    ``protected_hosts`` are patterns over host names (``*``, ``?``, ``[…]``; case is ignored),
    matched with and without the domain. ``own_hosts`` are the names of the machine that the node
    runs on, which is protected whatever the patterns say: a node that is cut off protects nobody.
    ``max_hosts`` is the blast radius: hosts isolated by this policy within an hour; the next one
    needs a person. ``max_evidence_age_s`` is how long ago the latest evidence may have happened: what old
    logs tell says nothing of the host as it is now, and isolating it would stop nobody.
    """

    protected_hosts: Sequence[str] = DOMAIN_CONTROLLERS
    min_probability: float = 0.7
    max_hosts: int = 5
    max_evidence_age_s: float = MAX_EVIDENCE_AGE_S
    own_hosts: Sequence[str] = ()
    name: str = "containment-v1"

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_probability <= 1.0:
            raise InvalidInput("min_probability", f"lies in [0, 1], got {self.min_probability}")
        if self.max_hosts < 0:
            raise InvalidInput("max_hosts", f"cannot be negative, got {self.max_hosts}")
        if not self.max_evidence_age_s > 0.0:
            raise InvalidInput("max_evidence_age_s", f"must be positive, got {self.max_evidence_age_s}")

    def rule(self, proposal: ActionProposal, *, hosts_this_hour: int, now_ns: int) -> Ruling:
        """Decide on ``proposal`` at ``now_ns``, after ``hosts_this_hour`` hosts were approved in the last hour."""
        against = [
            *self._unknown_action(proposal),
            *self._unidentified(proposal),
            *self._protected(proposal),
            *self._improbable(proposal),
            *self._old(proposal, now_ns),
            *self._too_many(proposal, hosts_this_hour),
        ]
        if against:
            return Ruling(Outcome.REFUSED, tuple(reason[:MAX_REASON_CHARS] for reason in against))
        age, limit = how_long(_age_s(proposal, now_ns)), how_long(self.max_evidence_age_s)
        grounds = (
            f"probable: {proposal.probability:.2f} is at least {self.min_probability:.2f}",
            f"not protected: {proposal.target.value[: MAX_REASON_CHARS // 2]} matches no protected pattern",
            f"recent: the latest evidence is {age} old, at most {limit} is allowed",
            f"within the blast radius: {hosts_this_hour} of {self.max_hosts} hosts this hour",
        )
        return Ruling(Outcome.APPROVED, grounds)

    def _unknown_action(self, proposal: ActionProposal) -> list[str]:
        if proposal.action == ISOLATE_HOST and proposal.target.type == "host":
            return []
        return [f"not covered: {self.name} knows {ISOLATE_HOST} of a host, not {proposal.action} of {proposal.target}"]

    def _unidentified(self, proposal: ActionProposal) -> list[str]:
        # Protection goes by name; behind an address may stand anything, a domain controller too.
        host = proposal.target.value
        if host not in ("", UNKNOWN_HOST) and not is_address(host):
            return []
        return [f"not identified: {host!r} is not a name, so whether it is protected cannot be told"]

    def _protected(self, proposal: ActionProposal) -> list[str]:
        name = proposal.target.value.strip().rstrip(".").lower()
        names = (name, name.partition(".")[0])
        if names[1] in {one.strip().lower().partition(".")[0] for one in self.own_hosts if one.strip()}:
            return [f"protected asset: {name} is the host of this node"]
        hits = [p for p in self.protected_hosts if any(fnmatchcase(n, p.strip().lower()) for n in names)]
        return [f"protected asset: {name} matches {hits[0]}"] if hits else []

    def _improbable(self, proposal: ActionProposal) -> list[str]:
        # Written so that a probability that is not a number refuses.
        if proposal.probability >= self.min_probability:
            return []
        return [f"not probable enough: {proposal.probability:.2f} is below {self.min_probability:.2f}"]

    def _old(self, proposal: ActionProposal, now_ns: int) -> list[str]:
        age_s = _age_s(proposal, now_ns)
        if age_s <= self.max_evidence_age_s:
            return []
        if not proposal.evidence_at_ns:
            return ["old evidence: when it happened is not known; a person must decide"]
        at, limit = iso_from_ns(proposal.evidence_at_ns)[:10], how_long(self.max_evidence_age_s)
        return [f"old evidence: the latest is of {at}, {how_long(age_s)} old, more than {limit}; a person must decide"]

    def _too_many(self, proposal: ActionProposal, hosts_this_hour: int) -> list[str]:
        if hosts_this_hour + proposal.blast_radius <= self.max_hosts:
            return []
        return [f"blast radius: {hosts_this_hour} of {self.max_hosts} hosts this hour; a person must decide"]


def _age_s(proposal: ActionProposal, now_ns: int) -> float:
    """What says that it is yet to happen is as of now: one line with a wrong date keeps nothing from being decided."""
    return max(0, now_ns - proposal.evidence_at_ns) / NS_PER_S


def grounds(reasons: Sequence[str]) -> tuple[str, ...]:
    """What the reasons of a ruling are about, without their figures: each begins with its ground and a colon."""
    return tuple(reason.partition(":")[0] for reason in reasons)


def is_address(host: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
