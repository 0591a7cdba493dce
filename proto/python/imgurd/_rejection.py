"""Whether an API turned a request away because of its access token."""

from __future__ import annotations

import json
from typing import Any, Iterator


def rejects_token(status: int, body: bytes) -> bool:
    """Whether a server that answered like this wants another access token: then call `reject`, and try once more.

    A 401 says so (RFC 6750, section 3.1). Imgur says 403 to many things, and means the token only if it names the access
    token. A server over capacity says nothing about the token, whatever its status.
    """
    if status not in (401, 403):
        return False
    texts = [text.lower() for text in _error_texts(body)]
    if any("over capacity" in text for text in texts):
        return False
    return status == 401 or any("access token" in text for text in texts)


def _error_texts(body: bytes) -> Iterator[str]:
    """Yield what a JSON body says is wrong, in all the places where Imgur's API and its token endpoint say it."""
    try:
        answer = json.loads(body)
    except ValueError:
        return
    error, data = _get(answer, "error"), _get(answer, "data")
    inner, errors = _get(data, "error"), _get(answer, "errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    found = [
        error,
        _get(error, "code"),
        _get(first, "code"),
        _get(error, "message"),
        data,
        inner,
        _get(inner, "message"),
        _get(first, "detail"),
    ]
    for text in found:
        if isinstance(text, str):
            yield text


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
