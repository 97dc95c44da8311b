"""Files that commands are given and files that they write, with one way of saying what is wrong with one."""

from pathlib import Path

from phalanx.core import InvalidInput


def read_file(path: Path) -> bytes:
    """The bytes of a file that was named on the command line."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from error


def write_file(path: Path, data: bytes) -> None:
    """A file for everybody's eyes; what stood in it is replaced."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def require_new(path: Path) -> None:
    """Before work is done whose result must not take another file's place."""
    if path.exists():
        raise InvalidInput(str(path), "is there already", hint="name a new file; nothing is overwritten")


def write_new(path: Path, data: bytes) -> None:
    """A file that was not there before."""
    require_new(path)
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def read_secret(path: Path) -> bytes:
    """The bytes of a file for its owner's eyes; one that others may read is refused, as ssh does."""
    from phalanx.adapters import read_private

    try:
        return read_private(path)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from error


def replace_secret(path: Path, data: bytes) -> None:
    """The same file with other content: mode 0600, the old one or the new one whatever happens."""
    from phalanx.adapters import replace_private

    try:
        replace_private(path, data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def write_secret(path: Path, data: bytes) -> None:
    """A new file for its owner's eyes: mode 0600, whole or not at all."""
    from phalanx.adapters import load_or_create

    require_new(path)
    try:
        written = load_or_create(path, lambda: data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error
    if written != data:
        raise InvalidInput(str(path), "is there already", hint="name a new file; nothing is overwritten")
