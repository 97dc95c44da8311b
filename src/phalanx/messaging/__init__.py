"""What agents say to each other: envelopes, a bus, and the routing of each kind.

``Bus`` is the entry point: an agent joins as a ``Member``, gets a ``Mailbox``, and sends and receives through it. How
each kind is routed, how reliably it is delivered and who may read it is in ``_policies``. Within one process nothing is
sealed; between processes links deliver over whatever transport there is.

Errors::

    PhalanxError (core)
    ├── MessagingError
    │   ├── Undelivered             an envelope did not reach a recipient
    │   │   ├── UnknownRecipient    nobody is there under that name
    │   │   ├── DeadlinePassed      its time ran out
    │   │   ├── NoCredit            no room for more of the kind; nothing was dropped
    │   │   ├── Shed                it gave way in a full mailbox
    │   │   └── Unreachable         the process could not be reached
    │   ├── Refused                 for security reasons; the ledger has an entry
    │   │   ├── AudienceViolation   marking, audience or tenant forbid it
    │   │   ├── ForgedSender        the sender is not who it says
    │   │   ├── Replayed            it was delivered before
    │   │   └── StaleEpoch          its epoch is over
    │   └── MailboxClosed           the member is no longer on the bus
    ├── LimitExceeded (core)
    │   └── EnvelopeTooLarge
    └── WireError (core)
        └── Malformed               bytes are not an envelope or a frame
"""

from phalanx.messaging._broadcast import DeliveryReport
from phalanx.messaging._bus import Bus, running, surveyed
from phalanx.messaging._dead_letters import DEAD_LETTERS, DeadLetter, DeadLetters
from phalanx.messaging._directory import Directory, Instance
from phalanx.messaging._drawing import drawn
from phalanx.messaging._envelope import Envelope, decode_envelope, encode_envelope
from phalanx.messaging._errors import (
    AudienceViolation,
    DeadlinePassed,
    EnvelopeTooLarge,
    ForgedSender,
    MailboxClosed,
    Malformed,
    MessagingError,
    NoCredit,
    Refused,
    Replayed,
    Shed,
    StaleEpoch,
    Undelivered,
    UnknownRecipient,
    Unreachable,
)
from phalanx.messaging._kinds import Guarantee, Kind, Outcome, Recipients
from phalanx.messaging._links import LinkState
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._marking import ALL_TENANTS, Marking
from phalanx.messaging._member import EVERYONE, Member, participants, process_of, tagged
from phalanx.messaging._overlay import Graph, latency_tree, regular_graph, repaired
from phalanx.messaging._peers import ClearPeers, Peers
from phalanx.messaging._policies import POLICIES, Policy, policy_of
from phalanx.messaging._proofs import Proofs, SignedProofs
from phalanx.messaging._readership import may_carry, may_read
from phalanx.messaging._receipt import Receipt
from phalanx.messaging._sealed_peers import RefusedPeer, SealedPeers, process_named, subject_of
from phalanx.messaging._survey import Survey, SurveyedProcess, Way
from phalanx.messaging._surveyed_places import surveyed_places
from phalanx.messaging._topology import (
    GraphFigures,
    Places,
    TopologyReport,
    drawn_places,
    graphs_over,
    measured,
)
from phalanx.messaging._views import (
    BroadcastView,
    BusView,
    DeadLetterView,
    MemberView,
    RefusalView,
    RouteView,
    StreamView,
    show_bus,
    show_letter,
    show_members,
    show_report,
)

__all__ = [
    "show_report",
    "RefusalView",
    "BroadcastView",
    "repaired",
    "surveyed_places",
    "surveyed",
    "Way",
    "SurveyedProcess",
    "Survey",
    "regular_graph",
    "latency_tree",
    "Graph",
    "measured",
    "graphs_over",
    "drawn_places",
    "TopologyReport",
    "Places",
    "GraphFigures",
    "drawn",
    "BusView",
    "DeadLetterView",
    "MemberView",
    "RouteView",
    "StreamView",
    "show_bus",
    "show_letter",
    "show_members",
    "RefusedPeer",
    "SealedPeers",
    "process_named",
    "subject_of",
    "SignedProofs",
    "Proofs",
    "LinkState",
    "DeliveryReport",
    "DeadLetters",
    "DeadLetter",
    "DEAD_LETTERS",
    "ALL_TENANTS",
    "EVERYONE",
    "POLICIES",
    "AudienceViolation",
    "Bus",
    "ClearPeers",
    "DeadlinePassed",
    "Directory",
    "Envelope",
    "EnvelopeTooLarge",
    "ForgedSender",
    "Guarantee",
    "Instance",
    "Kind",
    "Mailbox",
    "MailboxClosed",
    "Malformed",
    "Marking",
    "Member",
    "MessagingError",
    "NoCredit",
    "Outcome",
    "Peers",
    "Policy",
    "Receipt",
    "Recipients",
    "Refused",
    "Replayed",
    "Shed",
    "StaleEpoch",
    "Undelivered",
    "UnknownRecipient",
    "Unreachable",
    "decode_envelope",
    "encode_envelope",
    "may_carry",
    "may_read",
    "participants",
    "policy_of",
    "process_of",
    "running",
    "tagged",
]
