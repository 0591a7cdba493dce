"""Why a call failed: one class for each error of the interface."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Optional, Tuple


class Error(Exception):
    """Any failure. ``reason`` is a sentence that says what to do.

    ``response`` is the API's answer that rejected the token, if `imgurd.auth` could not get another token for it.
    """

    _fields: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.response: Any = None


class NoSuchAccount(Error):
    """There is no account of that name, or no default account."""

    _fields = ("account",)
    account: Optional[str] = None


class ConsentNeeded(Error):
    """There is no grant that works: somebody has to sign in."""

    _fields = ("account",)
    account: Optional[str] = None


class AccessDenied(Error):
    """This program may not have the token."""


class TemporarilyUnavailable(Error):
    """There is no token now. Try again after ``retry_at`` (Unix seconds) if it is set."""

    _fields = ("retry_at",)
    retry_at: Optional[int] = None


class StoreUnavailable(Error):
    """The store of the grants is locked, absent or has another key."""


class Misconfigured(Error):
    """The server refuses the client or a setting, which ``setting`` names."""

    _fields = ("setting",)
    setting: Optional[str] = None


class LoginFailed(Error):
    """Signing in failed."""


class InvalidArgument(Error):
    """The argument that ``field`` names has a value that it cannot have."""

    _fields = ("field",)
    field: Optional[str] = None


class Unreachable(Error, ConnectionError):
    """imgurd does not run, ended the connection, or does not answer."""


_INTERFACE = (
    NoSuchAccount,
    ConsentNeeded,
    AccessDenied,
    TemporarilyUnavailable,
    StoreUnavailable,
    Misconfigured,
    LoginFailed,
    InvalidArgument,
)
_BY_NAME = {f"org.imgurd.Keeper1.{kind.__name__}": kind for kind in _INTERFACE}


def error_of(name: str, parameters: Mapping[str, Any]) -> Error:
    """Return the exception for an error on the socket, with its fields as attributes."""
    if name == "org.varlink.service.MethodNotFound":
        return Error("imgurd is older than this package; restart it with `systemctl --user restart imgurd`")
    if name == "org.varlink.service.InvalidParameter":
        return InvalidArgument(f"imgurd does not accept the argument {parameters.get('parameter')}; check its type")
    kind = _BY_NAME.get(name)
    if kind is None:
        return Error(f"imgurd answered with {name}; update this package")
    error = kind(str(parameters.get("reason", "")))
    for field in kind._fields:
        setattr(error, field, parameters.get(field))
    return error
