"""What imgurd answers with."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Mapping, Optional, Type, TypeVar

T = TypeVar("T")


def _known(kind: Type[T], parameters: Mapping[str, Any]) -> T:
    """Make a value of the fields that this version knows; a later imgurd may send more."""
    return kind(**{known.name: parameters[known.name] for known in fields(kind) if known.name in parameters})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Token:
    """An access token. Its ``repr`` does not show it."""

    access_token: str = field(repr=False)
    token_type: str = "Bearer"
    #: Unix seconds; None if the server did not say.
    expires_at: Optional[int] = None
    username: Optional[str] = None
    account: Optional[str] = None

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``."""
        return f"{self.token_type} {self.access_token}"

    @classmethod
    def _of(cls, parameters: Mapping[str, Any]) -> Token:
        return _known(cls, parameters["token"])


@dataclass(frozen=True)
class Account:
    """An account and its state. Every state but ``fresh`` has a reason, which says what to do."""

    name: str
    #: empty, fresh, refreshing, stale, waiting, consent_needed, misconfigured or store_unavailable.
    state: str
    reason: Optional[str] = None
    is_default: bool = False
    username: Optional[str] = None
    auto_refresh: bool = True
    login_pending: bool = False
    unsaved: bool = False
    refused: bool = False
    #: These are Unix seconds.
    expires_at: Optional[int] = None
    next_refresh_at: Optional[int] = None
    retry_at: Optional[int] = None
    granted_at: Optional[int] = None

    @classmethod
    def _of(cls, parameters: Mapping[str, Any]) -> Account:
        return _known(cls, parameters["account"])
