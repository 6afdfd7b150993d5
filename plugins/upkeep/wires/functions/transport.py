"""The wire to the monitoring functions: one POST, with clocks, a cap and no redirects.

The sender is handed in (``HttpHook.run`` of the http provider), so that nothing here knows Airflow.
Supabase's two key forms (X2): a legacy key is a JWT and goes into ``apikey`` and ``Authorization``; a new
``sb_secret_…`` key goes into ``apikey`` only. No message of this module contains a header's value.
"""

from __future__ import annotations

import contextvars
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import requests
import tenacity
from urllib3.exceptions import HTTPError, ReadTimeoutError

from upkeep.settings.maintenance import Http
from upkeep.wires.functions.contract import ContractError, json_object, quoted

#: Seconds between attempts: doubled each time, and never longer than a server may ask for (429).
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0


class WireError(RuntimeError):
    """A call brought no usable answer. ``transient`` says whether sending it again may help."""

    def __init__(self, message: str, *, transient: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.transient = transient
        self.pause = pause


class Send(Protocol):
    """The part of ``HttpHook.run`` that is used."""

    def __call__(
        self,
        endpoint: str,
        data: str,
        headers: dict[str, str],
        extra_options: dict[str, Any],
        *,
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        hooks: dict[str, Callable[..., None]],
    ) -> requests.Response: ...


@dataclass(frozen=True)
class Call:
    """One request to one function, addressed through a Connection."""

    function: str
    body: str
    connection_id: str

    def __str__(self) -> str:
        return f"Connection {self.connection_id!r}, function {self.function!r}"


def key_headers(key: str) -> dict[str, str]:
    """Supabase's auth headers for either form of key. Raises WireError when there is none."""
    if not re.fullmatch(r"[!-~]+", key):
        raise WireError("found no usable API key, expected it as the Connection's password (X2)")
    if key.startswith("sb_"):
        return {"apikey": key}
    return {"apikey": key, "Authorization": f"Bearer {key}"}


def post(send: Send, call: Call, key: str, http: Http) -> bytes:
    """Send a read-only call, again if that may help, and return the body of a 200 answer.

    Raises WireError naming the Connection, the function, what was found and what was expected.
    """
    try:
        headers = key_headers(key)
    except WireError as error:
        raise WireError(f"{call}: {error}") from None

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.pause if isinstance(error, WireError) else 0.0
        usual: float = FIRST_PAUSE * 2 ** (state.attempt_number - 1)
        return min(max(asked, usual), LONGEST_PAUSE)

    again = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(http.attempts),
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, WireError) and error.transient),
        wait=pause,
        reraise=True,
    )
    try:
        return again(_once, send, call, headers, http)
    except WireError as error:
        # A server may repeat the key in its answer; neither log nor ledger may hold it.
        raise WireError(str(error).replace(key, "***")) from None


def _once(send: Send, call: Call, key: dict[str, str], http: Http) -> bytes:
    """One attempt under a clock for the whole of it.

    Timeouts of sockets begin anew with every byte, and name resolution has none: only a clock beside them ends
    an attempt for certain. One that is given up goes on in its thread until the server or the process ends it.
    """
    outcome: Future[bytes] = Future()
    deadline = time.monotonic() + http.total_timeout_seconds

    def attempt() -> None:
        try:
            outcome.set_result(_exchange(send, call, key, http, deadline))
        except BaseException as error:
            if isinstance(error, WireError):
                error.__context__ = None  # its frames keep sockets open, and hold the key
            outcome.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(attempt,), daemon=True).start()
    try:
        return outcome.result(http.total_timeout_seconds)
    except TimeoutError:
        raise _too_slow(call, http) from None


def _exchange(send: Send, call: Call, key: dict[str, str], http: Http, deadline: float) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity", **key}
    options = {
        "timeout": (http.connect_timeout_seconds, http.read_timeout_seconds),
        "stream": True,
        "allow_redirects": False,
        "check_response": False,
    }

    def refuse_redirect(response: requests.Response, **_: Any) -> None:
        # Here, for requests reads a redirect's whole body, unpacked and without a cap, even when it follows none.
        if 300 <= response.status_code < 400:
            response.close()
            where = _shown(response.headers.get("Location", "").partition("?")[0], key, 200)
            raise WireError(
                f"{call}: found a redirect ({response.status_code}) to {where}, which is not followed; "
                "set the Connection's host to the address that answers itself"
            )

    try:
        # An auth of our own keeps requests from replacing the Authorization header with one out of ~/.netrc.
        response = send(
            f"/functions/v1/{call.function}",
            call.body,
            headers,
            options,
            auth=lambda request: request,
            hooks={"response": refuse_redirect},
        )
    except (requests.exceptions.RequestException, HTTPError, ValueError) as error:
        raise _explain(call, error, http, key) from None
    with response:
        body = _read(response, call, http, deadline).replace(key["apikey"].encode(), b"***")
    _refuse_all_but_200(call, response, body, key)
    return body


def _read(response: requests.Response, call: Call, http: Http, deadline: float) -> bytes:
    body = bytearray()
    try:
        while chunk := response.raw.read1(65_536):
            body += chunk
            if len(body) > http.max_answer_bytes:
                raise WireError(
                    f"{call}: found an answer of more than {http.max_answer_bytes} bytes, expected less "
                    "(config: http.max_answer_bytes); reading was stopped"
                )
            if time.monotonic() > deadline:
                raise _too_slow(call, http)
    except ReadTimeoutError:
        found = f"then nothing for {http.read_timeout_seconds:g} s (config: http.read_timeout_seconds)"
        raise WireError(f"{call}: found {len(body)} bytes of an answer, {found}", transient=True) from None
    except (OSError, HTTPError) as error:
        raise WireError(f"{call}: the answer broke off after {len(body)} bytes: {error}", transient=True) from None
    return bytes(body)


def _too_slow(call: Call, http: Http) -> WireError:
    return WireError(
        f"{call}: the answer was not complete after {http.total_timeout_seconds:g} s "
        "(config: http.total_timeout_seconds)",
        transient=True,
    )


def _explain(call: Call, error: Exception, http: Http, key: dict[str, str]) -> WireError:
    reason = _shown(_reason(error), key, 300)
    match error:
        case requests.exceptions.SSLError():
            return WireError(f"{call}: TLS failed, expected a certificate that this machine trusts: {reason}")
        case requests.exceptions.ConnectTimeout():
            found = f"no connection within {http.connect_timeout_seconds:g} s (config: http.connect_timeout_seconds)"
        case requests.exceptions.ReadTimeout():
            found = f"no answer within {http.read_timeout_seconds:g} s (config: http.read_timeout_seconds)"
        case requests.exceptions.ConnectionError():
            found = f"no connection; check the Connection's host and port: {reason}"
        case _:
            return WireError(f"{call}: no request that could be sent, or no HTTP in answer: {reason}")
    return WireError(f"{call}: {found}", transient=True)


def _reason(error: Exception) -> str:
    """The innermost cause in a few words; requests' own message repeats pools and object addresses."""
    inner: Any = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return str(inner).rpartition(": ")[2] or type(error).__name__


def _shown(text: str, key: dict[str, str], length: int) -> str:
    """The start of what a server said. The key is taken out first: a cut through it would hide it from a search."""
    return quoted(text.replace(key["apikey"], "***"), length)


def _refuse_all_but_200(call: Call, response: requests.Response, body: bytes, key: dict[str, str]) -> None:
    status = response.status_code
    if status == 200:
        return
    said = _said(response, body)
    match status:
        case 401 | 403:
            hint = "check the API key in the Connection's password"
            if "UNAUTHORIZED_NO_AUTH_HEADER" in said and "Authorization" not in key:
                hint = (
                    "the function has verify_jwt on and the Connection holds an sb_ key, which is no JWT: "
                    "turn verify_jwt off for this function or use the legacy service_role key (X2)"
                )
            raise WireError(f"{call}: found {status} {said}; {hint}")
        case 429:
            asked = response.headers.get("Retry-After", "")
            told = _shown(asked, key, 40) if asked else "not given"
            raise WireError(
                f"{call}: found 429, the rate limit (Retry-After: {told}); {said}",
                transient=True,
                pause=_seconds(asked),
            )
        case _:
            raise WireError(f"{call}: found status {status}, expected 200; {said}", transient=status >= 500)


def _seconds(retry_after: str) -> float:
    """Retry-After as seconds: it is a number or an HTTP date (RFC 9110, 10.2.3); anything else is 0."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _said(response: requests.Response, body: bytes) -> str:
    """What an error answer says of itself: Supabase's code and message, else its first characters."""
    code = response.headers.get("sb-error-code", "")
    try:
        answer = json_object(body)
        message = str(answer.get("message") or answer.get("error") or answer)
        code = code or str(answer.get("code", ""))
    except ContractError:
        message = body.decode("utf-8", "replace")
    known = re.fullmatch(r"[A-Z0-9_]{1,80}", code)  # else it is not Supabase's
    return f"{code}: {quoted(message, 300)}" if known else quoted(message, 300)
