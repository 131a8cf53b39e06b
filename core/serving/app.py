"""The routes of the server, on FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..data import Document, Reject
from ..dataset.row_examples import text_id
from ..errors import InputError
from ..extraction.prediction_file import encoded, prediction_line
from .answers import Answers, Service
from .chat import add_chat_routes
from .guard import Guard
from .requests import ExtractBody, error_body
from .uploads import UploadedFile, UploadedRow, documents_of, drawn_page

_PAGE = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"}
_LINES = "application/x-ndjson"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of a page that loads from its own server alone."""


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        keys: one of them has to be sent; none for no key.
        hosts: names by which the server may be addressed; none for any.
    """

    keys: frozenset[bytes] = frozenset()
    hosts: frozenset[str] = frozenset()


def make_app(
    services: Mapping[str, Service], answers: Answers, access: Access, is_ready: Callable[[], bool]
) -> ASGIApp:
    """Return the application.

    Args:
        services: by the name of their plugin.
        answers: admits requests.
        access: who may ask.
        is_ready: says whether further requests should be sent here.
    """
    # The pages for trying an API load scripts from elsewhere, so there are none.
    app = FastAPI(title="fieldsmith", version=__version__, docs_url=None, redoc_url=None)
    _add_error_handlers(app)
    _add_page(app)
    _add_drawing(app, answers)
    _add_state(app, answers, is_ready)
    add_chat_routes(app, services, answers)
    for service in services.values():
        _add_service(app, service, answers)
    app.openapi = lambda: _openapi(app, services)  # type: ignore[method-assign]
    routes = frozenset(getattr(route, "path", "") for route in app.routes)
    return Guard(app, access.keys, access.hosts, answers.limits, answers.metrics, routes)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def refused(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        body = error_body(error.status_code, str(error.detail))
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        return JSONResponse(error_body(422, f"{place}: {first['msg']}".removeprefix(": ")), 422)


def _add_page(app: FastAPI) -> None:
    """Add the page for people, which loads nothing from elsewhere."""

    def add(path: str, kind: str) -> None:
        name = path.removeprefix("/") or "page.html"
        content = (Path(__file__).parent / name).read_bytes()
        headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}

        async def page() -> Response:
            return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)

        app.add_api_route(path, page, include_in_schema=False)

    for path, kind in _PAGE.items():
        add(path, kind)


def _add_drawing(app: FastAPI, answers: Answers) -> None:
    @app.post("/v1/page", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def draw_page(file: UploadFile, page: Annotated[int, Form(ge=1)] = 1) -> Response:
        """Draw a page of an uploaded PDF as it is shown.

        The header `Page-Size` has its width and height in points, in which boxes are given.
        """
        with answers.admitted():
            try:
                drawn = await run_in_threadpool(
                    drawn_page, await file.read(), page, answers.limits.seconds
                )
            except InputError as error:
                raise HTTPException(422, str(error)) from error
        picture, (width, height) = drawn
        return Response(picture, headers={"Page-Size": f"{width} {height}"}, media_type="image/png")


def _add_state(app: FastAPI, answers: Answers, is_ready: Callable[[], bool]) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process runs."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        """Say whether further requests should be sent here; the status is 503 if not."""
        if not is_ready():
            raise HTTPException(503, "not ready: it is about to end, or a model has failed")
        return {"status": "ready"}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return counts and durations as Prometheus reads them."""
        return Response(answers.metrics.page(), media_type="text/plain; version=0.0.4")


def _add_service(app: FastAPI, service: Service, answers: Answers) -> None:
    """Add the routes of a plugin."""
    path = f"/v1/{service.name}"
    tags: list[str | Enum] = [service.name]
    record = {"$ref": f"#/components/schemas/{service.name}.line"}
    lines = {"type": "object", "properties": {"results": {"type": "array", "items": record}}}
    answered: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The line of one text; or results, a line each.",
            "content": {
                "application/json": {"schema": {"anyOf": [record, lines]}},
                _LINES: {"schema": record},
            },
        }
    }

    @app.get(f"{path}/schema", tags=tags)
    async def schema() -> JSONResponse:
        """Return the JSON Schema of a record."""
        return JSONResponse(service.extractor.task.schema)

    @app.post(f"{path}/extract", tags=tags, response_class=JSONResponse, responses=answered)
    async def extract(body: ExtractBody, request: Request) -> Response:
        """Extract the record of a text, or those of several.

        With `Accept: application/x-ndjson` there is a line for each document as soon as it is
        answered, in the order of the documents.
        """
        rows = _documents(body)
        with ExitStack() as admitted:
            admitted.enter_context(answers.admitted())
            if body.text is None:
                return await _many(service, rows, request, answers, admitted)
            await answers.check(service, rows)
            (document,) = rows
            prediction = await answers.one(service, document, request)
        return _json(encoded(prediction_line(prediction, service.name)))

    @app.post(f"{path}/files", tags=tags, response_class=JSONResponse, responses=answered)
    async def read_files(files: list[UploadFile], request: Request) -> Response:
        """Extract the records of uploaded files, of any form that the plugin reads.

        Each line has the document's text, too, to which its offsets refer, and the number of its
        file, from 0.
        """
        sent = [UploadedFile(each.filename or "document", await each.read()) for each in files]
        limits, plugin = answers.limits, service.extractor.task.plugin
        with ExitStack() as admitted:
            admitted.enter_context(answers.admitted())
            try:
                read = await run_in_threadpool(
                    documents_of, plugin, sent, limits.documents, limits.seconds
                )
            except InputError as error:
                raise HTTPException(422, str(error)) from error
            rows, added = [each.row for each in read], list(map(_of_file, read))
            return await _many(service, rows, request, answers, admitted, added)


async def _many(
    service: Service,
    rows: Sequence[Document | Reject],
    request: Request,
    answers: Answers,
    admitted: ExitStack,
    added: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """Answer several documents: by lines as they come, or by one list.

    Args:
        service: answers.
        rows: see ``Answers.lines``.
        request: see ``Answers.lines``.
        answers: see ``Answers``.
        admitted: ends the admission of the request; a stream takes it over.
        added: see ``Answers.lines``.
    """
    await answers.check(service, rows)
    lines = answers.lines(service, rows, request, added)
    if _LINES not in request.headers.get("accept", ""):
        results = b",".join([encoded(line).rstrip() async for line in lines])
        return _json(b'{"results":[' + results + b"]}")
    return _Lines(lines, admitted.pop_all())


def _of_file(read: UploadedRow) -> dict[str, Any]:
    """Return what the line of an uploaded document has besides."""
    text = {"text": read.row.text} if isinstance(read.row, Document) else {}
    return {**text, "file": read.file}


class _Lines(StreamingResponse):
    """Lines that are sent as they come; at the end of the answer its admission ends."""

    def __init__(self, lines: AsyncIterator[Mapping[str, Any]], admitted: ExitStack) -> None:
        super().__init__((encoded(line) async for line in lines), media_type=_LINES)
        self._admitted = admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._admitted:  # also where the client has gone before the first line
            await super().__call__(scope, receive, send)


def _documents(body: ExtractBody) -> list[Document]:
    if body.documents is not None:
        return [Document(each.id or text_id(each.text), each.text) for each in body.documents]
    texts = body.texts if body.texts is not None else [body.text or ""]
    return [Document(text_id(text), text) for text in texts]


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _openapi(app: FastAPI, services: Mapping[str, Service]) -> dict[str, Any]:
    """Return the description of all routes, with the schema of each plugin as it is."""
    described: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes
    )
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    for name, service in services.items():
        # With an id of its own, what the schema refers to is found inside it.
        record = {**service.extractor.task.schema, "$id": f"/v1/{name}/schema"}
        schemas[f"{name}.line"] = _line_schema(record)
    return described


def _line_schema(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a line of ``extract predict``."""
    offsets = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    box = {"type": "array", "items": {"type": "number"}, "minItems": 5, "maxItems": 5}
    return {
        "type": "object",
        "required": ["id", "record", "spans", "confidence", "status", "windows", "read", "plugin"],
        "properties": {
            "id": {"type": "string"},
            "record": {"anyOf": [record, {"type": "null"}]},
            "error": {"type": "string"},
            "text": {"type": "string"},
            "file": {"type": "integer"},
            "spans": {"type": "object", "additionalProperties": offsets},
            "boxes": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": box},
            },
            "confidence": {"type": "object", "additionalProperties": {"type": "number"}},
            "status": {"type": "object", "additionalProperties": {"type": "string"}},
            "windows": {"type": "array", "items": {"type": "integer"}},
            "read": {"type": "number"},
            "plugin": {"type": "string"},
        },
    }
