"""What a witness does with a request, as a pure function (C2SP tlog-witness, ``add-checkpoint``).

Invariants, for one log, over all requests that a witness ever answered with a cosignature:

- sizes never fall, and of one size there is one root;
- each head was proved to extend the one before it, the first one to extend the empty tree;
- every head was signed by all keys that the witness was told to trust for its log.

The shell keeps what was cosigned before it signs, and lets one request at a time change it:
``judge`` alone cannot know that its ``last`` is still the last.
"""

import base64
from dataclasses import dataclass

from phalanx.ledger._errors import InvalidCheckpoint, InvalidProof
from phalanx.ledger._merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from phalanx.ledger._note import decode_base64
from phalanx.ledger.witness._errors import Refusal, WitnessRefused
from phalanx.ledger.witness._keys import Head, TrustedLog
from phalanx.ledger.witness._limits import MAX_PROOF_LINES, MAX_REQUEST_BYTES

# 2^63 - 1 has this many digits.
_MAX_SIZE_DIGITS = 19


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: from which size, by which proof, to which checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def to_bytes(self) -> bytes:
        lines = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.proof)
        return f"old {self.old_size}\n{lines}\n{self.note}".encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "AddCheckpoint":
        """Raises ``WitnessRefused``. The checkpoint in it is not looked at."""
        if len(body) > MAX_REQUEST_BYTES:
            raise _malformed(f"the request is longer than {MAX_REQUEST_BYTES} bytes")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise _malformed(f"the request is not text: {error}") from error
        head, separator, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        digits = first.removeprefix("old ")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_SIZE_DIGITS
        if not separator or digits == first or not is_number or digits != str(int(digits)):
            raise _malformed("the request does not begin with `old` and a size")
        if len(lines) > MAX_PROOF_LINES:
            raise _malformed(f"the proof has more than {MAX_PROOF_LINES} lines")
        return cls(int(digits), tuple(_hash(line) for line in lines), note)


def judge(log: TrustedLog, request: AddCheckpoint, last: Head | None) -> Head:
    """The head to cosign, given the one cosigned last; raises ``WitnessRefused``."""
    size, root = (last.size, last.root) if last else (0, EMPTY_ROOT)
    try:
        head = log.read(request.note)
    except InvalidCheckpoint as error:
        raise WitnessRefused(Refusal.NOT_SIGNED, error.reason, size=size) from error
    if request.old_size > head.size:
        raise _malformed(f"the old size {request.old_size} is beyond the checkpoint's {head.size}")
    if request.old_size != size:
        raise WitnessRefused(Refusal.CONFLICT, f"it cosigned size {size} last, not {request.old_size}", size=size)
    if head.size == size and head.root != root:
        raise WitnessRefused(Refusal.CONFLICT, f"it cosigned another root of size {size}", size=size)
    try:
        verify_consistency(size, head.size, root, head.root, request.proof)
    except InvalidProof as error:
        raise WitnessRefused(Refusal.NOT_CONSISTENT, error.reason, size=size) from error
    return head


def _hash(line: str) -> bytes:
    try:
        raw = decode_base64(line)
    except InvalidCheckpoint as error:
        raise _malformed(error.reason) from error
    if len(raw) != HASH_BYTES:
        raise _malformed(f"a line of the proof has {len(raw)} bytes, not {HASH_BYTES}")
    return raw


def _malformed(reason: str) -> WitnessRefused:
    return WitnessRefused(Refusal.MALFORMED, reason)
