"""Who may have an object: TLP as STIX writes it, and the audiences that objects go to.

https://www.first.org/tlp/ (2.0), whose marking definitions FIRST and OASIS publish; those of TLP 1 that are built
into STIX 2.1 are understood too. A marking that is not known here is treated as RED: whoever cannot tell what an
object may be used for must not pass it on.

====================  =============================================================
audience              what it may have
====================  =============================================================
own                   everything up to AMBER+STRICT: people of the organisation
partner               up to AMBER, and only for organisations that are named
community             up to GREEN
public                CLEAR
====================  =============================================================

RED is for the individuals that it was given to. It leaves through no collection and no file.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from phalanx.intel.sharing._errors import NotShareable
from phalanx.intel.sharing._objects import StixObject
from phalanx.messaging import Marking

_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_2: Final[Mapping[Marking, str]] = {
    Marking.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Marking.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Marking.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Marking.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Marking.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_TLP_1: Final[Mapping[str, Marking]] = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Marking.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Marking.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Marking.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Marking.RED,
}
_KNOWN: Final = {**{stix_id: marking for marking, stix_id in TLP_2.items()}, **_TLP_1}
_BY_LABEL: Final = {
    "white": Marking.CLEAR, "clear": Marking.CLEAR, "green": Marking.GREEN, "amber": Marking.AMBER,
    "amber+strict": Marking.AMBER_STRICT, "red": Marking.RED,
}  # fmt: skip


class Audience(Enum):
    """Who is at the other end of a collection."""

    OWN = "own"
    PARTNER = "partner"
    COMMUNITY = "community"
    PUBLIC = "public"

    @property
    def ceiling(self) -> Marking:
        """The closest marking that it may have."""
        return _CEILINGS[self]


_CEILINGS = {
    Audience.OWN: Marking.AMBER_STRICT, Audience.PARTNER: Marking.AMBER,
    Audience.COMMUNITY: Marking.GREEN, Audience.PUBLIC: Marking.CLEAR,
}  # fmt: skip
_WHY = {
    Audience.OWN: "RED is for the individuals that it was given to",
    Audience.PARTNER: "a partner may have AMBER at most",
    Audience.COMMUNITY: "a community may have GREEN at most",
    Audience.PUBLIC: "the public may have CLEAR only",
}


def marking_named(text: str) -> Marking | None:
    """The marking that ``TLP:AMBER``, ``tlp:amber+strict`` or ``amber`` names."""
    return _BY_LABEL.get(text.strip().lower().removeprefix("tlp:"))


def definition_of(marking: Marking) -> StixObject:
    """The marking definition that FIRST publishes."""
    return StixObject({
        "type": "marking-definition", "spec_version": "2.1", "id": TLP_2[marking],
        "created": "2022-10-01T00:00:00.000Z", "name": marking.label,
        "extensions": {_EXTENSION: {
            "extension_type": "property-extension", "tlp_2_0": marking.label.removeprefix("TLP:").lower(),
        }},
    })  # fmt: skip


class MarkingBook:
    """What marking definitions mean: those of TLP, and others as far as they were seen."""

    def __init__(self, objects: Iterable[StixObject] = ()) -> None:
        self._known: dict[str, Marking] = dict(_KNOWN)
        for one in objects:
            self.learn(one)

    def learn(self, one: StixObject) -> None:
        # What an id of TLP's means is fixed; a definition that says otherwise is not believed.
        if one.type == "marking-definition" and one.id not in self._known:
            self._known[one.id] = _meaning(one.raw)

    def unknown(self, one: StixObject) -> list[str]:
        """The definitions that it refers to and that nobody showed."""
        return [marking for marking in one.markings if marking not in self._known]

    def marking_of(self, one: StixObject, *, unmarked: Marking = Marking.CLEAR) -> Marking:
        """The closest of its markings; ``unmarked`` when it has none."""
        found = [self._known.get(marking, Marking.RED) for marking in one.markings]
        if one.type == "marking-definition":
            return Marking.CLEAR  # says what a marking means, to whoever may see what is marked
        return max(found, default=unmarked)


def _meaning(raw: Mapping[str, Any]) -> Marking:
    definition = raw.get("definition")
    if raw.get("definition_type") == "tlp" and isinstance(definition, dict):
        return _BY_LABEL.get(str(definition.get("tlp", "")).lower(), Marking.RED)
    extension = raw.get("extensions", {}).get(_EXTENSION)
    if isinstance(extension, dict):
        return _BY_LABEL.get(str(extension.get("tlp_2_0", "")).lower(), Marking.RED)
    # A statement (terms of use, a copyright) says nothing about who may see it.
    return Marking.CLEAR if raw.get("definition_type") == "statement" else Marking.RED


def require_shareable(one: StixObject, marking: Marking, audience: Audience, to: str) -> None:
    """Raises ``NotShareable`` when ``audience`` may not have it."""
    if marking > audience.ceiling:
        raise NotShareable(one.id, marking.label, to, _WHY[audience])
