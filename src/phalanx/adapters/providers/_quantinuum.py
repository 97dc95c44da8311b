"""Quantinuum: its machines emulated from published figures, or the real ones through its machine API, version 1.

Wire format: ``POST login``, ``job``, ``job/ID/cancel``; ``GET job/ID``, ``machine/NAME``; programs are OpenQASM 2,
results are strings by register with bit 0 last. The API lists no jobs, and has no name that it keeps unique: what was
on its way when a node died is not sent again, and ends.
"""

from collections import Counter
from typing import Any

import msgspec

from phalanx.adapters.providers._http import Refused, VendorHttp, created
from phalanx.adapters.providers._sent import SentMachine, real, stage_by
from phalanx.core import Circuit, Unavailable
from phalanx.devices import (
    DeviceModel,
    Emulated,
    Provided,
    ProviderContext,
    PublishedDevice,
    Stage,
    Status,
    listed_price,
    published_machines,
)
from phalanx.quantum.circuits import convert

QUANTINUUM = "quantinuum"
_URL = "https://qapi.quantinuum.com/v1"
_STATES = {"online": Status.ONLINE, "reserved": Status.ONLINE, "in maintenance": Status.MAINTENANCE}
_WAITING = frozenset({"queued", "submitted", "running", "canceling"})
_QUEUED, _DONE = frozenset({"queued", "submitted"}), frozenset({"completed"})


def quantinuum_provider(context: ProviderContext) -> Provided:
    """The entry point ``quantinuum``. Option ``quantinuum.url``; secrets ``quantinuum.user`` and
    ``quantinuum.password``, else the variables ``QUANTINUUM_USER`` and ``QUANTINUUM_PASSWORD``."""
    machines = published_machines(QUANTINUUM)
    if QUANTINUUM not in context.hardware:
        return Provided(QUANTINUUM, [Emulated(one.device, context.offload) for one in machines])
    user = context.secret("quantinuum.user", "QUANTINUUM_USER")
    password = context.secret("quantinuum.password", "QUANTINUUM_PASSWORD")
    url = context.options.get("quantinuum.url", _URL)
    session = _Session(VendorHttp("Quantinuum", url, context.clock, context.io), user, password)
    return Provided(QUANTINUUM, [QuantinuumMachine(one, session, context) for one in machines])


class _Session:
    """Signs in, and again when the token is no longer taken: first by the refresh token, then by the password."""

    def __init__(self, http: VendorHttp, user: str, password: str) -> None:
        self._http = http
        self._full = {"email": user, "password": password}
        self._token = self._refresh = ""

    async def ask(self, method: str, path: str, body: object = None, *, once: bool = False) -> Any:
        await self.open()
        try:
            return await self._http.ask(method, path, headers=self._headers, body=body, once=once)
        except Refused:
            # What was refused was not done: sending it again is no second time.
            await self._sign_in()
            return await self._http.ask(method, path, headers=self._headers, body=body, once=once)

    async def open(self) -> None:
        """Sign in, where that was not done yet."""
        if not self._token:
            await self._sign_in()

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._token}

    async def _sign_in(self) -> None:
        answer: Any = None
        if self._refresh:
            try:
                answer = await self._http.ask("POST", "/login", headers={}, body={"refresh-token": self._refresh})
            except Exception:  # noqa: BLE001 - whatever is wrong with it, the password is left to try
                self._refresh = ""
        if answer is None:
            answer = await self._http.ask("POST", "/login", headers={}, body=self._full)
        token, refresh = answer.get("id-token"), answer.get("refresh-token", self._refresh)
        if not isinstance(token, str) or not token.isascii():
            raise Unavailable("Quantinuum", "it gives no token")
        self._token, self._refresh = token, str(refresh)


class _Made(msgspec.Struct):
    """A job that it took, and what it calls it."""

    job: str


class QuantinuumMachine(SentMachine):
    """A real machine of Quantinuum."""

    finds = False

    def __init__(self, published: PublishedDevice, session: _Session, context: ProviderContext) -> None:
        device = real(published.device, region=QUANTINUUM, price=listed_price(published.device.name))
        super().__init__(device, context.clock)
        self._machine, self._session = published.vendor_id, session

    async def _ready(self) -> None:
        await self._session.open()

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        job = {
            "machine": self._machine, "name": key or circuit.digest[:32], "language": "OPENQASM 2.0", "count": shots,
            "program": convert(circuit, "openqasm2"), "priority": "normal", "options": {},
        }  # fmt: skip
        answer = await self._session.ask("POST", "/job", job, once=True)
        return created("Quantinuum", answer, _Made).job

    async def _find(self, key: str) -> str:
        del key
        return ""

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit, shots
        job = await self._session.ask("GET", f"/job/{handle}")
        status = str(job.get("status"))
        if status in _WAITING:
            return None
        if status != "completed":
            reason = (job.get("error") or {}).get("text", status)
            raise Unavailable(self._device.name, f"the job {handle} ended as {status}: {reason}")
        return quantinuum_counts(job["results"])

    async def _stage(self, handle: str) -> Stage:
        job = await self._session.ask("GET", f"/job/{handle}")
        return stage_by(str(job.get("status")), waiting=_QUEUED, running=_WAITING - _QUEUED, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._session.ask("POST", f"/job/{handle}/cancel", once=True)

    async def _seen(self) -> DeviceModel:
        found = await self._session.ask("GET", f"/machine/{self._machine}")
        return real(self._device, status=_STATES.get(str(found.get("state")), Status.OFFLINE))


def quantinuum_counts(results: dict[str, list[str]]) -> dict[str, int]:
    """By our bits in order: one register ``c``, or one ``c0``, ``c1``, … for each bit."""
    if "c" in results:
        return dict(sorted(Counter(text[::-1] for text in results["c"]).items()))
    registers = sorted((name for name in results if name.startswith("c")), key=lambda name: int(name[1:]))
    shots = zip(*(results[name] for name in registers), strict=True)
    return dict(sorted(Counter("".join(shot) for shot in shots).items()))
