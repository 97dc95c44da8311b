"""What a class of OCSF is. The classes themselves are generated from the published schema: ``ocsf``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Activity(NamedTuple):
    """A class of OCSF and the activity in it, as every event says them."""

    class_uid: int
    class_name: str
    category_uid: int
    category_name: str
    activity_id: int
    activity_name: str


@dataclass(frozen=True)
class OcsfClass:
    """A class: its number, its activities by theirs, and the attributes it has beyond those of every event."""

    class_uid: int
    class_name: str
    category_uid: int
    category_name: str
    activities: Mapping[int, str]
    own_attributes: str

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The attributes it has beyond those of every event."""
        return frozenset(self.own_attributes.split())

    def activity(self, number: int) -> Activity:
        """One of its activities; what the class does not name is Other."""
        known = number if number in self.activities else 99
        return Activity(
            self.class_uid, self.class_name, self.category_uid, self.category_name, known,
            self.activities.get(known, "Other"),
        )  # fmt: skip
