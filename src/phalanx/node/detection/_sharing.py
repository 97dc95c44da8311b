"""Shared intelligence: the way in and out, and the sources that are pulled, built from the settings."""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.adapters.keys import read_private
from phalanx.core import DEFAULT_TENANT, AuditSink, Clock, InvalidInput, PhalanxError, Store, TenantId
from phalanx.intel.sharing import (
    Audience,
    Credentials,
    Exchange,
    IndicatorSink,
    Pulling,
    Source,
    Taken,
    TaxiiClient,
    Teller,
    marking_named,
)
from phalanx.messaging import Marking
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.settings._settings import Settings, TaxiiSource

_PERSON = b"phalanx sharing"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a node shares with: ``exchange`` is the way in and out, ``pulling`` the sources elsewhere."""

    exchange: Exchange
    pulling: Pulling
    organisation: str
    unmarked: Marking
    secret: bytes
    sink: IndicatorSink | None = None

    def teller(self, marking: Marking | None = None) -> Teller:
        """Who tells of the node's findings, marked as the settings say unless somebody says otherwise."""
        return Teller(self.organisation, self.unmarked if marking is None else marking, self.secret)

    async def look_for(self, tenant: TenantId, origin: str, taken: Taken) -> Sequence[tuple[str, str]] | None:
        """Hand values on to be looked for; those that are not, with the reasons. None where nothing here looks."""
        if self.sink is None:
            return None
        if not taken.indicators and not taken.revoked:
            return ()
        return await self.sink.take(tenant, origin, taken.indicators, taken.revoked)

    def start(self, services: Services, clock: Clock) -> None:
        """Pull each source for as long as the node runs."""
        if self.pulling.sources:
            services.start("taxii", lambda: _pull_all(self.pulling, clock))


def opened_sharing(
    settings: Settings, ports: Ports, store: Store, audit: AuditSink, sink: IndicatorSink | None = None
) -> Sharing:
    """Over the node's store and ledger. ``sink`` is where values to look for go."""
    unmarked = marking_named(settings.taxii.unmarked)
    assert unmarked is not None, settings.taxii.unmarked
    exchange = Exchange(store, ports.clock, ports.ids, audit, unmarked=unmarked)
    sources = [_source(one, ports) for one in settings.taxii.sources]
    if len({one.name for one in sources}) < len(sources):
        raise InvalidInput("taxii.sources", "two of them have one name")
    # Of the node's own key, so that the ids it gives stay the same as long as it is the same node.
    secret = hashlib.blake2b(ports.signer.to_bytes(), digest_size=32, person=_PERSON).digest()
    pulling = Pulling(exchange, store, ports.clock, sources, sink=sink)
    return Sharing(exchange, pulling, settings.identity.organisation, unmarked, secret, sink)


def _source(wanted: TaxiiSource, ports: Ports) -> Source:
    if ports.asks is None:
        raise InvalidInput("taxii.sources", "this node has no way to ask other places")
    try:
        secret = "" if wanted.secret is None else read_private(wanted.secret).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("taxii.sources.secret", f"{wanted.secret} cannot be read: {error}") from error
    client = TaxiiClient(ports.asks(wanted.ca), ports.clock, wanted.url, Credentials(wanted.user, secret))
    return Source(wanted.name, wanted.url, wanted.collection, client, wanted.every_s, Audience(wanted.audience))


async def _pull_all(pulling: Pulling, clock: Clock) -> None:
    async with asyncio.TaskGroup() as group:
        for source in pulling.sources.values():
            group.create_task(_pull_often(pulling, source, clock))


async def _pull_often(pulling: Pulling, source: Source, clock: Clock) -> None:
    while True:
        # What went wrong is noted with the source, shown, and tried again at the next turn.
        with contextlib.suppress(PhalanxError):
            await pulling.pull(DEFAULT_TENANT, source.name)
        await clock.sleep(source.every_s)
