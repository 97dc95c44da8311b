"""What the pages are made of besides HTML: the sheet, the scripts, and the chart library.

The chart library comes out of the installed ``plotly`` package; it is neither copied into this
repository nor fetched from anywhere. It is compressed once, when it is first asked for. Its
address carries its version, so that a browser keeps it for good; the rest is revalidated.
"""

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from phalanx.core import Offload, Unavailable

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_REVALIDATE = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"

# The library holds parts (maps) that add an inline <style> when it is loaded, unless an element
# with a certain id is there. The policy would block it and the browser report it; so the page
# puts those elements there. The ids change with versions and are therefore read from the file.
_STYLE_GUARD = re.compile(rb'getElementById\("([0-9a-f]{64})"\)\)\{var \w+=document\.createElement\("style"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served. ``packed`` is its gzip form, empty where that is not worth it."""

    body: bytes
    media_type: str
    digest: str
    caching: str
    packed: bytes = b""

    def response(self, request: Request) -> Response:
        """The file, or 304 when the browser has it already (RFC 9110, section 13.1.2)."""
        pack = bool(self.packed) and _takes_gzip(request)
        etag = f'"{self.digest}-gzip"' if pack else f'"{self.digest}"'
        headers = {"ETag": etag, "Cache-Control": self.caching, "Vary": "Accept-Encoding"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if etag in known:
            return Response(status_code=304, headers=headers)
        if pack:
            headers["Content-Encoding"] = "gzip"
        return Response(self.packed if pack else self.body, headers=headers, media_type=self.media_type)


def _takes_gzip(request: Request) -> bool:
    offers = [offer.replace(" ", "").partition(";") for offer in request.headers.get("accept-encoding", "").split(",")]
    return any(coding == "gzip" and weight not in ("q=0", "q=0.0") for coding, _, weight in offers)


def own_assets() -> Mapping[str, Asset]:
    """The files that ship with this package, by name."""
    found = {}
    for entry in sorted(files("phalanx.dashboard").joinpath("static").iterdir(), key=lambda one: one.name):
        body = entry.read_bytes()
        media_type = _MEDIA_TYPES[Path(entry.name).suffix]
        found[entry.name] = Asset(body, media_type, _digest(body), _REVALIDATE)
    return found


class ChartLibrary:
    """plotly.js as the ``plotly`` package bundles it."""

    def __init__(self, offload: Offload) -> None:
        self.name = f"plotly-{version('plotly')}.js"
        self._offload = offload
        self._lock = asyncio.Lock()
        self._loaded: tuple[Asset, tuple[str, ...]] | None = None

    async def asset(self) -> Asset:
        return (await self._load())[0]

    async def style_guards(self) -> tuple[str, ...]:
        """Ids of the elements that keep the library from adding inline styles."""
        return (await self._load())[1]

    async def _load(self) -> tuple[Asset, tuple[str, ...]]:
        async with self._lock:
            if self._loaded is None:
                self._loaded = await self._offload.run(_load_plotly)
        return self._loaded


def _load_plotly() -> tuple[Asset, tuple[str, ...]]:
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("the chart library", "the package plotly is not installed")
    path = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    # Level 6 takes a quarter of a second once and saves seven tenths of the bytes every time.
    script = path.read_bytes()
    packed = gzip.compress(script, compresslevel=6, mtime=0)
    guards = tuple(sorted({found.decode() for found in _STYLE_GUARD.findall(script)}))
    return Asset(script, _MEDIA_TYPES[".js"], _digest(script), _FOR_GOOD, packed), guards


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def asset_routes(own: Mapping[str, Asset], charts: ChartLibrary) -> BaseRoute:
    """Where the assets are served. They are the same for everyone and hold nothing to protect."""

    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name == charts.name:
            return (await charts.asset()).response(request)
        if name in own:
            return own[name].response(request)
        return Response("no such asset", 404, media_type="text/plain")

    return Mount("/assets", routes=[Route("/{name}", serve, name="asset")])
