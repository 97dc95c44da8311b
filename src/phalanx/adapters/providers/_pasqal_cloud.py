"""Pasqal's cloud over HTTP: who asks, and what is answered.

Wire format: https://docs.pasqal.com/cloud/api (the core API: ``batches``, ``jobs``, ``devices``), answers in JSend
(``status``, ``code``, ``message``, ``data``). A token is had for a user's password (a grant of Auth0, or of Keycloak in
Saudi Arabia), for a service account's secret, or lies in a file that somebody else renews. It is asked for anew when it
is no longer taken, one time for all who wait. Results lie elsewhere, behind links that need no token and get none.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from phalanx.adapters.providers._http import Forbidden, Refused, Unanswered, VendorHttp, is_private, said_plainly
from phalanx.core import InvalidInput, Unavailable
from phalanx.devices import ProviderContext

PASQAL = "pasqal"
CLOUD = "Pasqal's cloud"
_CORE = "/core-fast/api"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Region:
    """Where a region's cloud is, and what its sign-in wants to be told of a user."""

    url: str
    auth_url: str
    grant: Mapping[str, str]


_AUDIENCE = {"audience": "https://apis.pasqal.cloud/account/api/v1"}
_REGIONS = {
    "fr": _Region(
        "https://apis.pasqal.cloud", "https://pasqal.eu.auth0.com/oauth/token",
        {"grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": "pcs-users",
         "client_id": "PeZvo7Atx7IVv3iel59asJSb4Ig7vuSB"},
    ),
    "sa": _Region(
        "https://apis.sa.pasqal.cloud",
        "https://auth.sa.pasqal.cloud/realms/pasqal-cloud/protocol/openid-connect/token",
        {"grant_type": "password", "realm": "pasqal-cloud", "client_id": "cloud-sdk"},
    ),
}  # fmt: skip


class PasqalCloud:
    """Questions to it, as somebody. ``project`` is whose bill it is."""

    def __init__(self, context: ProviderContext) -> None:
        options, self._context = context.options, context
        region = _REGIONS.get(name := options.get("pasqal.region", "fr"))
        if region is None:
            raise InvalidInput("devices.options.pasqal.region", f"{name} is none of {', '.join(_REGIONS)}")
        self._grant = region.grant
        url = options.get("pasqal.url", region.url)
        self._http = self._at(url)
        # In the clear it is spoken to on this machine alone, and then its results may lie here too.
        self._is_here = urlsplit(url).scheme == "http"
        self._auth = self._at(options.get("pasqal.auth_url", region.auth_url))
        self.project = options.get("pasqal.project") or self._billed()
        self._token, self._turn = "", asyncio.Lock()
        # What is missing is told when a node starts, not when its first job is sent.
        self._credentials()

    def _billed(self) -> str:
        try:
            return self._context.secret("pasqal.project", "PASQAL_PROJECT_ID")
        except Unavailable as error:
            told = "nobody is named to be billed: set pasqal.project, or the variable PASQAL_PROJECT_ID"
            raise InvalidInput("devices.options", told) from error

    async def ask(self, method: str, path: str, body: object = None, *, once: bool = False) -> Any:
        """What stands in ``data``, under a path of the core API. Raises as ``VendorHttp.ask`` does."""
        token = self._token or await self._signed_in("")
        try:
            answer = await self._asked(token, method, path, body, once=once)
        except Forbidden:
            raise
        except Refused:
            # What was refused was not done: sending it again is no second time.
            answer = await self._asked(await self._signed_in(token), method, path, body, once=once)
        return _data(answer, once=once)

    def public_specs(self) -> Any:
        """Machines that anybody may know of, asked for one time, in this thread, as nobody."""
        return _data(self._http.ask_now(f"{_CORE}/v1/devices/public-specs", headers={}))

    async def fetch(self, link: str) -> Any:
        """What a link to results leads to."""
        parts = urlsplit(link)
        if parts.scheme != "https" and not (self._is_here and is_private(link)):
            raise Unavailable(CLOUD, f"its results are at {parts.scheme}://{parts.hostname}, in the clear")
        shelf = self._at(f"{parts.scheme}://{parts.netloc}")
        return await shelf.ask("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers={})

    async def _asked(self, token: str, method: str, path: str, body: object, *, once: bool) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.ask(method, f"{_CORE}{path}", headers=headers, body=body, once=once)

    async def _signed_in(self, refused: str) -> str:
        """A token that is not ``refused``, or the one that somebody else got meanwhile."""
        async with self._turn:
            if self._token == refused:
                token, form = self._credentials()
                if form:
                    answer = await self._auth.ask("POST", "", headers={}, form=form)
                    token = answered(answer, _Token).access_token
                    if not token.isascii() or not token.isprintable():
                        raise Unavailable(CLOUD, "it gives a token that cannot stand in a header")
                self._token = token
            return self._token

    def _credentials(self) -> tuple[str, dict[str, str]]:
        """A token, or what one is asked for with; read anew each time, since files may be renewed."""
        options, secret = self._context.options, self._context.secret
        if {"pasqal.token_file", "pasqal.token_fd"} & set(options):
            return secret("pasqal.token", "PASQAL_TOKEN"), {}
        if "pasqal.client_id" in options:
            account = {"grant_type": "client_credentials", "client_id": options["pasqal.client_id"]}
            return "", account | _AUDIENCE | {"client_secret": secret("pasqal.client_secret", "PASQAL_CLIENT_SECRET")}
        user, password = secret("pasqal.user", "PASQAL_USERNAME"), secret("pasqal.password", "PASQAL_PASSWORD")
        return "", {**self._grant, **_AUDIENCE, "username": user, "password": password}

    def _at(self, base: str) -> VendorHttp:
        return VendorHttp(CLOUD, base, self._context.clock, self._context.io, explain=_explained)


class _Token(msgspec.Struct):
    access_token: str


def answered(found: object, kind: type[_T]) -> _T:
    """As ``kind``. Raises ``Unavailable`` for what is nothing of the sort."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise Unavailable(CLOUD, f"it answers with something else than is published: {error}") from error


def _data(answer: object, *, once: bool = False) -> Any:
    if not isinstance(answer, dict) or "data" not in answer:
        raise (Unanswered if once else Unavailable)(
            CLOUD, "it answers with something else than is published: there is no data in it"
        )
    return answer["data"]


def _explained(body: bytes) -> str:
    """Why, as JSend says it, or OAuth."""
    try:
        found = json.loads(body)
        inner = found.get("data")
        told = inner.get("description") if isinstance(inner, dict) else None
        text = told or found.get("message") or found["error_description"]
    except (ValueError, AttributeError, KeyError):
        return said_plainly(body)
    code = found.get("code")
    return said_plainly(f"{text} ({code})".encode() if code else str(text).encode())
