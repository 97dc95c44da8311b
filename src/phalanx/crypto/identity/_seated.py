"""Which agents a start of the node has seated: written down, told to the ledger, and ended by the next start.

An agent's private key lives in memory only, so with the process it is gone. Its certificate would
go on being good until it expires, for whoever got hold of the key before. So the next start
revokes what the ones before have seated, before it seats anybody. A ledger entry commits to each
set with a digest over its certificates: whoever is shown a set can tell whether it is the one.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Delete, Put, Record, Table, Write, encode
from phalanx.crypto.identity._identity import Identity
from phalanx.crypto.identity._limits import MAX_REVOCATIONS, SPARED_REVOCATIONS
from phalanx.crypto.identity._revocation import Revocation, RevocationList, Why

SEATED = Table("identity_seated")
_NOTE = "its node started anew"
_DOMAIN = b"phalanx seated agents v1\x00"


class SeatedAgent(msgspec.Struct, frozen=True):
    """One certificate of an agent, by what a revocation of it takes."""

    serial: str
    subject: str
    not_after_ns: int


class SeatedSet(Record, frozen=True, kw_only=True, tag="identity-seated"):
    """Agents that were written down in one commit. Its id is the digest over them."""

    agents: tuple[SeatedAgent, ...]


def seated_set(identities: Sequence[Identity], at_ns: int) -> SeatedSet:
    leaves = [one.chain.leaf for one in identities]
    agents = sorted(
        (SeatedAgent(leaf.serial, str(leaf.subject), leaf.not_after_ns) for leaf in leaves), key=lambda one: one.serial
    )
    digest = set_digest([(leaf.serial, str(leaf.subject), leaf.key_fingerprint) for leaf in leaves])
    return SeatedSet(id=digest, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns, agents=tuple(agents))


def set_digest(agents: Sequence[tuple[str, str, str]]) -> str:
    """What the ledger's entry says of a set: over serial, subject and key fingerprint of each, in order of serial."""
    whole = hashlib.sha256(_DOMAIN)
    for serial, subject, key in sorted(agents):
        whole.update(f"{serial} {subject} {key}\n".encode())
    return whole.hexdigest()


def seated_put(found: SeatedSet) -> Put:
    return Put(SEATED, DEFAULT_TENANT, found.id, encode(found))


def endings(
    sets: Sequence[SeatedSet], known: RevocationList | None, now_ns: int
) -> tuple[list[Revocation], list[Write], int]:
    """What ends the agents of ``sets``, the writes that forget the sets, and how many have to expire instead.

    Some room is left in the list for revocations that somebody asks for; who expires last goes first.
    """
    there = {entry.serial for entry in known.entries} if known else set()
    room = max(0, MAX_REVOCATIONS - SPARED_REVOCATIONS - len(there))
    agents = [one for found in sets for one in found.agents if one.not_after_ns > now_ns and one.serial not in there]
    agents.sort(key=lambda one: -one.not_after_ns)
    entries = [
        Revocation(
            serial=one.serial, subject=one.subject, why=Why.SUPERSEDED, since_ns=now_ns,
            not_after_ns=one.not_after_ns, note=_NOTE,
        )
        for one in agents[:room]
    ]  # fmt: skip
    return entries, [Delete(SEATED, DEFAULT_TENANT, found.id) for found in sets], max(0, len(agents) - room)
