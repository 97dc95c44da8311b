"""What may go where: TLP 2.0, TLP 1, and markings that nobody knows."""

import itertools

import pytest

from phalanx.intel.sharing import (
    TLP_2,
    Audience,
    MarkingBook,
    NotShareable,
    StixObject,
    definition_of,
    marking_named,
    require_shareable,
)
from phalanx.messaging import Marking

pytestmark = pytest.mark.requirement("INT-4")

# Who may have what, written out after https://www.first.org/tlp/: rows are audiences, columns CLEAR … RED.
MAY = {
    Audience.PUBLIC: "10000",
    Audience.COMMUNITY: "11000",
    Audience.PARTNER: "11100",
    Audience.OWN: "11110",
}


@pytest.mark.parametrize(("audience", "marking"), list(itertools.product(Audience, Marking)))
def test_each_audience_has_what_it_may_and_nothing_closer(audience, marking):
    one = StixObject({"type": "url", "id": "url--x", "object_marking_refs": [TLP_2[marking]]})
    assert MarkingBook().marking_of(one) is marking
    if MAY[audience][marking] == "1":
        require_shareable(one, marking, audience, "somewhere")
        return
    with pytest.raises(NotShareable) as caught:
        require_shareable(one, marking, audience, "somewhere")
    assert caught.value.marking == marking.label


def test_the_closest_of_several_markings_counts_and_a_part_closes_the_whole():
    one = StixObject({
        "object_marking_refs": [TLP_2[Marking.GREEN]], "type": "url",
        "granular_markings": [{"marking_ref": TLP_2[Marking.RED], "selectors": ["value"]}],
    })  # fmt: skip
    assert MarkingBook().marking_of(one) is Marking.RED


def test_the_first_version_of_tlp_is_understood():
    stix2 = pytest.importorskip("stix2", reason="the extra `dev` brings it")
    for definition, marking in (
        (stix2.TLP_WHITE, Marking.CLEAR), (stix2.TLP_GREEN, Marking.GREEN),
        (stix2.TLP_AMBER, Marking.AMBER), (stix2.TLP_RED, Marking.RED),
    ):  # fmt: skip
        one = StixObject({"type": "url", "object_marking_refs": [definition.id]})
        assert MarkingBook().marking_of(one) is marking


def test_what_nobody_knows_is_closed_until_it_is_shown():
    known = "marking-definition--11111111-1111-4111-8111-111111111111"
    one = StixObject({"type": "url", "object_marking_refs": [known]})
    book = MarkingBook()
    assert book.marking_of(one) is Marking.RED
    assert book.unknown(one) == [known]
    book.learn(StixObject({"type": "marking-definition", "id": known, "definition_type": "statement",
                           "definition": {"statement": "© somebody"}}))  # fmt: skip
    assert book.marking_of(one) is Marking.CLEAR


def test_nobody_says_that_red_means_something_else():
    book = MarkingBook([StixObject({
        "type": "marking-definition", "id": TLP_2[Marking.RED], "definition_type": "tlp",
        "definition": {"tlp": "white"},
    })])  # fmt: skip
    assert book.marking_of(StixObject({"type": "url", "object_marking_refs": [TLP_2[Marking.RED]]})) is Marking.RED


def test_unmarked_is_what_the_settings_say_and_names_are_understood():
    assert MarkingBook().marking_of(StixObject({"type": "url"}), unmarked=Marking.AMBER) is Marking.AMBER
    assert [marking_named(text) for text in ("TLP:AMBER+STRICT", "tlp:white", "Red", "purple")] == [
        Marking.AMBER_STRICT, Marking.CLEAR, Marking.RED, None,
    ]  # fmt: skip


def test_our_definitions_pass_the_schema(schema_errors):
    for marking in Marking:
        raw = dict(definition_of(marking).raw)
        assert not schema_errors(raw), marking
        assert MarkingBook().marking_of(StixObject({"type": "url", "object_marking_refs": [raw["id"]]})) is marking
