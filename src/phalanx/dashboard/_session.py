"""Signing in and out of the dashboard, and who is looking at a page.

A session lives in one cookie that scripts cannot read and other sites cannot send. A request
that changes something (signing in included) must come from a page of this node: the browser
says so in ``Sec-Fetch-Site`` or ``Origin``, and one that says neither is refused.

A login link only shows a button: mail scanners and prefetching browsers follow links, and a
code is spent by its first use. The button also makes the next request one of our own, so that
the strict cookie is sent with it.
"""

from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from phalanx.core import LimitExceeded
from phalanx.dashboard._limits import MAX_FORM_BYTES, MAX_FORM_FIELDS
from phalanx.dashboard._render import Renderer
from phalanx.trust import SESSION_COOKIE, SESSION_LIFETIME_S, NotAuthenticated, Principal, Role, Tokens

_LOGIN = "/login"
_SEE_OTHER = 303


class Doorman:
    """Knows who is looking, and lets people in and out."""

    def __init__(self, tokens: Tokens, renderer: Renderer) -> None:
        self._tokens = tokens
        self._renderer = renderer

    async def viewer(self, request: Request) -> Principal:
        """Whose session a request has. Raises ``NotAuthenticated``, or ``NotAllowed`` below the role viewer."""
        principal = await self._tokens.session(request.cookies.get(SESSION_COOKIE, ""))
        principal.require(Role.VIEWER)
        return principal

    async def show(self, request: Request) -> Response:
        """The login page. A code in the address is offered behind a button."""
        code, onward = request.query_params.get("code", ""), request.query_params.get("next", "/")
        return self._renderer.page("login.html", code=code, next=local_path(onward), problem="")

    async def sign_in(self, request: Request) -> Response:
        """Open a session for a token or a code, and go on to where the visitor wanted to be."""
        require_same_origin(request)
        form = await read_form(request)
        onward = local_path(form.get("next", "/"))
        try:
            session = await self._open_session(form)
        except NotAuthenticated as error:
            problem = error.reason[:1].upper() + error.reason[1:] + "."
            return self._renderer.page("login.html", status=401, code="", next=onward, problem=problem)
        answer = RedirectResponse(onward, _SEE_OTHER)
        answer.set_cookie(
            SESSION_COOKIE,
            session,
            max_age=SESSION_LIFETIME_S,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session here and on the node."""
        require_same_origin(request)
        self._tokens.end_session(request.cookies.get(SESSION_COOKIE, ""))
        answer = RedirectResponse(_LOGIN, _SEE_OTHER)
        answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def _open_session(self, form: dict[str, str]) -> str:
        if form.get("code"):
            return self._tokens.redeem(form["code"])
        principal = await self._tokens.authenticate(form.get("token", "").strip())
        return self._tokens.redeem(self._tokens.login_code(principal))


def to_login(request: Request) -> Response:
    """Send a visitor without a session to the login page, and back here afterwards."""
    onward = request.url.path
    if request.method != "GET":
        # A form cannot be sent again from here: the visitor goes on to the first page.
        onward = "/"
    elif request.url.query:
        onward = f"{onward}?{request.url.query}"
    return RedirectResponse(f"{_LOGIN}?{urlencode({'next': onward})}", _SEE_OTHER)


def local_path(path: str) -> str:
    """``path`` if it leads to a page of this node, else the first page.

    ``//host`` and ``/\\host`` lead elsewhere, and control characters are dropped by browsers.
    """
    local = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if local else "/"


def require_same_origin(request: Request) -> None:
    """Raises ``NotAuthenticated`` for a request that another site may have made the browser send."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        same = site == "same-origin"
    else:
        origin = urlsplit(request.headers.get("origin", ""))
        same = bool(origin.netloc) and origin.netloc == request.headers.get("host")
    if not same:
        raise NotAuthenticated("the request did not come from a page of this node")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent, of each the first. Raises ``LimitExceeded``."""
    return {name: values[0] for name, values in (await read_fields(request)).items()}


async def read_fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form that was sent, each with all its values. Raises ``LimitExceeded``."""
    parts: list[bytes] = []
    seen = 0
    async for part in request.stream():
        seen += len(part)
        if seen > MAX_FORM_BYTES:
            raise LimitExceeded("form bytes", maximum=MAX_FORM_BYTES, seen=seen)
        parts.append(part)
    text = b"".join(parts).decode(errors="replace")
    n_fields = text.count("&") + 1
    if n_fields > MAX_FORM_FIELDS:
        raise LimitExceeded("form fields", maximum=MAX_FORM_FIELDS, seen=n_fields)
    return parse_qs(text)
