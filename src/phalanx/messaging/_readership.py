"""Who may read an envelope, and who may carry it: TLP 2.0 and a named audience.

https://www.first.org/tlp/ (version 2.0). CLEAR has no limit; GREEN stays in the community, which here is every
process that this one talks to; AMBER is for the sender's organisation and those of its clients that the audience
names; AMBER+STRICT for the organisation alone; RED for the individuals that the audience names, and for nobody else.

A tenant is enforced besides, always. The same functions are asked at the sender, at every relay and at the receiver:
none of them relies on the others having asked.
"""

from collections.abc import Set as AbstractSet

from phalanx.messaging._envelope import Envelope
from phalanx.messaging._marking import ALL_TENANTS, Marking
from phalanx.messaging._member import Member

_ORGANISATION = "org:"
# Looking a member of an enumeration up costs more than comparing it.
_GREEN, _STRICT = Marking.GREEN, Marking.AMBER_STRICT


def may_read(envelope: Envelope, member: Member) -> bool:
    """Whether ``member`` may have the envelope."""
    tenants = member.tenants
    if tenants is not ALL_TENANTS and envelope.tenant not in tenants and "*" not in tenants:
        return False
    marking, audience = envelope.marking, envelope.audience
    if not audience and (
        marking <= _GREEN
        or (marking <= _STRICT and marking <= member.clearance and member.organisation == envelope.organisation)
    ):
        return True  # what nearly all envelopes are
    if marking > member.clearance:
        return False
    if marking is Marking.RED:
        return member.address in audience
    if marking >= Marking.AMBER and member.organisation != envelope.organisation:
        named = _ORGANISATION + member.organisation in audience or member.address in audience
        return marking is Marking.AMBER and named
    return not audience or _is_named(audience, member)


def may_serve(member: Member, tenant: str) -> bool:
    """Whether ``member`` works for ``tenant`` at all."""
    return member.tenants is ALL_TENANTS or tenant in member.tenants or "*" in member.tenants


def may_carry(envelope: Envelope, organisation: str) -> bool:
    """Whether a process of ``organisation`` may have the envelope in its hands, to pass on or to hold."""
    if envelope.marking <= Marking.GREEN or organisation == envelope.organisation:
        return True
    # RED may leave the organisation only for the very people it names, and only straight to their process.
    return envelope.marking in (Marking.AMBER, Marking.RED) and _ORGANISATION + organisation in envelope.audience


def _is_named(audience: tuple[str, ...], member: Member) -> bool:
    tags: AbstractSet[str] = member.tags
    return any(
        name == member.address or name in tags or name == _ORGANISATION + member.organisation for name in audience
    )
