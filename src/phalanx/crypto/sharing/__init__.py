"""Secrets that no single person holds: k of n shares recover one, and lies are found and named.

``split`` and ``recover`` share one 256-bit secret and decode it even if shares are wrong;
``PEDERSEN``, ``FELDMAN`` and ``HASH`` share it verifiably. ``Participant`` generates a secret without a dealer,
refreshes its shares and passes it on to another committee. ``make_escrow``, ``begin_ceremony``,
``release_share`` and ``reconstruct`` put a secret into the hands of custodians and get it back;
``Escrows`` records every step of that.

Errors::

    CryptoError
    └── SharingError
        ├── InvalidShare        damaged, of another set or epoch, or refuted by its commitment
        ├── NotEnoughShares     fewer usable shares than the threshold
        ├── Undecodable         more shares are wrong than can be told from right ones
        ├── InvalidDealing      what a dealer published is not a valid sharing
        ├── GenerationFailed    a run without a dealer ended without a key
        ├── InvalidEscrow       an escrow document cannot be opened
        ├── CeremonyClosed      a ceremony is over
        ├── NotRegistered       a ceremony is in no ledger yet
        └── ReleaseRefused      a release belongs to another ceremony or custodian
"""

from phalanx.crypto.sharing._ceremony import Ceremony, Opened, Release, begin_ceremony, reconstruct, release_share
from phalanx.crypto.sharing._committee import (
    CommitteeKey,
    CommitteePlan,
    CommitteeSeat,
    CommitteeShare,
    plan_committee,
    read_committee,
)
from phalanx.crypto.sharing._custody import Card, Keyholder, read_card
from phalanx.crypto.sharing._errors import (
    CeremonyClosed,
    GenerationFailed,
    InvalidDealing,
    InvalidEscrow,
    InvalidShare,
    NotEnoughShares,
    NotRegistered,
    ReleaseRefused,
    SharingError,
    Undecodable,
)
from phalanx.crypto.sharing._escrow import Escrow, Signed, make_escrow, own_share, read_signed
from phalanx.crypto.sharing._escrows import CeremonyStatus, Escrows
from phalanx.crypto.sharing._groups import Group, ffdhe2048, ffdhe3072, safe_prime_group
from phalanx.crypto.sharing._joint import Joint, KeyShare
from phalanx.crypto.sharing._limits import MAX_CUSTODIAN_NAME_CHARS, MAX_DOCUMENT_BYTES, MAX_SHARES
from phalanx.crypto.sharing._participant import Generated, OwnDealing, Participant
from phalanx.crypto.sharing._plan import Member, Message, Plan, Round
from phalanx.crypto.sharing._seat import Step, step, take_seat
from phalanx.crypto.sharing._shares import Recovered, Share, recover, split
from phalanx.crypto.sharing._verifiable import (
    FELDMAN,
    HASH,
    PEDERSEN,
    Commitment,
    Dealing,
    GroupScheme,
    HashScheme,
    Scheme,
    Terms,
    VerifiableShare,
    recover_verified,
)

__all__ = [
    "FELDMAN",
    "HASH",
    "MAX_CUSTODIAN_NAME_CHARS",
    "MAX_DOCUMENT_BYTES",
    "MAX_SHARES",
    "PEDERSEN",
    "Card",
    "Ceremony",
    "CeremonyClosed",
    "CeremonyStatus",
    "Commitment",
    "CommitteeKey",
    "CommitteePlan",
    "CommitteeSeat",
    "CommitteeShare",
    "Dealing",
    "Escrow",
    "Escrows",
    "Generated",
    "GenerationFailed",
    "Group",
    "GroupScheme",
    "HashScheme",
    "InvalidDealing",
    "InvalidEscrow",
    "InvalidShare",
    "Joint",
    "KeyShare",
    "Keyholder",
    "Member",
    "Message",
    "NotEnoughShares",
    "NotRegistered",
    "Opened",
    "Participant",
    "Plan",
    "Recovered",
    "Release",
    "ReleaseRefused",
    "Round",
    "Scheme",
    "Share",
    "SharingError",
    "Signed",
    "Terms",
    "Undecodable",
    "VerifiableShare",
    "OwnDealing",
    "Step",
    "begin_ceremony",
    "ffdhe2048",
    "ffdhe3072",
    "make_escrow",
    "own_share",
    "plan_committee",
    "read_committee",
    "step",
    "take_seat",
    "read_card",
    "read_signed",
    "reconstruct",
    "recover",
    "recover_verified",
    "release_share",
    "safe_prime_group",
    "split",
]
