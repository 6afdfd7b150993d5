"""One call of a function without a thread: the watch's wire, with the same rules as ``transport``.

A redirect is not followed, an answer is cut off at its cap, and no message holds the key.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass

import aiohttp
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from upkeep.settings.maintenance import Http
from upkeep.wires.functions.contract import quoted
from upkeep.wires.functions.transport import WireError, key_headers


@dataclass(frozen=True)
class Place:
    """Where a target's functions are, and its API key."""

    url: str
    key: str


@dataclass(frozen=True)
class Reply:
    """A body and the milliseconds that it took."""

    body: bytes
    milliseconds: float


def trust() -> ssl.SSLContext:
    """The authorities that requests trusts, so that a window's calls and the watch's see the same."""
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def client(http: Http, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """Keeps connections open for some seconds; no proxy and no login out of the environment, no cookie kept.

    Made in the loop that it is used in.
    """
    patience = aiohttp.ClientTimeout(
        total=None, sock_connect=http.connect_timeout_seconds, sock_read=http.read_timeout_seconds
    )
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls),
        timeout=patience,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def ask(
    client: aiohttp.ClientSession, place: Place, function: str, body: str, seconds: float, most: int
) -> Reply:
    """Send a read-only call once. Raises WireError that names the function, after ``seconds`` in any case."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= key_headers(place.key)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            content = await _exchange(client, f"{place.url}/functions/v1/{function}", headers, body, most)
    except aiohttp.ClientError as error:
        said = quoted(str(error).replace(place.key, "***") or type(error).__name__, 200)
        raise WireError(f"{function}: no answer: {said}") from None
    except TimeoutError:
        raise WireError(f"{function}: no complete answer within {seconds:g} s") from None
    except WireError as error:
        raise WireError(f"{function}: {error}".replace(place.key, "***")) from None
    return Reply(content.replace(place.key.encode(), b"***"), 1000 * (time.perf_counter() - began))


async def _exchange(client: aiohttp.ClientSession, url: str, headers: dict[str, str], body: str, most: int) -> bytes:
    content = bytearray()
    async with client.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            raise WireError(f"found status {response.status}, expected 200")
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most:
                raise WireError(f"found an answer of more than {most} bytes (config: http.max_answer_bytes)")
    return bytes(content)
