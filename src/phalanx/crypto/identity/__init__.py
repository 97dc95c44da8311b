"""Identities: who signs, on whose authority, since when, and until when.

An organisation, its nodes, their agents and its people each have a signing key and a chain of
certificates up to the organisation's root. ``validate`` holds the rules, as a pure function;
``Identities`` keeps a node's own, issues, rotates, revokes, and verifies what others present.

Errors::

    CryptoError
    └── IdentityError
        ├── InvalidCertificate      bytes are not a certificate, chain or list in our format
        ├── BrokenChain             a chain is not valid; names the link
        │   ├── WrongIssuer         the next certificate did not issue this one
        │   ├── KindNotAllowed      that kind of subject does not issue this kind
        │   ├── NameNotAllowed      the name is not below the issuer's
        │   ├── UseNotAllowed       not issued for this use
        │   ├── OutsideValidity     not valid yet, or expired
        │   ├── EpochPassed         the subject has rotated since
        │   ├── Revoked             withdrawn by its issuer
        │   ├── NotSigned           the issuer's signature is not valid
        │   ├── ForbiddenInChain    it rests on an algorithm that the policy forbids
        │   └── UntrustedRoot       it ends at an organisation that is not trusted here
        └── RevocationRefused       a list of revocations is not accepted
            ├── ListRolledBack      older than the one already known
            └── ListForked          contradicts the one already known
"""

from phalanx.crypto.identity._certificate import Certificate, Request, sign_certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._errors import (
    BrokenChain,
    EpochPassed,
    ForbiddenInChain,
    IdentityError,
    InvalidCertificate,
    KindNotAllowed,
    ListForked,
    ListRolledBack,
    NameNotAllowed,
    NotSigned,
    OutsideValidity,
    RevocationRefused,
    Revoked,
    UntrustedRoot,
    UseNotAllowed,
    WrongIssuer,
)
from phalanx.crypto.identity._identities import Identities, Told
from phalanx.crypto.identity._identity import Identity, KeyCabinet, require_signature
from phalanx.crypto.identity._limits import MAX_CHAIN_BYTES, MAX_LIST_BYTES, MAX_REQUEST_BYTES
from phalanx.crypto.identity._model import Subject, SubjectKind, Use
from phalanx.crypto.identity._own import Names
from phalanx.crypto.identity._path import NothingKnown, Standing, Verified, validate
from phalanx.crypto.identity._records import IDENTITIES, IdentityRecord
from phalanx.crypto.identity._register import Register
from phalanx.crypto.identity._reissue import Forbidden, Reissue, ReissueJob, ReissueState
from phalanx.crypto.identity._request import KeyRequest
from phalanx.crypto.identity._revocation import Listed, Revocation, RevocationList, Why, check_succession, sign_list
from phalanx.crypto.identity._seated import set_digest
from phalanx.crypto.identity._seats import Seats
from phalanx.crypto.identity._upkeep import Progress, Upkeep

__all__ = [
    "IDENTITIES",
    "MAX_CHAIN_BYTES",
    "MAX_LIST_BYTES",
    "MAX_REQUEST_BYTES",
    "BrokenChain",
    "Certificate",
    "Chain",
    "EpochPassed",
    "Forbidden",
    "ForbiddenInChain",
    "Identities",
    "Identity",
    "IdentityError",
    "IdentityRecord",
    "InvalidCertificate",
    "KeyCabinet",
    "KeyRequest",
    "KindNotAllowed",
    "ListForked",
    "Listed",
    "ListRolledBack",
    "NameNotAllowed",
    "Names",
    "NotSigned",
    "NothingKnown",
    "OutsideValidity",
    "Progress",
    "Register",
    "Reissue",
    "ReissueJob",
    "ReissueState",
    "Request",
    "Revocation",
    "RevocationList",
    "RevocationRefused",
    "Revoked",
    "Seats",
    "Standing",
    "Subject",
    "SubjectKind",
    "Told",
    "UntrustedRoot",
    "Upkeep",
    "Use",
    "UseNotAllowed",
    "Verified",
    "Why",
    "WrongIssuer",
    "check_succession",
    "require_signature",
    "set_digest",
    "sign_certificate",
    "sign_list",
    "validate",
]
