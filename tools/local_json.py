"""Requests to this machine's own servers, JSON both ways, past any proxy that is set."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method: str, url: str, body: Any = None, *, token: str = "", timeout: float = 60) -> Any:
    """Send one request and return the JSON of its answer (None for an empty one).

    :param token: sent as the bearer token, if there is one
    :param timeout: in seconds
    :raises urllib.error.HTTPError: the status is 400 or more
    :raises OSError: the server cannot be reached; urllib.error.URLError is one
    """
    headers: Mapping[str, str] = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the caller's own http address
    with _WITHOUT_PROXY.open(request, timeout=timeout) as answer:
        return json.loads(answer.read() or b"null")
