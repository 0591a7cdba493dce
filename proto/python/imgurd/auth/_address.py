"""Where a token may go."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Optional

from ..errors import InvalidArgument


def check_address(scheme: str, host: Optional[str]) -> None:
    """Raise `InvalidArgument` for plain HTTP to another machine, where others can read the token (RFC 6750, section 5.3)."""
    if scheme != "https" and not _is_loopback(host or ""):
        error = InvalidArgument(f"a token does not go to {host} over {scheme}; use https")
        error.field = "url"
        raise error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
