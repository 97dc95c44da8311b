"""Credentials of vendors of quantum machines: from a private file that the settings name, or from the environment."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phalanx.adapters.keys._secrets import secret_source
from phalanx.adapters.providers._http import Forbidden, Refused, VendorHttp
from phalanx.core import InvalidInput, PhalanxError, Unavailable


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


class AskedAs:
    """Questions to a vendor under a secret, which is read anew when it is refused: its file may have been renewed.

    ``scheme`` is what stands before it in the ``header``; nothing, where it is empty.
    """

    def __init__(
        self, http: VendorHttp, read: Callable[[], str], *, scheme: str = "Bearer", header: str = "Authorization"
    ) -> None:
        self._http, self._read, self._scheme, self._header = http, read, scheme, header
        # What is missing is told when a node starts, not when its first job is sent.
        self._secret = read()

    async def ask(self, method: str, path: str, body: object = None, *, once: bool = False, accept: str = "") -> Any:
        """As ``VendorHttp.ask``; ``accept`` is the form of the answer, where the vendor has several."""
        used = self._secret
        try:
            return await self._http.ask(method, path, headers=self._headers(accept), body=body, once=once)
        except Forbidden:
            raise
        except Refused:
            if not self._renewed(used):
                raise
        # What was refused was not done: sending it again is no second time.
        return await self._http.ask(method, path, headers=self._headers(accept), body=body, once=once)

    def ask_now(self, path: str, *, accept: str = "") -> Any:
        """As ``VendorHttp.ask_now``."""
        return self._http.ask_now(path, headers=self._headers(accept))

    def _renewed(self, used: str) -> bool:
        """Whether there is another one now; a file that is being written anew is none yet."""
        if self._secret == used:
            with contextlib.suppress(PhalanxError):
                self._secret = self._read() or used
        return self._secret != used

    def _headers(self, accept: str) -> dict[str, str]:
        given = {self._header: f"{self._scheme} {self._secret}".strip()}
        return {**given, "Accept": accept} if accept else given
