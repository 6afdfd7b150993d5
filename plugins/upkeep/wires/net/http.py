"""One connection to one address: TCP, TLS with the certificate verified, and a request that changes nothing.

Redirects are not followed, no body is read but where it is asked for, no key is sent but one that is given, and no
proxy is used. The messages are our own words: what a socket, OpenSSL or a server says may hold what the address holds.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from upkeep.settings.maintenance import Http
from upkeep.wires.net.address import Address, Headers
from upkeep.wires.net.parallel import CancelScope

#: PostgreSQL's message "may we speak TLS?" (protocol documentation, SSLRequest).
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)

#: OpenSSL's X509_V_ERR_… that people meet, in words.
_DISTRUST = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "comes from an authority that signs itself and that this machine does not know",
    20: "comes from an authority that this machine does not know",
    21: "comes from an authority that this machine does not know",
    23: "was revoked",
    62: "is for another host name",
    64: "is for another address",
}
EXPIRED = 10


class Unreachable(Exception):
    """Something was not reached; the message says why and holds no secret."""


class Distrust(Unreachable):
    """The other side's certificate cannot be trusted; nothing was sent to it."""

    def __init__(self, code: int) -> None:
        super().__init__(_DISTRUST.get(code, f"is not trusted (OpenSSL's code {code})"))
        self.expired = code == EXPIRED


@dataclass(frozen=True)
class HttpAnswer:
    """An answer's status and headers as they came, and as much of its body as was asked for."""

    status: int
    headers: Headers
    body: bytes = b""


class OpenConnection:
    """An open connection; ``ending`` can close it from another thread. Raises Unreachable."""

    def __init__(self, address: Address, http: Http, ending: CancelScope, ca: Path | None = None) -> None:
        self.address, self.http, self.ca = address, http, ca
        self.ends: datetime | None = None
        self._ending = ending
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        patience = self.http.connect_timeout_seconds
        try:
            opened = socket.create_connection((self.address.host, self.address.port), timeout=patience)
        except socket.gaierror:
            raise Unreachable("its name cannot be resolved") from None
        except TimeoutError:
            raise Unreachable(f"no connection within {patience:g} s (config: http.connect_timeout_seconds)") from None
        except OSError as error:
            raise Unreachable(f"no connection: {error.strerror or type(error).__name__}") from None
        except ValueError:
            raise Unreachable("its name cannot be one of a host") from None
        self._hold(opened)
        return opened

    def _hold(self, opened: socket.socket) -> None:
        # The method of the base: that of a TLS socket would pull the session away under the thread that reads.
        self._ending.add(lambda: socket.socket.shutdown(opened, socket.SHUT_RDWR))

    def __enter__(self) -> OpenConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; safe to call twice."""
        with suppress(OSError):
            self._socket.close()

    def secure(self) -> None:
        """Speak TLS and learn when the certificate ends. Raises Distrust when it cannot be trusted."""
        context = _context(self.ca)
        try:
            wrapped = context.wrap_socket(
                self._socket, server_hostname=self.address.host, do_handshake_on_connect=False
            )
            self._socket = wrapped
            self._hold(wrapped)
            wrapped.do_handshake()
            certificate = wrapped.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            raise Distrust(error.verify_code) from None
        except TimeoutError:
            patience = self.http.connect_timeout_seconds
            raise Unreachable(f"no TLS within {patience:g} s (config: http.connect_timeout_seconds)") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise Unreachable(f"no TLS: {str(reason)[:80]}") from None
        self.ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)

    def offers_tls(self) -> bool:
        """Whether a PostgreSQL server would speak TLS; it does from here on if so."""
        try:
            self._socket.settimeout(self.http.read_timeout_seconds)
            self._socket.sendall(_SSL_REQUEST)
            return self._socket.recv(1) == b"S"
        except OSError:
            raise Unreachable("no answer to the question for TLS") from None

    def request(self, method: str, most_bytes: int = 0, bearer: str = "") -> HttpAnswer:
        """One request, with a token where one is given; of its answer's body at most so many bytes and one more."""
        connection = http.client.HTTPConnection(self.address.host, self.address.port)
        connection.default_port = 443 if self.address.encrypted else 80
        connection.sock = self._socket
        self._socket.settimeout(self.http.read_timeout_seconds)
        headers = {"User-Agent": "upkeep", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
        headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
        try:
            connection.request(method, self.address.path, headers=headers)
            with connection.getresponse() as response:
                body = response.read(most_bytes + 1) if most_bytes else b""
                if body and len(body) <= most_bytes and response.length:
                    raise Unreachable(f"its answer ended early, {response.length} bytes before its end")
                return HttpAnswer(response.status, tuple(response.getheaders()), body)
        except TimeoutError:
            patience = self.http.read_timeout_seconds
            raise Unreachable(f"no answer within {patience:g} s (config: http.read_timeout_seconds)") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"no HTTP in answer ({type(error).__name__})") from None
        finally:
            connection.close()


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ValueError):
            raise Unreachable(f"the file of authorities {ca} cannot be read as one") from None
    return context


def ask(
    address: Address, http: Http, ending: CancelScope, ca: Path | None = None
) -> tuple[HttpAnswer, datetime | None]:
    """HEAD, or GET where that is refused: the answer, and when the certificate ends. Raises Unreachable."""
    for method in ("HEAD", "GET"):
        with OpenConnection(address, http, ending, ca) as line:
            if address.encrypted:
                line.secure()
            answer = line.request(method)
        if answer.status not in (405, 501):
            break
    return answer, line.ends
