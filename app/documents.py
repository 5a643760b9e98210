"""Values of `music.py` as JSON files, checked when they are read: a person may have edited them."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import BrokenDocument


def write(path: Path, kind: Any, value: Any) -> None:
    """Write a value of type `kind` (which may have parameters: `tuple[Note, ...]`). The same value, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(TypeAdapter(kind).dump_json(value, indent=1) + b"\n")


def read(path: Path, kind: Any, role: str) -> Any:
    """A value of type `kind`. Raises `BrokenDocument`, which names the file by its `role`."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise BrokenDocument(role=role, reason=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
