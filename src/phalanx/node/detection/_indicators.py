"""Indicators of a node: opened, kept tidy, fed by shared intelligence, and matched with kernels once that pays."""

from collections.abc import Sequence
from pathlib import Path

from phalanx.core import NS_PER_S, InvalidInput, PhalanxError, Store, TenantId
from phalanx.intel import Sentinel
from phalanx.intel.indicators import (
    MAX_CALL_VALUES,
    Indicator,
    IndicatorDetector,
    Indicators,
    Kind,
    MemoryShelf,
    WarningList,
    Warninglists,
    guess_kind,
    read_warninglist,
    warm_indicators,
)
from phalanx.intel.sharing import SharedIndicator
from phalanx.intel.signs import DowngradeDetector, HarvestDetector, SeenKeysDetector
from phalanx.node._limits import INDICATORS_LOOK_S, INDICATORS_TIDY_S, KERNELS_FROM_INDICATORS
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry

_LIST = "list.json"
# STIX says `hash` for all of them, and their length tells which.
_KINDS = {"ip": Kind.NETWORK, "domain": Kind.DOMAIN, "url": Kind.URL, "email": Kind.EMAIL}


async def opened_indicators(settings: Settings, ports: Ports, store: Store) -> Indicators:
    """What is looked for, as the store has it, beside the warninglists of the settings."""
    folder = settings.indicators.warninglists
    lists = [] if folder is None else await ports.offload.run(read_warninglists, folder)
    indicators = Indicators(
        store, MemoryShelf() if ports.shelf is None else ports.shelf, clock=ports.clock, offload=ports.offload,
        entropy=ports.entropy, lists=await ports.offload.run(Warninglists, lists), hygiene=settings.indicators.hygiene,
    )  # fmt: skip
    await indicators.open()
    return indicators


def read_warninglists(folder: Path) -> list[WarningList]:
    """Every `list.json` below ``folder``. Raises ``InvalidInput`` when there is none, or one that is none."""
    files = sorted(folder.rglob(_LIST))
    if not files:
        raise InvalidInput("indicators.warninglists", f"there is no {_LIST} below {folder}")
    read = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InvalidInput("indicators.warninglists", f"{file} cannot be read: {error.strerror}") from error
        read.append(read_warninglist(data, file))
    return read


def start_indicators(
    indicators: Indicators, sentinel: Sentinel, ports: Ports, telemetry: Telemetry, services: Services
) -> None:  # fmt: skip
    """Look for them in every event, before the first is read."""
    sentinel.join(IndicatorDetector(indicators))
    sentinel.join(DowngradeDetector())
    sentinel.join(SeenKeysDetector())
    sentinel.join(HarvestDetector())
    services.start("indicators", lambda: _keep(indicators, ports, telemetry))


async def _keep(indicators: Indicators, ports: Ports, telemetry: Telemetry) -> None:
    """Drop what is over, for as long as the node runs; and have kernels compiled once there is much to look for."""
    tidied_ns = ports.clock.monotonic_ns()
    while True:
        many = sum(indicators.stats(tenant).entries for tenant in indicators.tenants) >= KERNELS_FROM_INDICATORS
        if many and not indicators.compiled and ports.kernels is not None:
            try:
                await ports.kernels.compile("indicators")
            except PhalanxError as error:
                telemetry.log.warning("indicators are looked for without kernels", reason=error.message)
            else:
                await ports.offload.run(warm_indicators)
                indicators.use_kernels()
        if ports.clock.monotonic_ns() - tidied_ns >= INDICATORS_TIDY_S * NS_PER_S:
            await indicators.tidy()
            tidied_ns = ports.clock.monotonic_ns()
        await ports.clock.sleep(INDICATORS_LOOK_S)


class SharedValues:
    """Takes values out of shared intelligence. What came for one tenant is looked for in its events alone."""

    def __init__(self, indicators: Indicators) -> None:
        self._indicators = indicators

    async def take(
        self, tenant: TenantId, origin: str, indicators: Sequence[SharedIndicator], revoked: Sequence[str], /
    ) -> Sequence[tuple[str, str]]:
        """Values that are none, as a hash of a kind that is not looked for, are left, and those on a warninglist."""
        wanted: list[Indicator] = []
        left: list[tuple[str, str]] = []
        for one in indicators:
            try:
                kind = _KINDS[one.kind] if one.kind in _KINDS else guess_kind(one.value)
            except InvalidInput as error:
                left.append((one.value, error.message))
                continue
            wanted.append(Indicator(
                kind=kind, value=one.value, source=origin, reference=one.source, name=one.name,
                confidence=one.confidence, from_ns=one.from_ns, until_ns=one.until_ns, marking=one.marking,
                labels=one.labels,
            ))  # fmt: skip
        for begin in range(0, len(wanted), MAX_CALL_VALUES):
            put = await self._indicators.put_many(tenant, wanted[begin : begin + MAX_CALL_VALUES])
            left += [(one.value, one.reason) for one in put.refused]
        if revoked:
            await self._indicators.revoke(tenant, revoked)
        return left
