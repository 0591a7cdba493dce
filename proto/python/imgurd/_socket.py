"""Where imgurd listens, and that the program behind the socket is this user's."""

from __future__ import annotations

import os
import socket
import struct

from .errors import AccessDenied, Unreachable

#: What is added to a call's own bound before imgurd is taken for hung, in seconds.
MARGIN = 5.0
#: What the kernel calls every user without a number in this user namespace (user_namespaces(7)).
_OVERFLOW = 65534


def socket_path() -> str:
    """$IMGURD_SOCKET, else $XDG_RUNTIME_DIR/imgurd/socket, else below /run/user/UID."""
    named = os.environ.get("IMGURD_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # The specification has a relative one ignored.
    if not os.path.isabs(runtime):
        runtime = f"/run/user/{os.getuid()}"
    return os.path.join(runtime, "imgurd", "socket")


def unreachable(path: str, error: OSError) -> Exception:
    """The exception for a socket that cannot be connected to."""
    if isinstance(error, PermissionError):
        return _not_ours(path)
    if isinstance(error, (socket.timeout, BlockingIOError)):
        return silent()
    why = error.strerror or str(error)
    return Unreachable(f"cannot reach imgurd at {path}: {why}; start it with `systemctl --user start imgurd`")


def silent() -> Unreachable:
    return Unreachable("imgurd does not answer; restart it with `systemctl --user restart imgurd`")


def hung_up() -> Unreachable:
    return Unreachable("imgurd ended the connection; see `systemctl --user status imgurd`")


def check_user(path: str, connection: socket.socket) -> None:
    """Raise `AccessDenied` if another user listens there: they would be told what is meant for imgurd."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user = struct.unpack("3i", credentials)[1]
    if user != os.getuid() or (user == _OVERFLOW and not _maps_overflow()):
        raise _not_ours(path)


def _maps_overflow() -> bool:
    """Whether 65534 is a user like others here, rather than all those without a number."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as uid_map:
            ranges = [[int(number) for number in line.split()] for line in uid_map]
    except (OSError, ValueError):
        return False
    return any(first <= _OVERFLOW < first + count for first, _, count in ranges)


def _not_ours(path: str) -> AccessDenied:
    return AccessDenied(
        f"{path} is not your user's socket; call as the user whose imgurd it is, or set IMGURD_SOCKET to your own"
    )
