"""What every route is given: the backend, and whose library is meant."""

from typing import Annotated

from fastapi import Depends, Header, Query
from starlette.requests import HTTPConnection

from app.api.backend import Backend
from app.api.problems import UnknownPath
from app.library import Library

OWNER_HEADER = "X-Tutti-Owner"


def backend_of(connection: HTTPConnection) -> Backend:
    backend = connection.app.state.backend
    assert isinstance(backend, Backend)
    return backend


def library_of(backend: Annotated[Backend, Depends(backend_of)]) -> Library:
    return Library(backend.catalogue, backend.store, backend.settings.max_duration_s)


def owner_of(
    connection: HTTPConnection,
    x_tutti_owner: Annotated[
        str,
        Header(
            pattern=r"^[A-Za-z0-9._@-]{1,64}$",
            description="Whose library. It is trusted: let the proxy that knows your users set it.",
        ),
    ] = "local",
) -> str:
    if "\0" in connection.url.path:  # no name holds one, and PostgreSQL will not even look for it
        raise UnknownPath(path=connection.url.path.replace("\0", ""))
    return x_tutti_owner


Access = Annotated[Backend, Depends(backend_of)]
Owner = Annotated[str, Depends(owner_of)]
Shelf = Annotated[Library, Depends(library_of)]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="How many to pass over.")]
