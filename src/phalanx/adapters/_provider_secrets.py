"""Credentials of vendors of quantum machines: from a private file that the settings name, or from the environment."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from phalanx.adapters._secrets import secret_source
from phalanx.core import InvalidInput, Unavailable


def provider_secret(options: Mapping[str, str], folder: Path) -> Callable[[str, str], str]:
    """``secret(name, variable)``: option ``NAME_file`` or ``NAME_fd``, else the environment variable."""

    def secret(name: str, variable: str) -> str:
        def ask(_: str) -> bytes:
            given = os.environ.get(variable, "")
            if not given:
                raise Unavailable(
                    f"the secret {name}", f"neither devices.options.{name}_file nor {variable} is set",
                    hint=f"set devices.options.{name}_file to a private file",
                )  # fmt: skip
            return given.encode()

        text = secret_source(options, folder, ask)(name).decode(errors="replace").strip()
        if not text.isascii() or not text.isprintable():
            raise InvalidInput(f"devices.options.{name}_file", "holds what cannot stand in a header")
        return text

    return secret
