"""Exit codes, and how an error becomes one helpful line on standard error."""

import errno
import io
import sys
from enum import IntEnum

import click

from phalanx.cli._output import printable
from phalanx.core import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Overloaded,
    PhalanxError,
    StorageError,
    Unavailable,
    WireError,
)

_OF_STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


class Exit(IntEnum):
    """What a finished command tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    NOT_VERIFIED = 6
    STORAGE = 7
    INTERRUPTED = 130


MEANING = {
    Exit.OK: "done",
    Exit.FAILED: "the command ran and the answer is a failure (a check did not hold, a simulation found a violation)",
    Exit.USAGE: "wrong flag, argument, setting or file",
    Exit.UNAVAILABLE: "a node, service or extra that is needed is not there, or is overloaded",
    Exit.NOT_ALLOWED: "no token or key, a wrong one, or one without the right",
    Exit.NOT_FOUND: "what was asked for does not exist",
    Exit.NOT_VERIFIED: "a signature, proof or ledger did not verify",
    Exit.STORAGE: "stored data is damaged, full or of a newer version",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}

# Also what a node answers with: its problem documents carry the codes of its errors.
_BY_CODE = {
    "invalid-input": Exit.USAGE,
    "limit-exceeded": Exit.USAGE,
    "unreadable-circuit": Exit.USAGE,
    "invalid-workflow-file": Exit.USAGE,
    "invalid-query": Exit.USAGE,
    "invalid-rule": Exit.USAGE,
    "unsupported-rule": Exit.USAGE,
    "invalid-pattern": Exit.USAGE,
    "unsupported-pattern": Exit.USAGE,
    "invalid-object": Exit.USAGE,
    "unavailable": Exit.UNAVAILABLE,
    "not-authenticated": Exit.NOT_ALLOWED,
    "not-allowed": Exit.NOT_ALLOWED,
    "wrong-key": Exit.NOT_ALLOWED,
    "over-budget": Exit.NOT_ALLOWED,
    "clear-row": Exit.NOT_VERIFIED,
    "damaged-artefact": Exit.STORAGE,
    "not-found": Exit.NOT_FOUND,
    "shredded": Exit.NOT_FOUND,
    "ledger-tampered": Exit.NOT_VERIFIED,
    "backup-refused": Exit.NOT_VERIFIED,
    "rolled-back": Exit.NOT_VERIFIED,
    "invalid-proof": Exit.NOT_VERIFIED,
    "invalid-checkpoint": Exit.NOT_VERIFIED,
    "invalid-signature": Exit.NOT_VERIFIED,
    "certificate-refused": Exit.NOT_VERIFIED,
    "wrong-epoch": Exit.NOT_VERIFIED,
    "wrong-context": Exit.NOT_VERIFIED,
    "no-quorum": Exit.NOT_VERIFIED,
    "epoch-refused": Exit.NOT_VERIFIED,
    "timestamp-refused": Exit.NOT_VERIFIED,
    "invalid-share": Exit.NOT_VERIFIED,
    "invalid-escrow": Exit.NOT_VERIFIED,
    "release-refused": Exit.NOT_VERIFIED,
    "ceremony-not-registered": Exit.NOT_VERIFIED,
    "broken-link": Exit.NOT_VERIFIED,
    "invalid-certificate": Exit.NOT_VERIFIED,
    "wrong-issuer": Exit.NOT_VERIFIED,
    "kind-not-allowed": Exit.NOT_VERIFIED,
    "name-not-allowed": Exit.NOT_VERIFIED,
    "use-not-allowed": Exit.NOT_VERIFIED,
    "outside-validity": Exit.NOT_VERIFIED,
    "epoch-passed": Exit.NOT_VERIFIED,
    "revoked": Exit.NOT_VERIFIED,
    "not-signed": Exit.NOT_VERIFIED,
    "forbidden-in-chain": Exit.NOT_VERIFIED,
    "untrusted-root": Exit.NOT_VERIFIED,
    "revocation-refused": Exit.NOT_VERIFIED,
    "revocation-rolled-back": Exit.NOT_VERIFIED,
    "revocation-forked": Exit.NOT_VERIFIED,
    "storage-full": Exit.STORAGE,
    "no-room": Exit.STORAGE,
}


def exit_for(error: PhalanxError) -> Exit:
    """The exit code of an error; subclasses inherit their parent's unless named."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    for kinds, code in (
        ((InvalidInput, LimitExceeded), Exit.USAGE),
        ((NotFound,), Exit.NOT_FOUND),
        ((Unavailable, Overloaded), Exit.UNAVAILABLE),
        ((Conflict,), Exit.FAILED),
        ((StorageError, WireError), Exit.STORAGE),
    ):
        if isinstance(error, kinds):
            return code
    return Exit.FAILED


def report(error: PhalanxError) -> int:
    """Write the error for a person and return the exit code."""
    click.secho(f"phalanx: {printable(error.message)}", fg="red", err=True)
    if error.hint:
        click.echo(f"  → {printable(error.hint)}", err=True)
    return exit_for(error)


def run_guarded(command: click.Command) -> None:
    """Run the root command; errors that Phalanx raises on purpose never show a traceback."""
    try:
        # Outside its standalone mode click returns the code that a command gave to ``ctx.exit``.
        code = command.main(standalone_mode=False)
        # What stands in the buffer yet may not fit on the disk that it is redirected to.
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except PhalanxError as error:
        sys.exit(report(error))
    except ExceptionGroup as group:
        sys.exit(report(_foreseen(group)))
    except BrokenPipeError:
        sys.exit(_gave_up_output(Exit.FAILED))
    except OSError as error:
        sys.exit(_gave_up_output(_report_system(error)))
    sys.exit(code if isinstance(code, int) else Exit.OK)


def _report_system(error: OSError) -> int:
    """What the operating system refused and no command expected: a disk that fails or is full, a name too long."""
    where = f"{printable(str(error.filename))}: " if error.filename else ""
    click.secho(f"phalanx: {where}{error.strerror or error}", fg="red", err=True)
    return Exit.STORAGE if error.errno in _OF_STORAGE else Exit.USAGE


def _gave_up_output(code: int) -> int:
    """The same code; what is still buffered is dropped, since writing it at the exit would fail once more."""
    sys.stdout = io.StringIO()
    return code


def _foreseen(group: ExceptionGroup[Exception]) -> PhalanxError:
    """The first error of tasks that ran together, if all were raised on purpose; otherwise the group itself."""
    expected, defects = group.split(PhalanxError)
    if defects is not None or expected is None:
        raise group
    error: BaseException = expected
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PhalanxError)
    return error
