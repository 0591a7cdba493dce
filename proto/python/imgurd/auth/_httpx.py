"""Authentication for httpx (https://www.python-httpx.org)."""

from __future__ import annotations

from typing import AsyncGenerator, Generator, Optional

import httpx

from .. import Error, Token, aio, get_token, reject, rejects_token
from ._address import check_address


class HttpxAuth(httpx.Auth):
    """``auth`` for httpx's clients, both the blocking and the asynchronous one: a fresh token for each request.

    If the API rejects the token, it is replaced and the request sent once more, unless its body cannot be read again.
    """

    def __init__(self, account: Optional[str] = None) -> None:
        self.account = account

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        _prepare(request)
        token = get_token(self.account)
        request.headers["Authorization"] = token.authorization
        response = yield request
        if _is_suspect(response, token):
            response.read()
            if rejects_token(response.status_code, response.content):
                try:
                    token = reject(token)
                except Error as error:
                    error.response = response
                    raise
                if _is_replayable(request):
                    request.headers["Authorization"] = token.authorization
                    yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        _prepare(request)
        token = await aio.get_token(self.account)
        request.headers["Authorization"] = token.authorization
        response = yield request
        if _is_suspect(response, token):
            await response.aread()
            if rejects_token(response.status_code, response.content):
                try:
                    token = await aio.reject(token)
                except Error as error:
                    error.response = response
                    raise
                if _is_replayable(request):
                    request.headers["Authorization"] = token.authorization
                    yield request


def _prepare(request: httpx.Request) -> None:
    check_address(request.url.scheme, request.url.host)
    # A form with files is read from the files once; then it can be sent again.
    if request.headers.get("Content-Type", "").startswith("multipart/"):
        request.read()


def _is_suspect(response: httpx.Response, token: Token) -> bool:
    """Whether it may be a rejection. After a redirect to another server, the token was not sent and is not to blame."""
    was_sent = response.request.headers.get("Authorization") == token.authorization
    return was_sent and response.status_code in (401, 403)


def _is_replayable(request: httpx.Request) -> bool:
    try:
        request.content
    except httpx.RequestNotRead:
        return False
    return True
