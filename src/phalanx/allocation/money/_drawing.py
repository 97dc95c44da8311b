"""The accounts that one job draws on, read once and written together with it."""

from collections.abc import Callable

from phalanx.allocation.money._accounts import Account
from phalanx.allocation.money._records import ACCOUNTS, CHARGES, Charge
from phalanx.core import NO_TRACE, Clock, Expect, Put, Store, TenantId, decode, encode
from phalanx.devices import Dues


async def read_account(store: Store, clock: Clock, tenant: TenantId, key: str) -> tuple[Account, int]:
    """The account and its version; an empty one at version 0 where nothing was drawn yet."""
    row = await store.get(ACCOUNTS, tenant, key)
    if row is None:
        return Account(id=key, tenant=tenant, trace=NO_TRACE, at_ns=clock.wall_ns()), 0
    return decode(row.value, Account), row.version


class Drawing:
    """Changes to accounts of one tenant that are not written yet."""

    def __init__(self, store: Store, clock: Clock, tenant: TenantId) -> None:
        self._store, self._clock, self._tenant = store, clock, tenant
        self._now: dict[str, Account] = {}
        self._versions: dict[str, int] = {}

    async def account(self, key: str) -> Account:
        """As it would be after what was changed so far."""
        if key not in self._now:
            self._now[key], self._versions[key] = await read_account(self._store, self._clock, self._tenant, key)
        return self._now[key]

    async def change(self, key: str, change: Callable[[Account], Account]) -> None:
        self._now[key] = change(await self.account(key))

    def dues(self, charge: Charge, version: int) -> Dues:
        """The charge, which stands at ``version`` now, and the accounts, as they have to be written."""
        index = {"account": [hold.account for hold in charge.holds]}
        return Dues(
            writes=[
                Put(CHARGES, self._tenant, charge.id, encode(charge), index),
                *(Put(ACCOUNTS, self._tenant, key, encode(account)) for key, account in self._now.items()),
            ],
            expect=[
                Expect(CHARGES, self._tenant, charge.id, version),
                *(Expect(ACCOUNTS, self._tenant, key, at) for key, at in self._versions.items()),
            ],
        )
