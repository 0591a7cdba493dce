"""A blocking connection to imgurd."""

from __future__ import annotations

import socket
from typing import Any, Dict

from ._message import LONGEST_REPLY, bounded, parameters_of
from ._socket import MARGIN, check_user, hung_up, silent, socket_path, unreachable


class Connection:
    """A connection of its own for one call, whose bound is ``wait`` seconds."""

    def __init__(self, wait: float = 0) -> None:
        path = socket_path()
        self._received = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(MARGIN)
            self._socket.connect(path)
            check_user(path, self._socket)
        except OSError as error:
            self._socket.close()
            raise unreachable(path, error) from None
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(max(bounded(wait), 0) + MARGIN)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, message: bytes) -> Dict[str, Any]:
        self.send(message)
        return self.receive()

    def send(self, message: bytes) -> None:
        try:
            self._socket.sendall(message)
        except socket.timeout:
            raise silent() from None
        except OSError:
            # A daemon without room says so before it hangs up: that can still be read (unix(7)).
            pass

    def receive(self) -> Dict[str, Any]:
        while b"\0" not in self._received:
            try:
                part = self._socket.recv(65536)
            except socket.timeout:
                raise silent() from None
            except OSError:
                part = b""
            if not part or len(self._received) > LONGEST_REPLY:
                raise hung_up()
            self._received += part
        reply, _, self._received = self._received.partition(b"\0")
        return parameters_of(reply)

    def wait_for_ever(self) -> None:
        """Set no bound from here on: nobody knows when the next change comes."""
        self._socket.settimeout(None)
