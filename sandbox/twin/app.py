"""The twin as an HTTP service: the platform's gateway in front of its functions.

The gateway does what Supabase's does: unknown functions, ``verify_jwt``, faults of the worker. Its error bodies are
``{"code", "message"}`` with the header ``sb-error-code``; those of a function are ``{"success": false, "error"}``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, Field

from sandbox.twin import answers, faults, keys, management
from sandbox.twin.target import Target
from upkeep.wires.functions.contract import FUNCTIONS

PREFIX = "/functions/v1/"
IDLE_TIMEOUT_SECONDS = 160  # a little more than the 150 s after which the platform itself gives up

#: Whether the platform checks the key before the function runs; where it does, only a legacy key passes.
VERIFY_JWT = {
    function: function in ("production-monitoring", "database-scalability", "gdpr-compliance") for function in FUNCTIONS
}

#: What each function is for, for the document.
PURPOSES = {
    "production-monitoring": "State and performance of the platform",
    "error-tracking": "Errors of the platform; all but the health check echo their period",
    "database-scalability": "The database: statements, indexes, sizes, connections",
    "gdpr-compliance": "Consents and processing; the report echoes its period",
    "trust-scorer": "Scores of trust",
    "vibe-analyzer": "Analyses of vibes",
    "agent-recommender": "Recommendations of agents",
}

log = logging.getLogger("uvicorn.error")
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Setup:
    """What a twin is started with: the file ``faults`` reads, how many bytes the platform's plan stores, and where the
    base backups lie that it lists.
    """

    dsn: str
    keys: keys.Keys = field(repr=False)
    verify_jwt: Mapping[str, bool] = field(default_factory=lambda: VERIFY_JWT)
    faults: Path | None = None
    storage_bytes: int | None = None
    backups: Path | None = None


class GatewayError(BaseModel):
    """The platform's own error body; the header ``sb-error-code`` repeats the code."""

    code: str
    message: str


class FunctionError(BaseModel):
    """A function's error body."""

    success: Literal[False]
    error: str


def create_app(setup: Setup) -> FastAPI:
    """The service. Its OpenAPI document is the published contract of the monitoring functions."""
    app = FastAPI(
        title="Monitoring functions",
        version="1",
        description=(
            "What Upkeep asks the monitoring functions and expects them to answer. Fields beyond these are tolerated; "
            "where a metric is found is configurable."
        ),
        docs_url=None,
        redoc_url=None,
    )
    app.middleware("http")(_gateway(setup))
    app.exception_handler(RequestValidationError)(_bad_request)
    # Checked in the gateway before the body is read; declared here for the document.
    auth = [
        Depends(HTTPBearer(auto_error=False, scheme_name="legacy_key", description="A JWT; also goes into apikey.")),
        Depends(APIKeyHeader(name="apikey", auto_error=False, scheme_name="apikey", description="Either form of key.")),
    ]

    for function in FUNCTIONS:
        app.post(PREFIX + function, dependencies=auth, **_documented(function))(_endpoint(setup, function))
    if setup.backups:
        app.get(management.PATH, include_in_schema=False)(management.listing(setup.keys, setup.backups))
    return app


def _endpoint(setup: Setup, function: str) -> Callable[..., Response]:
    models = tuple(action.request for action in FUNCTIONS[function].values())
    body: Any = Annotated[Union[models], Field(discriminator="action")] if len(models) > 1 else models[0]  # noqa: UP007  # made of a tuple

    def endpoint(request: Any) -> Response:
        with Target.open(setup.dsn, setup.storage_bytes) as target:
            answer = answers.answer(target, function, request, datetime.now(UTC))
        return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")

    endpoint.__annotations__["request"] = body  # what FastAPI reads the body by
    return endpoint


def _documented(function: str) -> dict[str, Any]:
    answer: Any = None
    for action in FUNCTIONS[function].values():
        answer = action.answer if answer is None else answer | action.answer
    return {
        "operation_id": function,
        "summary": function,
        "description": f"{PURPOSES[function]}: {', '.join(FUNCTIONS[function])}.",
        "response_model": None,  # the answer is serialised by its own model, once
        "responses": {
            200: {"model": answer, "description": "One shape per action, in the order of the requests."},
            400: {"model": FunctionError, "description": "An unknown action or an argument that does not fit."},
            401: {"model": GatewayError | FunctionError, "description": "No key, or one that is not valid."},
            404: {"model": GatewayError, "description": "No such function."},
            500: {"model": GatewayError, "description": "WORKER_ERROR: the function broke."},
            "default": {
                "model": GatewayError,
                "description": "503 BOOT_ERROR, 504 IDLE_TIMEOUT, 546 out of resources.",
            },
        },
    }


async def _bad_request(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(str(part) for part in p['loc'][1:]) or 'body'}: {p['msg']}" for p in problems)
    return _function_error(400, said)


def _gateway(setup: Setup) -> Callable[[Request, Next], Awaitable[Response]]:
    called: dict[str, float] = {}

    async def gateway(request: Request, call_next: Next) -> Response:
        if not request.url.path.startswith(PREFIX):
            return await call_next(request)
        function = request.url.path.removeprefix(PREFIX)
        if function not in FUNCTIONS:
            return _gateway_error(404, "NOT_FOUND", "Requested function was not found")
        try:
            fault = faults.read(setup.faults, function)
            if refused := _refused(setup, function, request, fault):
                return refused
            silence = time.monotonic() - called.get(function, -math.inf)
            try:
                return await _with_fault(fault, silence, request, call_next)
            finally:
                called[function] = time.monotonic()
        except Exception:
            log.exception("%s broke", function)
            return _gateway_error(500, "WORKER_ERROR", "Function exited due to an error (please check logs)")

    return gateway


def _refused(setup: Setup, function: str, request: Request, fault: faults.Fault | None) -> Response | None:
    """The refusal of a request's keys, None if they pass; a key may be shown as expired."""
    expired = fault is not None and fault.fault == "expired_key"
    if setup.verify_jwt[function]:
        refusal = keys.EXPIRED if expired else keys.at_the_gateway(request.headers, setup.keys)
        return _gateway_error(401, refusal.code, refusal.message) if refusal else None
    refusal = keys.UNKNOWN if expired else keys.in_the_function(request.headers, setup.keys)
    return _function_error(401, refusal.message) if refusal else None


async def _body(request: Request, call_next: Next) -> bytes:
    whole = await call_next(request)
    return b"".join([bytes(chunk) async for chunk in whole.body_iterator])  # type: ignore[attr-defined]  # streamed by the middleware


async def _with_fault(fault: faults.Fault | None, silence: float, request: Request, call_next: Next) -> Response:
    match fault and fault.fault:
        case "http_500":
            return _gateway_error(500, "WORKER_ERROR", "Function exited due to an error (please check logs)")
        case "success_false":
            return _function_error(200, "the database is not reachable")
        case "html":
            return HTMLResponse("<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>")
        case "never":
            await asyncio.sleep(IDLE_TIMEOUT_SECONDS)
            return _gateway_error(504, "IDLE_TIMEOUT", "The request timed out")
        case "slow_when_cold" if fault and silence >= fault.after_seconds:
            await asyncio.sleep(fault.seconds)
            return await call_next(request)
        case "truncated":
            body = await _body(request, call_next)
            return Response(body[: len(body) // 2], media_type="application/json")
        case "rolled_back":  # no fault at all: an earlier deployment answers
            old, new = (f'"version":{version}'.encode() for version in (answers.VERSION, answers.EARLIER))
            return Response((await _body(request, call_next)).replace(old, new), media_type="application/json")
        case _:
            return await call_next(request)


def _gateway_error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status, headers={"sb-error-code": code})


def _function_error(status: int, error: str) -> Response:
    return JSONResponse({"success": False, "error": error}, status)
