"""How each kind is routed: one small object per kind, and nothing of it anywhere else.

``priority`` orders what waits in a mailbox, 0 first. ``credit`` is how many of the kind may be without an end at one
recipient. What ``yields`` gives way when there is no room, the highest number first; alerts and consensus never do:
who sends them waits, or is told. ``keeps_newest`` says that a newer one makes an older one worthless.
"""

from dataclasses import dataclass

from phalanx.core import NS_PER_S
from phalanx.messaging._kinds import Guarantee, Kind, Recipients
from phalanx.messaging._marking import Marking

PRIORITIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The routing of one kind."""

    kind: Kind
    recipients: Recipients
    paths: int  # how many disjoint ways between processes it takes at once
    priority: int
    guarantee: Guarantee
    marking: Marking  # when the sender says nothing
    credit: int
    yields: bool
    keeps_newest: bool = False
    patience_ns: int = 30 * NS_PER_S  # deadline when the sender gives none

    @property
    def acknowledged(self) -> bool:
        """Whether its end is told to the sender."""
        return self.guarantee >= Guarantee.TAKEN


DISCOVERY = Policy(
    kind=Kind.DISCOVERY, recipients=Recipients.RELEVANT, paths=2, priority=2, guarantee=Guarantee.DELIVERED,
    marking=Marking.GREEN, credit=128, yields=True, keeps_newest=True,
)  # fmt: skip
ALERT = Policy(
    kind=Kind.ALERT, recipients=Recipients.EVERYONE, paths=2, priority=0, guarantee=Guarantee.DURABLE,
    marking=Marking.GREEN, credit=1_024, yields=False, patience_ns=300 * NS_PER_S,
)  # fmt: skip
COORDINATION = Policy(
    kind=Kind.COORDINATION, recipients=Recipients.RELEVANT, paths=1, priority=1, guarantee=Guarantee.TAKEN,
    marking=Marking.AMBER_STRICT, credit=256, yields=True,
)  # fmt: skip
INTELLIGENCE = Policy(
    kind=Kind.INTELLIGENCE, recipients=Recipients.AUTHORISED, paths=1, priority=2, guarantee=Guarantee.TAKEN,
    marking=Marking.AMBER, credit=256, yields=True,
)  # fmt: skip
CONSENSUS = Policy(
    kind=Kind.CONSENSUS, recipients=Recipients.PARTICIPANTS, paths=1, priority=0, guarantee=Guarantee.DURABLE,
    marking=Marking.GREEN, credit=4_096, yields=False,
)  # fmt: skip
REPLY = Policy(
    kind=Kind.REPLY, recipients=Recipients.ONE, paths=1, priority=1, guarantee=Guarantee.DELIVERED,
    marking=Marking.AMBER_STRICT, credit=512, yields=True,
)  # fmt: skip
ACKNOWLEDGEMENT = Policy(
    kind=Kind.ACKNOWLEDGEMENT, recipients=Recipients.ONE, paths=1, priority=1, guarantee=Guarantee.NONE,
    marking=Marking.GREEN, credit=512, yields=True,
)  # fmt: skip
HEARTBEAT = Policy(
    kind=Kind.HEARTBEAT, recipients=Recipients.RELEVANT, paths=1, priority=3, guarantee=Guarantee.NONE,
    marking=Marking.GREEN, credit=1_024, yields=True, keeps_newest=True, patience_ns=5 * NS_PER_S,
)  # fmt: skip

# By the number of the kind.
POLICIES: tuple[Policy, ...] = tuple(
    sorted(
        (DISCOVERY, ALERT, COORDINATION, INTELLIGENCE, CONSENSUS, REPLY, ACKNOWLEDGEMENT, HEARTBEAT),
        key=lambda policy: policy.kind,
    )
)

# What is asked of every envelope, without the way over an object.
ACKNOWLEDGED: tuple[bool, ...] = tuple(policy.acknowledged for policy in POLICIES)


def policy_of(kind: Kind) -> Policy:
    """The policy of ``kind``."""
    return POLICIES[kind]
