"""Keeps requests small that are read whole into memory. Forms with files are not; `intake.py` counts those."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.intake import declared_bytes
from app.api.problems import respond
from app.errors import TooLarge

MAX_BODY_BYTES = 1 << 20
"""Options of a job take some hundred bytes."""


class BodyLimit:
    """ASGI middleware that refuses larger bodies, except for multipart ones.

    FastAPI's own `max_body_size` would answer some of them in plain text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if scope["type"] != "http" or headers.get("content-type", "").startswith("multipart/"):
            await self._app(scope, receive, send)
            return
        if declared_bytes(headers) > MAX_BODY_BYTES:
            await respond(Request(scope), TooLarge(limit_bytes=MAX_BODY_BYTES))(scope, receive, send)
            return
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > MAX_BODY_BYTES:
                # Only an HTTPException comes through FastAPI's reading of the body; problems.py answers its cause.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from TooLarge(limit_bytes=MAX_BODY_BYTES)
            return message

        await self._app(scope, counted, send)
