"""Health, metrics, a JSON API and the status page; every route only reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from prometheus_client import CONTENT_TYPE_LATEST

from rotator import __version__
from rotator.errors import StateError
from rotator.web.page import left_of, rows
from rotator.web.view import View

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_PAGES.filters["left"] = left_of

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create(view: View) -> FastAPI:
    """The application; it holds nothing but the view."""
    app = FastAPI(title="rotator", version=__version__, docs_url=None, redoc_url=None)

    @app.exception_handler(StateError)
    def unreadable(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=503)

    @app.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> PlainTextResponse:
        """Looks still happen; Kubernetes restarts the pod when they do not."""
        return PlainTextResponse("ok\n") if view.alive() else PlainTextResponse("no look for too long\n", 503)

    @app.get("/readyz", response_class=PlainTextResponse)
    def readyz() -> PlainTextResponse:
        """A first look has ended."""
        return PlainTextResponse("ok\n") if view.ready() else PlainTextResponse("before the first look\n", 503)

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus text."""
        return Response(view.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/api/v1/status")
    def status() -> dict[str, Any]:
        """The last look, decision by decision, and the open notices."""
        return view.status()

    @app.get("/api/v1/outcomes")
    def outcomes(
        certificate: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[dict[str, Any]]:
        """Rotations, the newest first."""
        return view.outcomes(certificate, limit)

    @app.get("/", response_class=HTMLResponse)
    def page() -> HTMLResponse:
        """The status page."""
        now = view.now()
        text = _PAGES.get_template("page.html").render(
            status=view.status(), rows=rows(view.status(), now), outcomes=view.outcomes(None, 30), now=now
        )
        return HTMLResponse(text, headers=_HEADERS)

    return app
