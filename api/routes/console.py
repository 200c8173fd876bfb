"""The web console's built files.

Only files that were there at the start are served, by exact path, so that no request can name another one.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

import trio
from quart import Response

from api.routing import Access, Call, Handler, Route, html_page

PAGES = {"/": "index.html", "/kvm": "index.html", "/login": "login.html"}
PAGES_FOR_ALL = frozenset({"/login"})
# Vite puts a hash of the content into the names below this folder.
HASHED_FOLDER = "share/assets/"
A_YEAR = "public, max-age=31536000, immutable"


def console_routes(root: Path) -> list[Route]:
    """List the routes of the console whose built files are below *root*."""
    routes = [
        Route(
            "GET",
            path,
            Access.PUBLIC if path in PAGES_FOR_ALL else Access.PAGE,
            None,
            handler,
            described=False,
        )
        for path, handler in [*((path, _file(root / name)) for path, name in PAGES.items()), ("/kvm/", _up)]
    ]
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.is_file() and name not in PAGES.values() and not name.startswith("."):
            handler = _file(file, hashed=name.startswith(HASHED_FOLDER))
            routes.append(Route("GET", f"/{name}", Access.PUBLIC, None, handler, described=False))
    return routes


async def _up(_call: Call) -> Response:
    """Send the browser to where the console's relative links hold."""
    return Response(b"", 302, headers={"Location": "../"})


def _file(file: Path, *, hashed: bool = False) -> Handler:
    mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    content_type = f"{mime}; charset=utf-8" if mime.startswith("text/") else mime

    async def serve(_call: Call) -> Response:
        try:
            data = await trio.Path(file).read_bytes()
        except OSError:
            return html_page(503, "The console is not built", "Run `just console` and restart the appliance.")
        return Response(
            data, content_type=content_type, headers={"Cache-Control": A_YEAR if hashed else "no-cache"}
        )

    return serve
