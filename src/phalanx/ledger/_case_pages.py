"""Which case each entry is of, as a column beside the log: the case index.

Invariants:

- place ``i`` of the column is the fingerprint of entry ``i``: 64 bits of a hash of tenant and case.
  Two cases may share one, so whoever finds an entry by it looks at the entry;
- the column is stored in pages, all but the last full, and with it, in every commit, its head: size
  and digest of the column, signed as a checkpoint is, under a name of its own;
- so a column that was changed by anybody without the node's key is no column any more, and one
  that is merely old is a prefix, which goes on where it ends.

It follows from the log and from nothing else: an audit makes it anew and compares, and
``phalanx ledger reindex`` stores what it made.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from phalanx.core import DEFAULT_TENANT, Delete, Put, Store, Table, TenantId, WireError, decode
from phalanx.crypto import HybridSigner, PublicKey
from phalanx.ledger._checkpoint import Checkpoint, origin_of, sign_checkpoint, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import CASES_PER_PAGE, PAGE_RUNS
from phalanx.ledger._shelf import SignedNote, checkpoint_row

CASE_PAGES = Table("ledger_case_pages")
CASE_HEAD = Table("ledger_case_head")
HEAD_KEY = "head"
FINGERPRINT_BYTES = 8
PAGE_BYTES = CASES_PER_PAGE * FINGERPRINT_BYTES

_HOME = DEFAULT_TENANT
_WHAT = "case index"


def case_fingerprint(tenant: TenantId, case: str) -> bytes:
    named = f"{len(tenant)} {tenant} {case}"
    return hashlib.blake2b(named.encode(), digest_size=FINGERPRINT_BYTES).digest()


def index_origin(key: PublicKey) -> str:
    """The name under which a node signs its case index: no checkpoint of its log passes for one."""
    return f"{origin_of(key)}/cases"


@dataclass(frozen=True, slots=True)
class CaseColumn:
    """So many fingerprints: the digest over the full pages, and the last page as far as it goes."""

    size: int = 0
    full: bytes = bytes(hashlib.sha256().digest_size)
    last: bytes = b""

    @property
    def digest(self) -> bytes:
        """Over all of it."""
        return _chained(self.full, self.last) if self.last else self.full

    @property
    def room(self) -> int:
        """Fingerprints that the last page still takes."""
        return CASES_PER_PAGE - self.size % CASES_PER_PAGE

    def grown(self, fingerprints: bytes) -> tuple["CaseColumn", Mapping[int, bytes]]:
        """The column with more behind it, and the pages that they change."""
        number, full = self.size // CASES_PER_PAGE, self.full
        left, changed = self.last + fingerprints, {}
        while left:
            changed[number] = left[:PAGE_BYTES]
            if len(left) < PAGE_BYTES:
                break
            full, left, number = _chained(full, left[:PAGE_BYTES]), left[PAGE_BYTES:], number + 1
        return CaseColumn(self.size + len(fingerprints) // FINGERPRINT_BYTES, full, left), changed


def column_puts(
    column: CaseColumn, changed: Mapping[int, bytes], signer: HybridSigner, signed_at_s: int
) -> list[Put | Delete]:
    """To be committed together: pages that changed, and the head over all of it."""
    head = sign_checkpoint(signer, index_origin(signer.public), column.size, column.digest, signed_at_s)
    pages = [Put(CASE_PAGES, _HOME, page_key(number), page) for number, page in changed.items()]
    return [*pages, Put(CASE_HEAD, _HOME, HEAD_KEY, checkpoint_row(head))]


class Paging:
    """Cuts what is known of entries, in order, into pages of fingerprints."""

    def __init__(self) -> None:
        self._left = bytearray()

    def full(self, said: Iterable[Identity]) -> Iterator[bytes]:
        """The pages that these entries complete."""
        self._left += b"".join([case_fingerprint(one.tenant, one.case) for one in said])
        while len(self._left) >= PAGE_BYTES:
            page = bytes(self._left[:PAGE_BYTES])
            del self._left[:PAGE_BYTES]
            yield page

    @property
    def rest(self) -> bytes:
        """The last page, as far as it goes."""
        return bytes(self._left)


async def stored_head(store: Store, key: PublicKey) -> Checkpoint | None:
    """The signed head, None before there is an index; raises ``LedgerTampered``."""
    rows = await store.scan(CASE_HEAD, _HOME, limit=2)
    if not rows:
        return None
    if [row.key for row in rows] != [HEAD_KEY]:
        raise tampered_cases(0, f"{rows[-1].key!r} is stored beside its head")
    try:
        head = verify_checkpoint(decode(rows[0].value, SignedNote).note, key)
    except (WireError, InvalidCheckpoint) as error:
        raise tampered_cases(0, f"its head: {error.message}") from error
    if head.origin != index_origin(key) or checkpoint_row(head) != rows[0].value:
        raise tampered_cases(0, "its head is not what was signed")
    return head


async def read_column(store: Store, key: PublicKey, *, visit: Callable[[int, bytes], None] | None = None) -> CaseColumn:
    """The stored column, once it is what was signed; ``visit`` sees each page, before that is known.

    Raises ``LedgerTampered``.
    """
    head = await stored_head(store, key)
    size = head.size if head else 0
    column, after = CaseColumn(), ""
    while rows := await store.scan(CASE_PAGES, _HOME, after=after, limit=PAGE_RUNS):
        for row in rows:
            require_page(row.key, row.value, column.size, size)
            if visit is not None:
                visit(column.size, row.value)
            column, _ = column.grown(row.value)
        after = rows[-1].key
    if column.size < size:
        raise tampered_cases(column.size, f"its page {page_key(column.size // CASES_PER_PAGE)} is missing")
    if head and column.digest.hex() != head.root:
        raise tampered_cases(0, "it is not the one that was signed")
    return column


def require_page(key: str, value: bytes, start: int, size: int) -> None:
    """That a page stands where the one from ``start`` on belongs, in a column of ``size``."""
    expected = page_key(start // CASES_PER_PAGE)
    if start >= size:
        raise tampered_cases(start, f"its page {key!r} is behind its end")
    if key != expected:
        raise tampered_cases(start, f"where its page {expected} belongs stands {key!r}")
    n_bytes = min(size - start, CASES_PER_PAGE) * FINGERPRINT_BYTES
    if len(value) != n_bytes:
        raise tampered_cases(start, f"its page {key} has {len(value)} bytes, not {n_bytes}")


async def delete_cases(store: Store) -> None:
    """The head first: what a crash leaves of the rest is refused, not believed."""
    heads = await store.scan(CASE_HEAD, _HOME)
    await store.commit([Delete(CASE_HEAD, _HOME, row.key) for row in heads])
    while rows := await store.scan(CASE_PAGES, _HOME, reverse=True, limit=PAGE_RUNS):
        await store.commit([Delete(CASE_PAGES, _HOME, row.key) for row in rows])


def page_key(number: int) -> str:
    # As many digits as 2^63 has, so that keys order as their numbers do.
    return f"{number:019d}"


def tampered_cases(position: int, reason: str) -> LedgerTampered:
    return LedgerTampered(_WHAT, position, reason)


def _chained(before: bytes, page: bytes) -> bytes:
    return hashlib.sha256(before + page).digest()
