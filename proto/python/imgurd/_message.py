"""Calls and replies: JSON objects that a zero byte ends (https://varlink.org)."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional, Union

from ._types import Token
from .errors import Error, InvalidArgument, error_of

#: More than any reply has, in bytes.
LONGEST_REPLY = 1024 * 1024
#: The longest wait for a token, in seconds.
LONGEST_WAIT = 86400.0
#: More seconds than any token lasts.
LARGEST = 2**53


def get_token_call(account: Optional[str], min_valid: float, wait: float) -> bytes:
    return _call("GetToken", account=account, min_valid_s=_whole(min_valid), wait_ms=_whole(bounded(wait) * 1000))


def reject_call(token: Union[Token, str], account: Optional[str], wait: float) -> bytes:
    if isinstance(token, Token):
        account = account or token.account
        token = token.access_token
    return _call("RejectToken", account=account, access_token=token, wait_ms=_whole(bounded(wait) * 1000))


def bounded(wait: float) -> float:
    """Return the number of seconds to wait, at most a day."""
    return min(_whole(wait * 1000) / 1000, LONGEST_WAIT)


def _whole(number: float) -> int:
    try:
        return int(min(number, LARGEST))
    except (TypeError, ValueError):
        raise InvalidArgument("wait and min_valid must be numbers of seconds") from None


def watch_call(account: Optional[str]) -> bytes:
    return _call("Watch", more=True, account=account)


def _call(method: str, more: bool = False, **parameters: Any) -> bytes:
    given = {name: value for name, value in parameters.items() if value is not None}
    call = {"method": f"org.imgurd.Keeper1.{method}", "parameters": given, "more": more}
    try:
        return json.dumps(call).encode("utf-8") + b"\0"
    except (TypeError, ValueError):
        # The text of the original error might repeat a token.
        raise InvalidArgument("an argument has the wrong type; see the documentation of the function") from None


def parameters_of(reply: bytes) -> Dict[str, Any]:
    """Return what a reply says, or raise the error that it is."""
    try:
        message = json.loads(reply.rstrip(b"\0"))
        name, parameters = message.get("error"), message.get("parameters") or {}
    except (ValueError, AttributeError):
        raise Error("imgurd gave an answer that is no reply; restart it with `systemctl --user restart imgurd`") from None
    if name is not None:
        raise error_of(name, parameters)
    return parameters
