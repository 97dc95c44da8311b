"""Identities of processes that a benchmark starts: one organisation, and a node of it for each."""

from collections.abc import Sequence

from phalanx.core import NS_PER_S
from phalanx.crypto import ED25519_ML_DSA_65, SigningKey
from phalanx.crypto.identity import Chain, Identity, Request, Subject, Use, sign_certificate

ORGANISATION = "bench"
_DAY_NS = 86_400 * NS_PER_S


def identities_of(processes: Sequence[str], now_ns: int) -> tuple[Identity, dict[str, Identity]]:
    """The organisation's identity, and that of each process, which is called ``NODE.bench``."""

    def certified(subject: str, number: int, uses: tuple[Use, ...], above: Identity | None) -> Identity:
        key = SigningKey.generate(ED25519_ML_DSA_65)
        request = Request(
            subject=Subject.parse(subject), key=key.public, serial=f"{number:032x}", epoch=1,
            not_before_ns=now_ns - _DAY_NS, not_after_ns=now_ns + _DAY_NS, uses=uses,
        )  # fmt: skip
        certificate = sign_certificate(request, above.key if above is not None else key)
        return Identity(key, above.chain.below(certificate) if above is not None else Chain((certificate,)))

    root = certified(f"organisation:{ORGANISATION}", 1, (Use.ISSUE, Use.SIGN), None)
    return root, {
        name: certified(f"node:{ORGANISATION}/{name.partition('.')[0]}", number, (Use.CHANNEL,), root)
        for number, name in enumerate(processes, 2)
    }
