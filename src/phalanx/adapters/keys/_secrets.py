"""Where a passphrase or a PIN comes from: a private file, an open file descriptor, or whoever can be asked.

Never the command line, which every process of the machine may read, and never the settings.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from phalanx.adapters._limits import MAX_SECRET_BYTES
from phalanx.adapters.keys._keyfile import load
from phalanx.core import InvalidInput, Unavailable

Ask = Callable[[str], bytes]


def secret_source(options: Mapping[str, str], folder: Path, ask: Ask) -> Ask:
    """Gives a secret by its name: from option ``NAME_file`` or ``NAME_fd`` when it is set, else by asking."""

    def secret(name: str) -> bytes:
        file, descriptor = options.get(f"{name}_file"), options.get(f"{name}_fd")
        if file is not None:
            return _stripped(load(folder / file))
        if descriptor is not None:
            return _stripped(_read_descriptor(f"{name}_fd", descriptor))
        return ask(name)

    return secret


def nobody_to_ask(name: str) -> bytes:
    """For whoever runs where nobody can be asked."""
    raise Unavailable(
        f"the {name}", "nobody can be asked for it here", hint=f"set at_rest.options.{name}_file to a private file"
    )


def _read_descriptor(name: str, text: str) -> bytes:
    if not text.isascii() or not text.isdecimal():
        raise InvalidInput(f"at_rest.options.{name}", f"{text!r} is not the number of a file descriptor")
    try:
        with os.fdopen(int(text), "rb", closefd=False) as file:
            return file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"file descriptor {text}", error.strerror or str(error)) from error


def _stripped(raw: bytes) -> bytes:
    """One newline at the end is the editor's, not the secret's."""
    if len(raw) > MAX_SECRET_BYTES:
        raise InvalidInput("secret", f"it is longer than {MAX_SECRET_BYTES} bytes")
    return raw.removesuffix(b"\n").removesuffix(b"\r")
