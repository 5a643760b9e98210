"""Every model: where its weights come from, how they are checked, their licence and size; find, fetch, verify."""

from pathlib import Path


class Models:
    """The weights on this machine, in one folder."""

    def __init__(self, folder: Path, may_fetch: bool = False) -> None:
        self.folder = folder
        self.may_fetch = may_fetch

    def missing(self, name: str) -> str | None:
        """Why the weights `name` cannot be had, in a sentence that says how to get them; None if they can."""
        raise KeyError(name)

    def path(self, name: str) -> Path:
        """Where the weights `name` lie, fetched first if need be. Raises `WeightsMissing` or `WeightsBroken`."""
        raise KeyError(name)

    def fingerprint(self, name: str) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the weights `name`: names their content."""
        raise KeyError(name)
