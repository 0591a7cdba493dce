"""Authentication for requests (https://requests.readthedocs.io)."""

from __future__ import annotations

from functools import partial
from typing import Any, Optional
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from .. import Error, Token, get_token, reject, rejects_token
from ._address import check_address


class RequestsAuth(AuthBase):
    """``auth`` for requests: a fresh token of the account for each request.

    If the API rejects the token, it is replaced and the request sent once more, unless its body cannot be read again.
    """

    def __init__(self, account: Optional[str] = None) -> None:
        self.account = account

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        address = urlsplit(request.url or "")
        check_address(address.scheme, address.hostname)
        token = get_token(self.account)
        request.headers["Authorization"] = token.authorization
        request.register_hook("response", partial(self._retry, token, _position(request)))  # type: ignore[no-untyped-call]
        return request

    def _retry(self, token: Token, position: Optional[int], response: Response, **options: Any) -> Response:
        # After a redirect to another server, the token was not sent and is not to blame.
        if response.request.headers.get("Authorization") != token.authorization:
            return response
        if response.status_code not in (401, 403) or not rejects_token(response.status_code, response.content):
            return response
        try:
            token = reject(token)
        except Error as error:
            error.response = response
            raise
        if not _rewind(response.request, position):
            return response
        response.close()
        request = response.request.copy()
        extract_cookies_to_jar(request._cookies, response.request, response.raw)  # type: ignore[attr-defined,no-untyped-call]
        request.prepare_cookies(request._cookies)  # type: ignore[attr-defined]
        request.headers["Authorization"] = token.authorization
        # This calls no hooks, so that a second rejection is the answer.
        second: Response = response.connection.send(request, **options)
        second.history.append(response)
        second.request = request
        return second


def _position(request: PreparedRequest) -> Optional[int]:
    """Return where in its file the body begins."""
    body: Any = request.body
    try:
        return int(body.tell())
    except (AttributeError, OSError, TypeError):
        return None


def _rewind(request: PreparedRequest, position: Optional[int]) -> bool:
    """Return whether the body can be sent again, and go back to its beginning."""
    body: Any = request.body
    if body is None or isinstance(body, (bytes, str)):
        return True
    try:
        body.seek(position)
    except (AttributeError, OSError, TypeError, ValueError):
        return False
    return True
