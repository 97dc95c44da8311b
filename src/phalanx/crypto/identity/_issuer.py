"""Makes certificates under one node's clock and entropy. Holds no state and reads none."""

from collections.abc import Callable

from phalanx.core import Clock, EntropySource
from phalanx.crypto import CryptoPolicy, EncapsulationKey, SigningKey, VerifyingKey
from phalanx.crypto.identity._certificate import SERIAL_BYTES, Certificate, Request, sign_certificate
from phalanx.crypto.identity._identity import Identity
from phalanx.crypto.identity._limits import CLOCK_SKEW_NS
from phalanx.crypto.identity._model import LIFETIME_NS, USES, Subject, SubjectKind, Use


class Issuer:
    """Writes requests out and signs them."""

    def __init__(self, clock: Clock, entropy: EntropySource, policy: CryptoPolicy) -> None:
        self._clock = clock
        self._entropy = entropy
        self.policy = policy

    def serial(self) -> str:
        return self._entropy.token(SERIAL_BYTES).hex()

    def request(
        self,
        subject: Subject,
        key: VerifyingKey,
        *,
        epoch: int = 1,
        lifetime_ns: int = 0,
        uses: tuple[Use, ...] = (),
        kem_key: EncapsulationKey | None = None,
    ) -> Request:
        """What a certificate for ``subject`` says from now on; defaults are those of its kind."""
        now_ns = self._clock.wall_ns()
        return Request(
            subject=subject,
            key=key,
            serial=self.serial(),
            epoch=epoch,
            not_before_ns=now_ns - CLOCK_SKEW_NS,
            not_after_ns=now_ns + (lifetime_ns or LIFETIME_NS[subject.kind]),
            uses=uses or USES[subject.kind],
            kem_key=kem_key,
        )

    def again(self, certificate: Certificate) -> Request:
        """The same for the same key, under a new serial; it expires when the old one would have."""
        request = self.request(certificate.subject, certificate.key, epoch=certificate.epoch)
        return Request(
            subject=certificate.subject,
            key=certificate.key,
            serial=request.serial,
            epoch=certificate.epoch,
            not_before_ns=request.not_before_ns,
            not_after_ns=certificate.not_after_ns,
            uses=certificate.uses,
            kem_key=certificate.kem_key,
        )

    def sign(self, request: Request, issuer: SigningKey, *, earlier: SigningKey | None = None) -> Certificate:
        """Raises ``AlgorithmForbidden`` when the policy forbids what the certificate would rest on."""
        self.policy.require(request.key.algorithm)
        self.policy.require(issuer.algorithm)
        return sign_certificate(request, issuer, earlier=earlier)

    def agents(self, node: Identity, algorithm: str, n: int) -> Callable[[], list[Identity]]:
        """Work for the offload: ``n`` new identities beneath ``node``, each with a name never used before."""
        self.policy.require(algorithm)
        serials = [self.serial() for _ in range(n)]
        now_ns = self._clock.wall_ns()

        def make() -> list[Identity]:
            made = []
            for serial in serials:
                key = SigningKey.generate(algorithm)
                request = Request(
                    subject=node.subject.below(SubjectKind.AGENT, f"agent-{serial[:16]}"),
                    key=key.public,
                    serial=serial,
                    epoch=1,
                    not_before_ns=now_ns - CLOCK_SKEW_NS,
                    not_after_ns=now_ns + LIFETIME_NS[SubjectKind.AGENT],
                    uses=USES[SubjectKind.AGENT],
                )
                made.append(Identity(key, node.chain.below(sign_certificate(request, node.key))))
            return made

        return make
