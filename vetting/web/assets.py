"""Style, scripts and pictures: joined, named by their content, compressed once, kept by browsers for ever.

Our own files lie in `static/css` and `static/js`, one file a part of the console; the libraries in `static/vendor`, made
from npm by `python -m tools.assets`. Nothing is asked of anybody else's network.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from vetting.domain.errors import NotFound, Unavailable
from vetting.gate import HEADERS

STATIC = Path(__file__).resolve().parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
VENDOR = "vendor"
BUNDLES: dict[str, tuple[str, ...]] = {  # what a browser loads -> the files in it, a folder stands for all its files
    "console.css": ("css",),
    "console.js": (f"{VENDOR}/htmx.min.js", f"{VENDOR}/hx-sse.min.js", "js"),
    "charts.js": (f"{VENDOR}/uPlot.iife.min.js", "charts"),
    "charts.css": (f"{VENDOR}/uPlot.min.css",),
}
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    packed: bytes  # gzip
    media_type: str


class Assets:
    """All of them in memory: some hundred kilobytes."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._served: dict[str, Asset] = {}
        self._names: dict[str, str] = {}
        for bundle, parts in BUNDLES.items():
            self._add(bundle, b"\n".join(_bytes(path) for part in parts for path in _files(folder, part)))
        for path in sorted((folder / "img").glob("*.svg")):
            self._add(path.name, path.read_bytes())

    def url(self, name: str) -> str:
        """The address of `console.css`: it changes when the content does."""
        return f"/assets/{self._names[name]}"

    def names(self) -> tuple[str, ...]:
        """Every address that is served."""
        return tuple(f"/assets/{name}" for name in self._served)

    async def serve(self, request: web.Request) -> web.Response:
        """One of them. Raises NotFound."""
        asset = self._served.get(request.match_info["name"])
        if asset is None:
            raise NotFound("there is no such file; the page that asked for it is of another version: load it again")
        headers = {**HEADERS, "Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(
                body=asset.packed, content_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return web.Response(body=asset.body, content_type=asset.media_type, headers=headers)

    def _add(self, name: str, body: bytes) -> None:
        stem, dot, ending = name.rpartition(".")
        served = f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}{dot}{ending}"
        self._served[served] = Asset(body, gzip.compress(body, 9, mtime=0), TYPES[dot + ending])
        self._names[name] = served


def _files(folder: Path, part: str) -> list[Path]:
    place = folder / part
    return sorted(path for path in place.iterdir() if path.suffix in TYPES) if place.is_dir() else [place]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"the console lacks {path.name}: this program is half built or damaged; build it again with ./build.sh zipapp"
        ) from error
