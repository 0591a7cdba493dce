"""The same functions as in `imgurd`, for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, Optional, Union

from ._message import LONGEST_REPLY, bounded, get_token_call, parameters_of, reject_call, watch_call
from ._socket import MARGIN, check_user, hung_up, silent, socket_path, unreachable
from ._types import Account, Token

__all__ = ["get_token", "reject", "watch"]


async def get_token(account: Optional[str] = None, min_valid: float = 60, wait: float = 20) -> Token:
    """See `imgurd.get_token`."""
    async with _Connection() as connection:
        return Token._of(await connection.call(get_token_call(account, min_valid, wait), wait))


async def reject(token: Union[Token, str], account: Optional[str] = None, wait: float = 20) -> Token:
    """See `imgurd.reject`."""
    async with _Connection() as connection:
        return Token._of(await connection.call(reject_call(token, account, wait), wait))


async def watch(account: Optional[str] = None) -> AsyncIterator[Account]:
    """See `imgurd.watch`."""
    async with _Connection() as connection:
        connection.send(watch_call(account))
        # Without an account, there is nothing to say until one is added.
        while True:
            yield Account._of(await connection.receive(None))


class _Connection:
    async def __aenter__(self) -> _Connection:
        path = socket_path()
        opening = asyncio.open_unix_connection(path, limit=LONGEST_REPLY)
        try:
            self._reader, self._writer = await asyncio.wait_for(opening, MARGIN)
        except asyncio.TimeoutError:
            raise silent() from None
        except OSError as error:
            raise unreachable(path, error) from None
        try:
            check_user(path, self._writer.get_extra_info("socket"))
        except BaseException:
            self._writer.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def call(self, message: bytes, wait: float) -> Dict[str, Any]:
        self.send(message)
        return await self.receive(max(bounded(wait), 0) + MARGIN)

    def send(self, message: bytes) -> None:
        self._writer.write(message)

    async def receive(self, bound: Optional[float]) -> Dict[str, Any]:
        try:
            reply = await asyncio.wait_for(self._reader.readuntil(b"\0"), bound)
        except asyncio.TimeoutError:
            raise silent() from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            raise hung_up() from None
        return parameters_of(reply)
