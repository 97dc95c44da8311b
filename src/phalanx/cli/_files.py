"""Files that commands read and write, with one way of saying what is wrong with one."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from phalanx.core import InvalidInput, StorageCorrupt


def read_file(path: Path) -> bytes:
    """The bytes of a file named on the command line."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from error


def read_text_file(path: Path) -> str:
    """The same of a text file."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(str(path), "is not a text file (UTF-8)") from error


def read_json_file(path: Path) -> bytes:
    """The same for a JSON document. Invalid JSON is reported with the file's name, which a node would not know."""
    import msgspec

    data = read_file(path)
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise InvalidInput(str(path), f"is not JSON: {error}") from error
    return data


def list_files(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder whose names match, in order; none if the folder does not exist."""
    return sorted(file for file in folder.glob(pattern) if file.is_file())


def make_folder(folder: Path) -> None:
    """Creates a folder that others may read, unless it exists."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(str(folder), f"cannot be made: {error.strerror or error}") from error


def open_file(path: Path) -> BinaryIO:
    """A file named on the command line, to be read piece by piece."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from error


def write_streamed(path: Path, pieces: Iterable[bytes], is_whole: Callable[[], bool]) -> None:
    """A new file readable by its owner only, given its name only once ``is_whole`` says that it is complete."""
    draft = path.with_name(f"{path.name}.part")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
            if not is_whole():
                raise StorageCorrupt(str(path), 0, "what came is not what was recorded; it was thrown away")
            require_new(path)
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def write_file(path: Path, data: bytes) -> None:
    """A file readable by everybody; existing content is replaced."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def require_new(path: Path) -> None:
    """Called before doing work whose result must not overwrite another file."""
    if path.exists():
        raise InvalidInput(str(path), "is there already", hint="name a new file; nothing is overwritten")


def write_new(path: Path, data: bytes) -> None:
    """A file that did not exist before."""
    require_new(path)
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def read_secret(path: Path) -> bytes:
    """The bytes of a file meant for its owner only; one that others may read is refused, as ssh does."""
    from phalanx.adapters.keys import read_private

    try:
        return read_private(path)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from error


def replace_secret(path: Path, data: bytes) -> None:
    """Replaces the content of such a file: mode 0600, the old content or the new whatever happens."""
    from phalanx.adapters.keys import replace_private

    try:
        replace_private(path, data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error


def write_secret(path: Path, data: bytes) -> None:
    """A new file for its owner only: mode 0600, whole or not at all."""
    from phalanx.adapters.keys import load_or_create

    require_new(path)
    try:
        written = load_or_create(path, lambda: data)
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written: {error.strerror or error}") from error
    if written != data:
        raise InvalidInput(str(path), "is there already", hint="name a new file; nothing is overwritten")
