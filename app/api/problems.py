"""Errors as RFC 9457 problem documents: what happened, in a sentence that says what to do, and nothing internal."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from app.errors import BadRequest, NotFound, TuttiError, problem_of

MEDIA_TYPE = "application/problem+json"


class InvalidRequest(BadRequest):
    """The request is not as it should be: {reason}. GET /docs describes it."""

    status = 422


class MethodNotAllowed(TuttiError):
    """{method} is not possible here. Possible: {allowed}."""

    status = 405


class RangeNotSatisfiable(TuttiError):
    """The range {range} is not in this file of {size_bytes} bytes."""

    status = 416


class UnknownPath(NotFound):
    """There is nothing at {path}. GET /docs lists what there is."""


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    app.add_exception_handler(TuttiError, _tutti_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ClientDisconnect, _nobody_there)
    app.add_exception_handler(Exception, _unexpected)


def respond(connection: HTTPConnection, error: TuttiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = document(connection, error)
    return JSONResponse(body, error.status, dict(headers or {}), media_type=MEDIA_TYPE)


def document(connection: HTTPConnection, error: TuttiError) -> dict[str, Any]:
    return {**problem_of(error), "instance": connection.url.path}


def invalid(problems: Sequence[Any]) -> InvalidRequest:
    """What pydantic found wrong, in a sentence."""
    found = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems]
    return InvalidRequest(reason="; ".join(found))


async def _tutti_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TuttiError)
    return respond(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(request, invalid(error.errors()))


async def _http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, TuttiError):
        return respond(request, error.__cause__)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(request, UnknownPath(path=request.url.path))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = headers.get("Allow", "nothing")
        return respond(request, MethodNotAllowed(method=request.method, allowed=allowed), headers)
    refused = BadRequest(reason=str(error.detail))
    return JSONResponse(
        {**document(request, refused), "status": error.status_code}, error.status_code, headers, media_type=MEDIA_TYPE
    )


async def _nobody_there(_: Request, __: Exception) -> Response:
    """The client hung up; nobody will read this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _unexpected(request: Request, _: Exception) -> Response:
    """A bug. Starlette logs it; the client learns nothing of our insides."""
    return respond(request, TuttiError())
