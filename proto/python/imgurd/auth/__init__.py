"""Authentication for requests and httpx: each request gets a fresh token, and a rejected one is replaced once.

    requests.get(url, auth=RequestsAuth())
    httpx.get(url, auth=HttpxAuth())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._httpx import HttpxAuth
    from ._requests import RequestsAuth

__all__ = ["HttpxAuth", "RequestsAuth"]


def __getattr__(name: str) -> Any:
    # Only the library in use has to be installed.
    if name == "HttpxAuth":
        from ._httpx import HttpxAuth

        return HttpxAuth
    if name == "RequestsAuth":
        from ._requests import RequestsAuth

        return RequestsAuth
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
