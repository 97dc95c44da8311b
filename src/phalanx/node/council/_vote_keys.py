"""Agents' vote keys, generated before they are needed: a tree takes 45 ms, and a question must not wait for
hundreds.

One spare key per voter is ready beside the one in use, generated in the background, sealed in the store. After
every question the next leaves of those in use are reserved and prepared as well, all in one commit. A key is not
made for a particular epoch: the epoch it is first used in binds its root. Used-up keys are erased, and so are those
that the store still holds from an earlier life of the node: their owners are gone, see ``_chamber``.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from phalanx.consensus.votes import VOTE_KEYS, KeyName, VoteKeys, reserve_all
from phalanx.core import DEFAULT_TENANT, Delete, Store, Unavailable
from phalanx.crypto.vault import Vault
from phalanx.node._limits import AGREEMENT_LEAVES, VOTE_KEYS_EVERY_S
from phalanx.node._ports import Ports

_PURPOSE = "vote-keys"


class VoteKeyShelf:
    """See the module. ``run`` makes keys ahead; without it they are made when they are taken."""

    def __init__(self, store: Store, vault: Vault, ports: Ports) -> None:
        self._store = store
        self._vault = vault
        self._ports = ports
        self._ready: dict[str, VoteKeys] = {}
        self._in_use: Sequence[VoteKeys] = ()
        self._made = 0
        self._cleared = False
        self._stirred = asyncio.Event()
        self._making = asyncio.Lock()
        self._reserving = asyncio.Lock()

    @property
    def ready(self) -> frozenset[str]:
        """Who has a key ready."""
        return frozenset(self._ready)

    async def take(self, agent: str) -> VoteKeys:
        """A key that nobody has seen. Made on the spot when none is ready."""
        return self._ready.pop(agent, None) or await self._make(agent)

    async def use(self, keys: Sequence[VoteKeys]) -> None:
        """These are in use from now on, and those before are done with."""
        done, self._in_use = self._in_use, keys
        await self._erase(done)
        self.stir()

    async def reserve(self, at_least: int) -> None:
        """See that every key in use can cast so many votes. Raises ``LeavesExhausted``."""
        async with self._reserving:
            await reserve_all(self._store, self._in_use, at_least)

    def stir(self) -> None:
        """Votes were cast: others can be made ready."""
        self._stirred.set()

    async def run(self, voters: Callable[[], Sequence[str]]) -> None:
        """Until cancelled: keep a key ready for each of ``voters``."""
        while True:
            names = voters()
            gone = [self._ready.pop(name) for name in self._ready.keys() - set(names)]
            await self._erase(gone)
            await self._prepare()
            for name in names:
                if name not in self._ready:
                    self._ready[name] = await self._make(name)
            self._stirred.clear()
            sleeping = asyncio.ensure_future(self._ports.clock.sleep(VOTE_KEYS_EVERY_S))
            waiting = asyncio.ensure_future(self._stirred.wait())
            try:
                await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeping.cancel()
                waiting.cancel()

    async def _prepare(self) -> None:
        """So that the next question finds leaves that were taken, and are ready."""
        keys = self._in_use
        low, full = 2 * AGREEMENT_LEAVES, 6 * AGREEMENT_LEAVES
        if keys and min(one.reserved for one in keys) < low and min(one.left for one in keys) >= full:
            await self.reserve(full)
        for one in keys:
            await self._ports.offload.run(one.prepare)

    async def _make(self, agent: str) -> VoteKeys:
        async with self._making:
            await self._clear()
            if self._ports.kernels is not None:
                # Ten seconds once on a machine, during which this process would stand still if it did it itself.
                with suppress(Unavailable):
                    await self._ports.kernels.compile("votes")
            self._made += 1
            return await VoteKeys.create(
                KeyName(DEFAULT_TENANT, agent, f"key {self._made}"), self._store,
                seal=await self._vault.sealer(DEFAULT_TENANT, _PURPOSE),
                entropy=self._ports.entropy, clock=self._ports.clock, offload=self._ports.offload,
            )  # fmt: skip

    async def _clear(self) -> None:
        """Before the first key: what an earlier life left."""
        while not self._cleared:
            rows = await self._store.scan(VOTE_KEYS, DEFAULT_TENANT)
            if rows:
                await self._store.commit([Delete(VOTE_KEYS, DEFAULT_TENANT, row.key) for row in rows])
            self._cleared = not rows

    async def _erase(self, keys: Iterable[VoteKeys]) -> None:
        for one in keys:
            await one.erase()
