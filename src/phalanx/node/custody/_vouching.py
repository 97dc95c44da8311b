"""What vouches for the ledger, wired to a node: witnesses, gossip, timestamps, evidence.

All of it exists on every node, because others may ask; a service that contacts others runs only if the settings
name them.
"""

from dataclasses import dataclass

from phalanx.core import AlertSink, InvalidInput, Store
from phalanx.ledger import Ledger
from phalanx.ledger.evidence import CaseIndex, Evidence
from phalanx.ledger.witness import (
    Cosigner,
    Gossip,
    Seen,
    Timestamps,
    TrustedLog,
    WatchedLog,
    Witness,
    Witnesses,
    WitnessKeys,
    WitnessPeer,
)
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Vouching:
    """``witness`` cosigns for others, ``witnesses`` are asked to cosign for this node."""

    log: TrustedLog
    witness: Witness
    witnesses: Witnesses
    gossip: Gossip
    evidence: Evidence
    _timestamps: Timestamps | None
    _settings: Settings

    def start(self, services: Services) -> None:
        """Run what the settings ask for."""
        ledger = self._settings.ledger
        services.start("ledger-cases", self.evidence.cases.run)
        if ledger.witnesses:
            services.start("ledger-witnesses", self.witnesses.run)
        if ledger.neighbours or ledger.witness_for:
            services.start("ledger-gossip", self.gossip.run)
        if self._timestamps is not None:
            services.start("ledger-timestamps", self._timestamps.run)


async def build_vouching(
    settings: Settings, ports: Ports, store: Store, ledger: Ledger, telemetry: Telemetry, alerts: AlertSink
) -> Vouching:
    """Raises ``InvalidInput`` for keys or certificates that are none, and ``Unavailable`` for a missing extra."""
    watched = [WatchedLog(_log(one.keys), one.url.rstrip("/")) for one in settings.ledger.witness_for]
    peers = [WitnessPeer(_witness(one.keys), one.url.rstrip("/")) for one in settings.ledger.witnesses]
    for what, names in (
        ("ledger.witness_for", [one.log.origin for one in watched]),
        ("ledger.witnesses", [one.keys.name for one in peers]),
    ):
        if len(set(names)) < len(names):
            raise InvalidInput(what, "one name stands there twice")
    if settings.ledger.quorum > len(peers):
        raise InvalidInput("ledger.quorum", f"{settings.ledger.quorum} of {len(peers)} witnesses cannot be had")
    clock, calls = ports.clock, ports.calls
    gossip = Gossip(
        Seen(store), ledger, watched, [url.rstrip("/") for url in settings.ledger.neighbours],
        calls=calls, clock=clock, telemetry=telemetry, alerts=alerts, audit=ledger,
    )  # fmt: skip
    witnesses = Witnesses(
        ledger, store, peers, quorum=settings.ledger.quorum,
        calls=calls, clock=clock, telemetry=telemetry, alerts=alerts,
    )  # fmt: skip
    return Vouching(
        log=TrustedLog.of(ledger.origin, ledger.public_key),
        witness=Witness(
            store, Cosigner(ports.signer), [one.log for one in watched],
            clock=clock, telemetry=telemetry, on_seen=gossip.saw,
        ),
        witnesses=witnesses,
        gossip=gossip,
        evidence=Evidence(ledger, witnesses, store, CaseIndex(ledger, store, ports.signer, clock)),
        _timestamps=await _timestamps(settings, ports, store, ledger, telemetry, alerts),
        _settings=settings,
    )  # fmt: skip


async def _timestamps(
    settings: Settings, ports: Ports, store: Store, ledger: Ledger, telemetry: Telemetry, alerts: AlertSink
) -> Timestamps | None:
    url, file = settings.ledger.timestamp_url, settings.ledger.timestamp_ca
    if not url:
        return None
    if file is None:
        raise InvalidInput("ledger.timestamp_ca", "a timestamp is worth what its certificates are: name the file")
    try:
        roots = await ports.offload.run(file.read_text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("ledger.timestamp_ca", f"{file} cannot be read: {error}") from error
    try:
        return Timestamps(
            ledger, store, url=url, roots_pem=roots, every_s=settings.ledger.timestamp_every_s,
            calls=ports.calls, clock=ports.clock, telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
    except InvalidInput as error:
        raise InvalidInput("ledger.timestamp_ca", f"{file}: {error.message}") from error


def _log(keys: tuple[str, ...]) -> TrustedLog:
    try:
        return TrustedLog.from_texts(keys)
    except InvalidInput as error:
        raise InvalidInput("ledger.witness_for", error.message) from error


def _witness(keys: tuple[str, ...]) -> WitnessKeys:
    try:
        return WitnessKeys.from_texts(keys)
    except InvalidInput as error:
        raise InvalidInput("ledger.witnesses", error.message) from error
