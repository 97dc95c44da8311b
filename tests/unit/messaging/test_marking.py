"""TLP 2.0 and audiences: who may read, and who may carry."""

from dataclasses import replace

import msgspec
import pytest

from phalanx.core import TenantId
from phalanx.messaging import Envelope, Kind, Marking, Member, may_carry, may_read

BASE = Envelope(1, Kind.INTELLIGENCE, "origin", 1, "p/a", ("p/b",), b"", 0, 0, TenantId("t"), Marking.AMBER, (), "acme")
READER = replace(Member("b", clearance=Marking.RED, organisation="acme"), address="p/b")
STRANGER = replace(READER, organisation="other")


def marked(marking: Marking, *audience: str) -> Envelope:
    return msgspec.structs.replace(BASE, marking=marking, audience=audience)


@pytest.mark.requirement("MSG-1")
@pytest.mark.parametrize(
    ("envelope", "member", "allowed"),
    [
        (marked(Marking.CLEAR), STRANGER, True),
        (marked(Marking.GREEN), STRANGER, True),
        (marked(Marking.AMBER), READER, True),
        (marked(Marking.AMBER), STRANGER, False),
        (marked(Marking.AMBER, "org:other"), STRANGER, True),
        (marked(Marking.AMBER_STRICT), READER, True),
        (marked(Marking.AMBER_STRICT, "org:other"), STRANGER, False),
        (marked(Marking.RED), READER, False),
        (marked(Marking.RED, "p/b"), READER, True),
        (marked(Marking.RED, "p/b"), STRANGER, True),  # RED is for individuals, wherever they are
        (marked(Marking.RED, "org:acme"), READER, False),
        (marked(Marking.AMBER), replace(READER, clearance=Marking.GREEN), False),
        (marked(Marking.AMBER, "role:x"), READER, False),
        (marked(Marking.AMBER, "role:x"), replace(READER, tags=frozenset({"role:x"})), True),
        (marked(Marking.GREEN, "p/c"), READER, False),
        (marked(Marking.GREEN, "p/b"), READER, True),
        (marked(Marking.CLEAR), replace(READER, tenants=frozenset({"other"})), False),
        (marked(Marking.CLEAR), replace(READER, tenants=frozenset({"t"})), True),
    ],
)
def test_who_may_read(envelope, member, allowed):
    assert may_read(envelope, member) is allowed


@pytest.mark.requirement("MSG-1")
@pytest.mark.parametrize(
    ("envelope", "organisation", "allowed"),
    [
        (marked(Marking.CLEAR), "other", True),
        (marked(Marking.GREEN), "other", True),
        (marked(Marking.AMBER), "acme", True),
        (marked(Marking.AMBER), "other", False),
        (marked(Marking.AMBER, "org:other"), "other", True),
        (marked(Marking.AMBER_STRICT, "org:other"), "other", False),
        (marked(Marking.RED, "p/b"), "other", False),
        (marked(Marking.RED, "p/b", "org:other"), "other", True),
    ],
)
def test_who_may_carry(envelope, organisation, allowed):
    assert may_carry(envelope, organisation) is allowed


def test_labels_are_those_of_the_standard():
    assert [marking.label for marking in Marking] == [
        "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"
    ]  # fmt: skip
