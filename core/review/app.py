"""The page of a review and its routes, on Starlette; it answers this machine alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..errors import OutputError
from ..files import parse_json
from ..serving.app import PAGE_POLICY
from ..serving.guard import Guard, Limits
from ..serving.metrics import Metrics
from ..serving.requests import error_body
from ..serving.server import LOOPBACK_NAMES, listen, signals_end_the_server_alone
from .decisions import Review, Reviews
from .editing import CheckedRecord, with_item, with_value, without_value

_HERE = Path(__file__).parent
_FILES = {
    "/": (_HERE / "page.html", "text/html"),
    "/review.js": (_HERE / "review.js", "text/javascript"),
    "/review.css": (_HERE / "review.css", "text/css"),
    "/page.css": (_HERE.parent / "serving" / "page.css", "text/css"),
}
_LARGEST_BODY = 50_000_000

_CHANGES = {"set": with_value, "add": with_item}
"""Changes of a value by what the page calls them; "remove" takes no value."""


def serve_review(reviews: Reviews, port: int, say_address: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or Ctrl-C.

    Args:
        reviews: the documents.
        port: at this machine's loopback address; 0 for any that is free.
        say_address: is called with the address once it is listened at.

    Raises:
        SettingsError: the port is taken.
    """
    with listen("127.0.0.1", port) as opened:
        config = uvicorn.Config(
            make_app(reviews),
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        say_address(f"http://127.0.0.1:{opened.getsockname()[1]}")
        with signals_end_the_server_alone():
            uvicorn.Server(config).run(sockets=[opened])


def make_app(reviews: Reviews) -> ASGIApp:
    """Return the application.

    Args:
        reviews: the documents.
    """
    routes = [
        *(Route(path, functools.partial(_file, *what)) for path, what in _FILES.items()),
        Route("/documents", functools.partial(_list, reviews)),
        Route("/documents/{number:int}", functools.partial(_show, reviews)),
        Route("/documents/{number:int}/change", _posted(reviews, _change), methods=["POST"]),
        Route("/documents/{number:int}/decide", _posted(reviews, _decide), methods=["POST"]),
        Route("/documents/{number:int}/undo", _posted(reviews, _undo), methods=["POST"]),
    ]
    metrics = Metrics(lambda: 0)
    limits = Limits(body_bytes=_LARGEST_BODY)
    return Guard(Starlette(routes=routes), (), LOOPBACK_NAMES, limits, metrics, ())


async def _file(path: Path, kind: str, _request: Request) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
    content = path.read_bytes()
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)


async def _list(reviews: Reviews, _request: Request) -> Response:
    """Return the documents' ids, each with what was decided of it."""
    documents = [
        {"id": item.example.document.id, "decision": item.review and item.review.decision}
        for item in reviews.items
    ]
    return JSONResponse(
        {
            "plugin": reviews.plugin.name,
            "reviewer": reviews.reviewer,
            "output": str(reviews.output),
            "documents": documents,
        }
    )


async def _show(reviews: Reviews, request: Request) -> Response:
    number = request.path_params["number"]
    if number >= len(reviews.items):
        return _refused(404, f"there are {len(reviews.items)} documents")
    item = reviews.items[number]
    document = item.example.document
    shown = {
        "id": document.id,
        "text": document.text,
        "url": document.meta.get("url"),
        "review": item.review and _review(item.review),
    }
    return JSONResponse(shown | _checked(reviews.check(number, reviews.current(number))))


def _posted(
    reviews: Reviews, answer: Callable[[Reviews, int, dict[str, Any]], dict[str, Any]]
) -> Callable[[Request], Any]:
    """Return a route that answers a JSON object, or says in one line why it does not."""

    async def route(request: Request) -> Response:
        number = request.path_params["number"]
        try:
            body = parse_json((await request.body()).decode() or "{}")
            if number >= len(reviews.items) or not isinstance(body, dict):
                return _refused(404, "no such document, or the body is no JSON object")
            return JSONResponse(await run_in_threadpool(answer, reviews, number, body))
        except ValueError as error:
            return _refused(422, str(error))
        except OutputError as error:
            return _refused(500, str(error))

    return route


def _change(reviews: Reviews, number: int, body: dict[str, Any]) -> dict[str, Any]:
    """Return a record with one value changed: {"record", "change", "pointer", "value"}."""
    record, change, pointer = _record(body), str(body.get("change")), str(body.get("pointer"))
    if change == "remove":
        changed = without_value(record, pointer, reviews.schema)
    elif change in _CHANGES:
        changed = _CHANGES[change](record, pointer, str(body.get("value", "")), reviews.schema)
    else:
        raise ValueError(f"{change!r} is none of set, add, remove")
    return _checked(reviews.check(number, changed))


def _decide(reviews: Reviews, number: int, body: dict[str, Any]) -> dict[str, Any]:
    """Decide on a document: {"record": …}, or {"record": null} to reject it."""
    record = None if body.get("record", "") is None else _record(body)
    return _review(reviews.decide(number, record))


def _undo(reviews: Reviews, number: int, _body: dict[str, Any]) -> dict[str, Any]:
    reviews.undo(number)
    return {}


def _record(body: dict[str, Any]) -> dict[str, Any]:
    record = body.get("record")
    if not isinstance(record, dict):
        raise ValueError("record: a JSON object is wanted")
    return record


def _review(review: Review) -> dict[str, Any]:
    return {"decision": review.decision, "reviewer": review.reviewer, "time": review.time}


def _checked(found: CheckedRecord) -> dict[str, Any]:
    return {
        "record": found.record,
        "spans": found.spans,
        "absent": found.absent,
        "problem": found.problem,
    }


def _refused(status: int, message: str) -> Response:
    return JSONResponse(error_body(status, message), status)
