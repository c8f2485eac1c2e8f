"""What the store raises. Both say what to do; neither carries SQL or a traceback to the client."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class StoreUnavailable(ServiceError):
    """The data folder can't be used (disk full, locked, corrupt, read-only). The message says what to do about it."""

    code = "ServiceUnavailableException"
    status = 503

    def __str__(self) -> str:
        return self.message


class AlreadyExists(Exception):
    """`insert` found the key taken (`index` is None), or a unique index its values (`index` is its name)."""

    def __init__(self, kind: str, key: tuple[str, ...], index: str | None = None) -> None:
        taken = f"the values of {index}" if index else "the key"
        super().__init__(f"{kind} {key!r}: {taken} exist already")
        self.kind = kind
        self.key = key
        self.index = index
