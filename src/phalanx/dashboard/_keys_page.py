"""The keys section: identities, the vault, and where secret randomness comes from.

The vault is the node's own; like over the API, only an admin of the default tenant sees it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS
from phalanx.crypto.entropy import SourceStatus
from phalanx.crypto.identity import Reissue, Told
from phalanx.crypto.vault import Level, Migration
from phalanx.dashboard._limits import IDENTITY_PAGE_ROWS
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class VaultView:
    """What seals data at rest. ``active`` counts the keys in use by level, from the root down.

    ``artefacts`` are all of the node's, ``forbidden`` certificates that rest on what the settings forbid.
    """

    wrapper: str
    seal_with: str
    active: tuple[tuple[str, int], ...]
    shredded: tuple[str, ...]
    migration: Migration
    artefacts: int
    reissue: Reissue
    forbidden: int


@dataclass(frozen=True, slots=True)
class KeysView:
    """What the page shows. ``after`` leads to more identities; empty when there are none."""

    identities: list[Told]
    after: str
    vault: VaultView | None
    sources: list[SourceStatus]


async def keys_view(node: "Node", principal: Principal, after: str) -> KeysView:
    """The page whose identities begin behind the serial ``after``."""
    identities = await node.identities.page(after=after, limit=IDENTITY_PAGE_ROWS)
    keeper = principal.role is Role.ADMIN and principal.tenant == DEFAULT_TENANT
    return KeysView(
        identities=sorted(identities, key=_from_the_root_down),
        after=identities[-1].record.id if len(identities) == IDENTITY_PAGE_ROWS else "",
        vault=await _vault(node) if keeper else None,
        sources=list(node.noise.status()),
    )


def _from_the_root_down(told: Told) -> tuple[int, str, int]:
    subject = told.record.subject
    return subject.count("/"), subject, told.record.epoch


async def _vault(node: "Node") -> VaultView:
    active: Counter[Level] = Counter()
    after = ""
    while found := await node.vault.keys(after=after, limit=MAX_PAGE_ROWS):
        active.update(key.level for key in found if key.state.value == "active")
        after = found[-1].id
    return VaultView(
        wrapper=node.vault.wrapper,
        seal_with=node.vault.seal_with,
        active=tuple((level.value, active[level]) for level in Level),
        shredded=tuple(sorted(node.vault.shredded_tenants)),
        migration=await node.migration.status(),
        artefacts=await node.artefacts.count(),
        reissue=await node.identities.reissue.status(),
        forbidden=len(await node.identities.reissue.forbidden()),
    )
