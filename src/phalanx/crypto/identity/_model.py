"""Who has an identity, and what it may be used for."""

import re
from dataclasses import dataclass
from enum import Enum

from phalanx.core import InvalidInput
from phalanx.crypto.identity._limits import (
    AGENT_LIFETIME_NS,
    MAX_SEGMENT_CHARS,
    NODE_LIFETIME_NS,
    ORGANISATION_LIFETIME_NS,
    PERSON_LIFETIME_NS,
)

_SEGMENT = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_SEGMENT_CHARS - 1}}}")


class SubjectKind(Enum):
    """What sort of thing an identity belongs to."""

    ORGANISATION = "organisation"
    NODE = "node"
    AGENT = "agent"
    PERSON = "person"


class Use(Enum):
    """What an identity may do with its key."""

    ISSUE = "issue"
    SIGN = "sign"
    CHANNEL = "channel"


# How many segments a name of each kind has, and who issues it. An organisation issues its own root.
DEPTH = {SubjectKind.ORGANISATION: 1, SubjectKind.NODE: 2, SubjectKind.PERSON: 2, SubjectKind.AGENT: 3}
ISSUER = {
    SubjectKind.ORGANISATION: SubjectKind.ORGANISATION,
    SubjectKind.NODE: SubjectKind.ORGANISATION,
    SubjectKind.PERSON: SubjectKind.ORGANISATION,
    SubjectKind.AGENT: SubjectKind.NODE,
}
# Every use that a kind can be given; what an identity is given is these unless less is asked for.
USES = {
    SubjectKind.ORGANISATION: (Use.ISSUE, Use.SIGN),
    SubjectKind.NODE: (Use.CHANNEL, Use.ISSUE, Use.SIGN),
    SubjectKind.PERSON: (Use.CHANNEL, Use.SIGN),
    SubjectKind.AGENT: (Use.CHANNEL, Use.SIGN),
}
LIFETIME_NS = {
    SubjectKind.ORGANISATION: ORGANISATION_LIFETIME_NS,
    SubjectKind.NODE: NODE_LIFETIME_NS,
    SubjectKind.PERSON: PERSON_LIFETIME_NS,
    SubjectKind.AGENT: AGENT_LIFETIME_NS,
}


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Whose identity it is: a kind and a name whose segments lead down from the organisation, ``acme/hq``."""

    kind: SubjectKind
    name: str

    def __post_init__(self) -> None:
        segments = self.name.split("/")
        if len(segments) != DEPTH[self.kind] or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise InvalidInput(
                "subject",
                f"{self.name[:80]!r} is no name of the kind {self.kind.value}, which has {DEPTH[self.kind]} parts",
                hint="parts are a-z, 0-9, dot, dash and underscore, joined by '/': acme, acme/hq, acme/hq/agent-1",
            )

    @classmethod
    def parse(cls, text: str) -> "Subject":
        """The inverse of ``str``: ``node:acme/hq``. Raises ``InvalidInput``."""
        kind, _, name = text.partition(":")
        try:
            return cls(SubjectKind(kind), name)
        except ValueError as error:
            kinds = ", ".join(known.value for known in SubjectKind)
            raise InvalidInput("subject", f"{kind[:40]!r} is none of {kinds}", hint="write KIND:NAME") from error

    def below(self, kind: SubjectKind, segment: str) -> "Subject":
        """The subject of that kind directly beneath this one."""
        return Subject(kind, f"{self.name}/{segment}")

    def governs(self, other: "Subject") -> bool:
        """Whether ``other`` lies beneath this subject, at any depth."""
        return other.name.startswith(f"{self.name}/")

    @property
    def issuer(self) -> "Subject":
        """Who issues certificates of this subject; an organisation does so itself."""
        if self.kind is SubjectKind.ORGANISATION:
            return self
        return Subject(ISSUER[self.kind], self.name.rpartition("/")[0])

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"
