"""What this room raises."""

from collections.abc import Iterable, Sequence

from phalanx.crypto import CryptoError


class SharingError(CryptoError):
    """Root of this room's errors."""

    code = "sharing"


class InvalidShare(SharingError):
    """A share is damaged, of another set or epoch, or refuted by its commitment.

    Attributes: ``index`` (0 when the bytes do not even tell), ``reason``.
    """

    code = "invalid-share"
    index: int
    reason: str

    def __init__(self, index: int, reason: str, *, hint: str = "") -> None:
        which = f"share {index}" if index else "a share"
        super().__init__(f"{which} cannot be used: {reason}", hint=hint, index=index, reason=reason)


class NotEnoughShares(SharingError):
    """Fewer usable shares than the threshold. Attributes: ``needed``, ``seen``, ``wrong`` (whose do not hold)."""

    code = "not-enough-shares"
    needed: int
    seen: int
    wrong: tuple[str, ...]

    def __init__(self, *, needed: int, seen: int, wrong: Sequence[str] = ()) -> None:
        apart = f"; those of {', '.join(wrong)} do not hold" if wrong else ""
        super().__init__(
            f"{needed} shares are needed, {seen} can be used{apart}",
            hint="collect more shares",
            needed=needed,
            seen=seen,
            wrong=tuple(wrong),
        )


class Undecodable(SharingError):
    """More shares are wrong than can be told from right ones. Attributes: ``given``, ``needed``, ``correctable``."""

    code = "undecodable"
    given: int
    needed: int
    correctable: int

    def __init__(self, *, given: int, needed: int, correctable: int) -> None:
        super().__init__(
            f"{given} shares at threshold {needed} correct at most {correctable} wrong ones, and more are wrong",
            hint="add shares: every two more can correct one more wrong share",
            given=given,
            needed=needed,
            correctable=correctable,
        )


class InvalidDealing(SharingError):
    """What a dealer published is not a sharing of one secret. Attributes: ``dealer``, ``reason``."""

    code = "invalid-dealing"
    dealer: int
    reason: str

    def __init__(self, dealer: int, reason: str) -> None:
        super().__init__(f"the dealing of {dealer or 'the dealer'} is refused: {reason}", dealer=dealer, reason=reason)


class GenerationFailed(SharingError):
    """A run without a dealer ended without a result. Attributes: ``reason``, ``blamed`` (indexes of those at fault)."""

    code = "generation-failed"
    reason: str
    blamed: tuple[int, ...]

    def __init__(self, reason: str, blamed: Iterable[int] = ()) -> None:
        found = tuple(sorted(blamed))
        super().__init__(
            f"no key was made: {reason}",
            hint=f"start a new run without {', '.join(map(str, found))}" if found else "start a new run",
            reason=reason,
            blamed=found,
        )


class InvalidEscrow(SharingError):
    """An escrow document cannot be opened. Attributes: ``escrow``, ``reason``."""

    code = "invalid-escrow"
    escrow: str
    reason: str

    def __init__(self, escrow: str, reason: str) -> None:
        super().__init__(f"escrow {escrow} is refused: {reason}", escrow=escrow, reason=reason)


class CeremonyClosed(SharingError):
    """A ceremony is over. Attributes: ``ceremony``, ``reason``."""

    code = "ceremony-closed"
    ceremony: str
    reason: str

    def __init__(self, ceremony: str, reason: str) -> None:
        super().__init__(
            f"ceremony {ceremony} is over: {reason}", hint="begin another one", ceremony=ceremony, reason=reason
        )


class NotRegistered(SharingError):
    """No registrar's word that the ceremony is in its ledger. Attribute: ``ceremony``."""

    code = "ceremony-not-registered"
    ceremony: str

    def __init__(self, ceremony: str) -> None:
        super().__init__(
            f"ceremony {ceremony} is not recorded: the escrow's registrar has not signed it",
            hint="have it registered where the escrow was; only if that node is lost, release unregistered",
            ceremony=ceremony,
        )


class ReleaseRefused(SharingError):
    """A release does not belong to the ceremony or its custodian. Attributes: ``custodian``, ``reason``."""

    code = "release-refused"
    custodian: str
    reason: str

    def __init__(self, custodian: str, reason: str) -> None:
        super().__init__(f"the release of {custodian} is refused: {reason}", custodian=custodian, reason=reason)
