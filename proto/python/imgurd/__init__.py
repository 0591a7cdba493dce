"""Gets Imgur access tokens from imgurd, the daemon that keeps them fresh.

    import imgurd

    token = imgurd.get_token()
    headers = {"Authorization": token.authorization}

If the API rejects the token (401, or a 403 that names the access token), ``imgurd.reject(token)`` returns another one.
"""

from __future__ import annotations

from typing import Iterator, Optional, Union

from ._connection import Connection
from ._message import get_token_call, reject_call, watch_call
from ._rejection import rejects_token
from ._types import Account, Token
from .errors import (
    AccessDenied,
    ConsentNeeded,
    Error,
    InvalidArgument,
    LoginFailed,
    Misconfigured,
    NoSuchAccount,
    StoreUnavailable,
    TemporarilyUnavailable,
    Unreachable,
)

__all__ = [
    "AccessDenied",
    "Account",
    "ConsentNeeded",
    "Error",
    "InvalidArgument",
    "LoginFailed",
    "Misconfigured",
    "NoSuchAccount",
    "StoreUnavailable",
    "TemporarilyUnavailable",
    "Token",
    "Unreachable",
    "get_token",
    "reject",
    "rejects_token",
    "watch",
]


def get_token(account: Optional[str] = None, min_valid: float = 60, wait: float = 20) -> Token:
    """Return an access token that stays valid for ``min_valid`` seconds; at most half its lifetime counts.

    Without ``account``, it is the default account's. Waits up to ``wait`` seconds for a token, and without a grant raises
    `ConsentNeeded` at once.
    """
    with Connection(wait) as connection:
        return Token._of(connection.call(get_token_call(account, min_valid, wait)))


def reject(token: Union[Token, str], account: Optional[str] = None, wait: float = 20) -> Token:
    """Report that the API rejected this token, and return another one.

    Without ``account``, a `Token` is its own account's, and a string the default account's.
    """
    with Connection(wait) as connection:
        return Token._of(connection.call(reject_call(token, account, wait)))


def watch(account: Optional[str] = None) -> Iterator[Account]:
    """Yield each account, or the one named, now and at each change.

    Raises `Unreachable` when imgurd ends the connection, as when it restarts.
    """
    with Connection() as connection:
        connection.send(watch_call(account))
        # Without an account, there is nothing to say until one is added.
        connection.wait_for_ever()
        while True:
            yield Account._of(connection.receive())
