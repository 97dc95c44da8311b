"""What the demo leaves lying about for its intruder, and the intruder touching it.

In the headless demo the intruder connects from the victim's address, in memory. Beside a real node it
connects over the loopback interface, from the address that stands in for the victim there (``stand_ins``).
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from phalanx.core import InvalidInput
from phalanx.demo._cast import VICTIM
from phalanx.demo._company import HOSTS
from phalanx.demo._intrusion import Intrusion
from phalanx.node import Node

CANARY_USER: Final = "svc-archive"
BAIT_FILE, TRIPWIRE, OLD_CERTIFICATE = "bait/access.txt", "bait/payroll-2026.csv", "bait/keys/backup-01.pem"
_PAYROLL = b"name;iban;amount\n"
_POLL_S = 0.1

# A certificate of 2024 with an RSA key, as there are many; its private key was thrown away.
_OLD_PEM = b"""\
-----BEGIN CERTIFICATE-----
MIIC0jCCAbqgAwIBAgIEATUlzjANBgkqhkiG9w0BAQsFADAhMR8wHQYDVQQDDBZi
YWNrdXAtMDEuY29ycC5leGFtcGxlMB4XDTI0MDMwMjAwMDAwMFoXDTM0MDMwMjAw
MDAwMFowITEfMB0GA1UEAwwWYmFja3VwLTAxLmNvcnAuZXhhbXBsZTCCASIwDQYJ
KoZIhvcNAQEBBQADggEPADCCAQoCggEBAJl5wuEGY7i0X3kBcs6II7UtpNGI1ZqC
sMpFxMP5BS+54g7jd71dbCubFvyV0Upg0AafF+LVokkXuMqZhYt9HQq2nHXCfKBP
vVPSbFP/B0Sgr3+NI0xPju4KSJ8ofmve6pHwmAqxGoO0y2UdYwF5N7TpBU9rs/mI
uus/d31Cj3iw0QcPZ0a9ocNi9zPlRhzQitpBCIKMfem4gx3mYeY+Nd9ZQTsRVCDD
eF80uJJ/0vOiPdjzL/2ykq6am9p0TVYqPQmH3I4tlI73LcJydxKUiPLmBl4PBOOY
YEYQAnxaUwgR46hDBCtfaFhZWt0WgnUObIHW690sIOubap1S8BoAzzMCAwEAAaMS
MBAwDgYDVR0PAQH/BAQDAgWgMA0GCSqGSIb3DQEBCwUAA4IBAQCMuWqebXS2Zx9J
n/ieKfhKIPJbJHnjJSGVJfM/zpSufJaWZ49nruHKC0MQVJi1Nj5OqNrllfRsLMuE
eaoET9JcS5/OAfkLP+s/0DCGAy6crqD+vyGH7Q8Hc+hgZ7zLNs65rKpNLSF6uFcV
WawLDmX2y8HrdvDlvhXs8iN72/rePrUA6wkrJQXROmw4entuMh+PvoZSz7Ry2y8W
rAmI+8DwPrXSNcCmutOs4WFAEvNcrgspv0xGHiQ59MRglLPWxfZde1iConeOgcHT
2dqhyILvOR1xBNTT0n3wXtAfVI6mxSsxCn3TkzDiVywOQQ+r1OMom+Mh69Xou+yr
mGCKCkpR
-----END CERTIFICATE-----
"""


class Intruder(Protocol):
    """Does what the intruder of the demo does by hand."""

    async def knock(self, port: int, data: bytes) -> None:
        """Connect to a port of the node, say something, and wait until it is over."""
        ...

    async def read(self, path: str) -> bytes: ...

    async def write(self, path: str, data: bytes) -> None: ...


def lures(folder: str) -> dict[str, dict[str, Any]]:
    """The settings that put decoys out, on free ports of the loopback interface, with bait in ``folder``."""
    return {
        "deception": {
            "ssh": (0,), "http": (0,), "tcp": (0,), "users": (CANARY_USER,), "files": (f"{folder}/{BAIT_FILE}",),
        },
        "canary": {"probe_every_s": 15.0, "tripwires": (f"{folder}/{TRIPWIRE}",)},
        "posture": {"paths": (f"{folder}/{OLD_CERTIFICATE}",)},
    }  # fmt: skip


async def leave_bait(intruder: Intruder, folder: str) -> None:
    """What is there before the node starts."""
    try:
        await intruder.write(f"{folder}/{OLD_CERTIFICATE}", _OLD_PEM)
    except InvalidInput:
        # From an earlier start.
        return


async def began(intruder: Intruder, folder: str, intrusion: Intrusion) -> int:
    """When the stream began: now, or when it did at an earlier start, which is noted in ``folder``.

    What is delivered again must be the same to the byte, or a node would take it for new.
    """
    path = f"{folder}/began-{intrusion.seed}.txt"
    try:
        await intruder.write(path, str(intrusion.start_ns).encode())
    except InvalidInput:
        # From an earlier start.
        noted = await intruder.read(path)
        if not noted.isdigit():
            raise InvalidInput(path, "does not say when the stream began; begin anew in another folder") from None
        return int(noted)
    return intrusion.start_ns


def stand_ins() -> Mapping[str, str]:
    """The name of each host of the company by a loopback address of its own."""
    return {f"127.0.0.{host.ip.rpartition('.')[2]}": host.name for host in HOSTS}


VICTIM_STAND_IN: Final = f"127.0.0.{VICTIM.ip.rpartition('.')[2]}"


async def take_the_bait(node: Node, intruder: Intruder, folder: str) -> None:
    """Look around, read what lies about, use what is in it, and write to what nobody writes to."""
    ports = await _decoys(node)
    await intruder.knock(ports["ssh"], b"SSH-2.0-libssh_0.9.6\r\n")
    await _kept(node, "canary-files")
    bait = (await intruder.read(f"{folder}/{BAIT_FILE}")).decode()
    secret = next((line.partition(":")[2] for line in bait.splitlines() if line.startswith(CANARY_USER)), "")
    form = f"username={CANARY_USER}&password={secret}".encode()
    head = f"POST /login HTTP/1.1\r\nHost: backup\r\nUser-Agent: curl/8.5.0\r\nContent-Length: {len(form)}\r\n\r\n"
    await intruder.knock(ports["http"], head.encode() + form)
    await _kept(node, "tripwires")
    try:
        await intruder.write(f"{folder}/{TRIPWIRE}", _PAYROLL)
    except InvalidInput:
        # From an earlier start.
        return


async def _decoys(node: Node) -> dict[str, int]:
    """The ports that decoys listen on, as their duty says once they do: ``ssh on 127.0.0.1:49152, …``."""
    while True:
        parts = [part.rpartition(" on ") for part in (await _kept(node, "decoys")).split(", ")]
        numbers = {kind: address.rpartition(":")[2] for kind, on, address in parts if on}
        ports = {kind: int(number) for kind, number in numbers.items() if number.isdigit()}
        if len(ports) == len(node.settings.deception.ssh + node.settings.deception.http + node.settings.deception.tcp):
            return ports
        await node.clock.sleep(_POLL_S)


async def _kept(node: Node, duty: str) -> str:
    """What the duty says of itself as soon as somebody keeps it."""
    while True:
        for view in node.swarm.duties():
            if view.duty == duty and view.agent and view.note:
                return view.note
        await node.clock.sleep(_POLL_S)
