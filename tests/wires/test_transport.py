"""Calls through the real HttpHook to servers that do what they should not."""

from __future__ import annotations

import gzip
import ipaddress
import json
import math
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stages.server import HOST, MANY, PATIENCE, Answer, Server, answer, endless, raw, silence, trickling
from upkeep.areas import answers
from upkeep.core.findings import Level
from upkeep.settings.base import ROOT, ConfigError
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Http
from upkeep.wires.functions.contract import ContractError, parse_answer
from upkeep.wires.functions.transport import Call, WireError, post

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.providers.http.hooks import http as _http  # noqa: F401  # imported by functions() when it is called
    from airflow.sdk.log import mask_logs

    from upkeep.flow.connections import functions

CONNECTION = "wire_functions"
SECRET = "sb_secret_Qx7vKp2mTz9wLr4nHs8jBd3f"
LEGACY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.Vt5gYk1oXe6uMa0cRq2iNw7z"
OPAQUE = "Zt9wLr4nHs8jBd3fQx7vKp2mTzYc"  # of neither form: what a function of one's own may ask for
KEYS = {"secret": SECRET, "legacy": LEGACY, "opaque": OPAQUE}
FUNCTION, ACTION = "production-monitoring", "system_status"
SHIPPED = settings(ROOT / "config")
QUICK = SHIPPED.maintenance.http.model_copy(
    update={"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "total_timeout_seconds": 20.0, "attempts": 2}
)
GOOD = json.dumps({"success": True, "result": {"overall_health_percent": 97.5}})
NO_AUTH_HEADER = '{"code": "UNAUTHORIZED_NO_AUTH_HEADER", "message": "Missing authorization header"}'
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def leaks(text: str) -> list[str]:
    """The keys of which more than the well-known beginning is in a text."""
    return [name for name, key in KEYS.items() if key[:18] in text or key[-10:] in text]


@pytest.fixture(autouse=True)
def no_key_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """After each test: no log record and no output of it holds a key."""
    caplog.set_level("DEBUG")
    yield
    logged = "\n".join(record.getMessage() + str(record.exc_text or "") for record in caplog.get_records("call"))
    assert not leaks(logged + "".join(capfd.readouterr()))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the Connection: its host, its key, and any other field."""

    def put(host: str, key: str | None = SECRET, **fields: Any) -> None:
        content = {"conn_type": "http", "host": host, "password": key, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(content))

    return put


def ask(http: Http = QUICK, body: str = '{"action": "system_status"}') -> bytes:
    """One call as CallOperator makes it."""
    send, key = functions(CONNECTION)
    return post(send, Call(FUNCTION, body, CONNECTION), key, http)


def refusal(http: Http = QUICK) -> str:
    """The message of a call that must fail, which always says which Connection and function it was."""
    with pytest.raises(WireError) as caught:
        ask(http)
    message = str(caught.value)
    assert message.startswith(f"Connection {CONNECTION!r}, function {FUNCTION!r}: ")
    assert message.isprintable() and len(message) < 1_000
    assert not leaks(message)
    return message


# the Connection --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (None, "found none; expected one of type http, in the environment (AIRFLOW_CONN_WIRE_FUNCTIONS)"),
        ({"conn_type": "postgres"}, "found type 'postgres', expected 'http'"),
        ({"login": "service_role"}, "found a login, expected the API key as password alone"),
        ({"host": ""}, "found no host, expected https://<project-ref>.supabase.co"),
    ],
    ids=["absent", "another type", "a login", "no host"],
)
def test_a_connection_that_cannot_be_used_is_named(connect: Any, fields: dict[str, Any] | None, said: str) -> None:
    """Before anything is sent: the Connection's id, what was found, what was expected, never the key."""
    if fields is not None:
        connect(**{"host": "http://127.0.0.1", **fields})
    with pytest.raises(ConfigError) as caught:
        functions(CONNECTION)
    message = str(caught.value)
    assert message.startswith(f"Connection {CONNECTION!r}: {said}")
    assert not leaks(message)


@pytest.mark.parametrize("key", [None, "", " " + SECRET, SECRET + "\n", SECRET[:20] + "\n" + SECRET[20:], SECRET + "é"])
def test_a_key_that_cannot_be_one_is_not_sent(connect: Any, key: str | None) -> None:
    """No password, white space in it from pasting, letters no header may hold: said without showing it."""
    with Server(answer("200 OK", GOOD)) as server:
        connect(server.url, key)
        assert "found no usable API key, expected it as the Connection's password" in refusal()
    assert server.connections == 0


# what is sent ----------------------------------------------------------------------------------------------


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("netrc", [False, True], ids=["no netrc", "netrc"])
@pytest.mark.parametrize(
    ("key", "expected"),
    [(SECRET, {"apikey": SECRET}), (LEGACY, {"apikey": LEGACY, "authorization": f"Bearer {LEGACY}"})],
    ids=["secret", "legacy"],
)
def test_both_forms_of_key_are_sent_as_supabase_wants_them(
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    key: str,
    expected: dict[str, str],
    netrc: bool,
) -> None:
    """X2: a JWT in both headers, an sb_ key in apikey alone; an entry in ~/.netrc neither replaces nor adds one."""
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if netrc:
        file = tmp_path / ".netrc"
        file.write_text(f"machine {HOST} login someone password else\n")
        file.chmod(0o600)
    with Server(answer("200 OK", GOOD)) as server:
        connect(server.url, key)
        assert ask(body='{"action": "system_status", "n": 1}') == GOOD.encode()
    (request,) = server.received
    assert {name: request.headers[name] for name in ("apikey", "authorization") if name in request.headers} == expected
    assert key not in request.line + request.body.decode()
    assert request.line == f"POST /functions/v1/{FUNCTION} HTTP/1.1"
    assert request.body == b'{"action": "system_status", "n": 1}'
    assert request.headers["content-type"] == "application/json"


# what goes wrong -------------------------------------------------------------------------------------------

GATEWAY = '{"code": "BOOT_ERROR", "message": "Function failed to start"}'
HURRY = {"read_timeout_seconds": 1.0}
BRIEF = {"total_timeout_seconds": 1.5}
ONCE = BRIEF | {"attempts": 1}
SMALL = {"max_answer_bytes": 1_000}
TOO_SLOW = "the answer was not complete after 1.5 s (config: http.total_timeout_seconds)"
PAD = 110  # so that the cut of a quotation falls into the key

WRONG: dict[str, tuple[Answer, dict[str, Any], str, int]] = {
    # what the server does: its answer, changed settings, what is said, how many of two attempts are made
    "401 of the gateway": (answer("401 Unauthorized", NO_AUTH_HEADER), {}, "verify_jwt on", 1),
    "401 by header": (answer("401 Unauthorized", sb_error_code="UNAUTHORIZED_NO_AUTH_HEADER"), {}, "verify_jwt on", 1),
    "401 of the function": (
        answer("401 Unauthorized", '{"code": "UNAUTHORIZED", "message": "no"}'),
        {},
        "found 401 UNAUTHORIZED: 'no'; check the API key in the Connection's password",
        1,
    ),
    "403": (answer("403 Forbidden", "<h1>no</h1>"), {}, "found 403 '<h1>no</h1>'; check the API key", 1),
    "404": (
        answer("404 Not Found", '{"error": "no such function"}'),
        {},
        "found status 404, expected 200; 'no such",
        1,
    ),
    "400": (answer("400 Bad Request", '["what?"]'), {}, "found status 400, expected 200; '[\"what?\"]'", 1),
    "204": (answer("204 No Content"), {}, "found status 204, expected 200", 1),
    "101": (answer("101 Switching Protocols"), {}, "found status 101, expected 200", 1),
    "500": (
        answer("500 Internal Server Error", "boom\x1b[31m"),
        {},
        r"found status 500, expected 200; 'boom\x1b[31m'",
        2,
    ),
    "503 of the platform": (
        answer("503 Service Unavailable", GATEWAY),
        {},
        "BOOT_ERROR: 'Function failed to start'",
        2,
    ),
    "500 of nested lists": (answer("500 Oh", "[" * 100_000), {}, "found status 500", 2),
    "500 with a number without end": (answer("500 Oh", '{"code": ' + "9" * 5_000 + "}"), {}, "found status 500", 2),
    "500 with bytes": (answer("500 Oh", b"\xff\xfe\x00"), {}, "found status 500", 2),
    "429": (answer("429 Too Many", '{"message": "slow down"}'), {}, "the rate limit (Retry-After: not given)", 2),
    "429 with nonsense": (answer("429 Too Many", Retry_After="soon\x1b"), {}, r"(Retry-After: 'soon\x1b')", 2),
    "429 with a year beyond all": (
        answer("429 Too Many", Retry_After="Wed, 21 Oct 99999999999999999999 07:28:00 GMT"),
        {},
        "found 429, the rate limit",
        2,
    ),
    "no answer": (silence, HURRY, "no answer within 1 s (config: http.read_timeout_seconds)", 2),
    "half an answer": (
        trickling(UNTIL_CLOSED.replace(b"Connection: close", b"Content-Length: 9") + b"abc", b""),
        HURRY,
        "found 3 bytes of an answer, then nothing for 1 s (config: http.read_timeout_seconds)",
        2,
    ),
    "a trickling body": (trickling(UNTIL_CLOSED, b" "), BRIEF, TOO_SLOW, 2),
    "a trickling status line": (trickling(b"HTTP/1.1 200 ", b"O"), BRIEF, TOO_SLOW, 2),
    "trickling headers": (trickling(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), BRIEF, TOO_SLOW, 2),
    "a trickling length of a chunk": (trickling(CHUNKED, b"0"), BRIEF, TOO_SLOW, 2),
    "100 Continue without end": (trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), BRIEF, TOO_SLOW, 2),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), {}, "no connection; check the Connection's host and port", 2),
    "an empty answer": (raw(b""), {}, "no connection; check the Connection's host and port", 2),
    "headers without end": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), {}, "no connection", 2),
    "two lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}"),
        {},
        "Content-Length contained multiple",
        1,
    ),
    "cut by length": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        {},
        "the answer broke off after 1 bytes",
        2,
    ),
    "cut between chunks": (raw(CHUNKED + b"2\r\n{}\r\n"), {}, "the answer broke off after 2 bytes", 2),
    "cut in a chunk": (raw(CHUNKED + b"99\r\n{}"), {}, "the answer broke off after 2 bytes", 2),
    "chunks of no length": (raw(CHUNKED + b"zz\r\n{}\r\n"), {}, "the answer broke off after 0 bytes", 2),
    "too much": (
        answer("200 OK", b" " * 1_001),
        SMALL,
        "found an answer of more than 1000 bytes, expected less (config: http.max_answer_bytes)",
        1,
    ),
    "too much of an error": (endless(b"HTTP/1.1 500 Oh\r\n\r\n"), SMALL, "config: http.max_answer_bytes", 1),
    "a redirect to nowhere": (
        answer("302 Found", Location="http://[bad"),
        {},
        "found a redirect (302) to 'http://[",
        1,
    ),
    "a redirect without a place": (answer("303 See Other"), {}, "found a redirect (303) to ''", 1),
    # a server that repeats the key
    "the key in a body": (answer("500 Oh", f'{{"message": "you sent {SECRET}"}}'), {}, "you sent ***", 2),
    "the key across the cut": (answer("500 Oh", " " * (PAD - 20) + "x" * 20 + SECRET), {}, "***", 2),
    "the key across the other cut": (answer("500 Oh", f'{{"error": "{"x" * 290}{SECRET}"}}'), {}, "xxx***", 2),
    "the key in a code": (answer("500 Oh", sb_error_code=SECRET), {}, "found status 500", 2),
    "the key as reason": (answer(f"403 {SECRET}"), {}, "found 403", 1),
    "the key in Retry-After": (answer("429 Oh", Retry_After="x" * 30 + SECRET), {}, "found 429", 2),
    "the key in a Location": (answer("301 Oh", Location="/" + "x" * 190 + SECRET), {}, "found a redirect", 1),
}


@pytest.mark.guide("X3", "X4", "holds")
@pytest.mark.parametrize(("speech", "change", "said", "requests"), WRONG.values(), ids=WRONG)
def test_what_goes_wrong_is_said_and_only_what_may_pass_is_tried_again(
    connect: Any, speech: Answer, change: dict[str, Any], said: str, requests: int
) -> None:
    """X3, X4: an error that names Connection and function; the server counts what was sent."""
    with Server(speech) as server:
        connect(server.url)
        assert said in refusal(QUICK.model_copy(update=change))
    assert len(server.received) == requests


@pytest.mark.guide("X4", "holds")
def test_the_clock_of_the_attempt_ends_what_reads_nothing(connect: Any) -> None:
    """A request that hangs before the first byte, as in name resolution: no read is there to look at a clock."""
    over = threading.Event()

    def hangs(*_: Any, **__: Any) -> Any:
        over.wait(PATIENCE)

    try:
        with pytest.raises(WireError, match=r"not complete after 1\.5 s"):
            post(hangs, Call(FUNCTION, "{}", CONNECTION), SECRET, QUICK.model_copy(update=ONCE))
    finally:
        over.set()


@pytest.mark.guide("X4", "holds")
def test_the_clock_of_the_reading_ends_a_thread_that_was_given_up(connect: Any) -> None:
    """Its answer drips on: the caller was told long ago, and the thread with its socket must end too."""
    before = set(threading.enumerate())
    with Server(trickling(UNTIL_CLOSED, b"x"), patience=600) as server:
        connect(server.url)
        served = set(threading.enumerate())
        assert "not complete after 1.5 s" in refusal(QUICK.model_copy(update=ONCE))
        ours = [thread for thread in threading.enumerate() if thread.daemon and thread not in served | before]
        for thread in ours:
            thread.join(60)
        assert not [thread for thread in ours if thread.is_alive()]


def test_a_legacy_key_that_is_refused_is_not_told_to_change_verify_jwt(connect: Any) -> None:
    """It was sent as a JWT, so something on the way took the header off or the key is wrong."""
    with Server(answer("401 Unauthorized", NO_AUTH_HEADER)) as server:
        connect(server.url, LEGACY)
        said = refusal()
    assert "found 401 UNAUTHORIZED_NO_AUTH_HEADER: 'Missing authorization header'; check the API key" in said
    assert "verify_jwt" not in said
    assert len(server.received) == 1


def closed_port() -> str:
    """An address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"http://{HOST}:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (closed_port(), "no connection; check the Connection's host and port: '[Errno 111] Connection refused'"),
        ("http://host.invalid", "no connection; check the Connection's host and port: "),
        ("http://a..b", "no request that could be sent"),
        (f"http://{'a' * 70}.invalid", "no request that could be sent"),
        ("http://[bad", "no request that could be sent"),
        ("ftp://127.0.0.1", "no request that could be sent"),
        (f"http://{HOST}:99999", "no request that could be sent"),
    ],
    ids=["refused", "no such name", "empty label", "long label", "no address", "no HTTP", "no port"],
)
def test_a_host_that_cannot_be_reached_is_said(connect: Any, host: str, said: str) -> None:
    """Whatever stands in the Connection's host, the task gets a message and not a foreign exception."""
    connect(host)
    assert said in refusal()


@pytest.mark.guide("X4", "holds")
def test_a_server_that_accepts_nobody_ends_at_the_connect_timeout(connect: Any) -> None:
    """With the queue of a listening socket full, Linux answers no further SYN."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind((HOST, 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        connect(f"http://{HOST}:{full.getsockname()[1]}")
        said = refusal(QUICK.model_copy(update={"connect_timeout_seconds": 0.3}))
    assert "no connection within 0.3 s (config: http.connect_timeout_seconds)" in said


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side of TLS with a certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + certificate.public_bytes(encoding))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


def test_a_certificate_that_nobody_vouches_for_ends_the_call(connect: Any, self_signed: ssl.SSLContext) -> None:
    """The key does not leave this machine, and the call is not tried again."""
    with Server(answer("200 OK", GOOD), tls=self_signed) as server:
        connect(server.url)
        assert "TLS failed, expected a certificate that this machine trusts: 'self-signed certificate" in refusal()
    assert (server.connections, server.received) == (1, [])


def test_a_certificate_that_is_trusted_is_accepted(
    connect: Any, self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same server passes once its certificate is trusted, so the refusal above was about trust."""
    file = tmp_path / "trusted.pem"
    with Server(answer("200 OK", GOOD), tls=self_signed) as server:
        file.write_text(ssl.get_server_certificate((HOST, server.port)))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        connect(server.url)
        assert ask() == GOOD.encode()
    assert len(server.received) == 1


def test_https_to_a_plain_port_ends_the_call(connect: Any) -> None:
    """The most usual mistake in a Connection's host is said as a TLS failure."""
    with Server(answer("200 OK", GOOD)) as server:
        connect(server.url.replace("http:", "https:"))
        assert "TLS failed" in refusal()
    assert (server.connections, server.received) == (1, [])


def test_http_to_a_tls_port_ends_the_call(connect: Any, self_signed: ssl.SSLContext) -> None:
    """The other way round nothing is heard either."""
    with Server(answer("200 OK", GOOD), tls=self_signed) as server:
        connect(server.url.replace("https:", "http:"))
        assert "no connection" in refusal()
    assert server.received == []


# sending again ---------------------------------------------------------------------------------------------


@pytest.mark.guide("X4", "holds")
@pytest.mark.parametrize(
    "bad",
    [answer("500 Oh"), answer("502 Oh", "<html>"), answer("503 Oh"), answer("504 Oh"), answer("429 Oh"), raw(b"")],
    ids=["500", "502", "503", "504", "429", "cut"],
)
def test_what_may_pass_is_tried_again_until_it_has_passed(connect: Any, bad: Answer) -> None:
    """A failure and then a good answer is a good answer; the same request was sent twice."""
    with Server(bad, answer("200 OK", GOOD), answer("500 Oh")) as server:
        connect(server.url)
        assert ask(QUICK.model_copy(update={"attempts": 5})) == GOOD.encode()
    first, second = server.received
    assert (first.line, first.headers, first.body) == (second.line, second.headers, second.body)


@pytest.mark.guide("X4", "holds")
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_the_attempts_are_counted_by_the_server(connect: Any, attempts: int) -> None:
    """A server that never gets well is asked ``http.attempts`` times."""
    with Server(answer("500 Oh")) as server:
        connect(server.url)
        refusal(QUICK.model_copy(update={"attempts": attempts}))
    assert len(server.received) == attempts


@pytest.mark.guide("X4", "holds")
def test_retry_after_in_seconds_is_waited_for(connect: Any) -> None:
    """By the server's own record the second request comes no earlier than it asked."""
    with Server(answer("429 Too Many", Retry_After="1"), answer("200 OK", GOOD)) as server:
        connect(server.url)
        assert ask() == GOOD.encode()
    first, second = server.received
    assert second.at - first.at >= 1


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is nine hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Etc/GMT-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("form", ["HTTP date", "asctime"])
def test_retry_after_as_a_date_is_waited_for(connect: Any, far_east: None, form: str) -> None:
    """Both forms of RFC 9110 are in UTC, also the old one that does not say so, wherever this machine is."""
    moment = math.ceil(time.time() + 1)
    date = formatdate(moment, usegmt=True) if form == "HTTP date" else time.asctime(time.gmtime(moment))
    with Server(answer("429 Too Many", Retry_After=date), answer("200 OK", GOOD)) as server:
        connect(server.url)
        assert ask() == GOOD.encode()
    assert server.received[1].at >= moment


# a 200 that is none ----------------------------------------------------------------------------------------


@pytest.mark.guide("X3", "holds")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "found an empty answer"),
        ('{"success": false}', "the function reports an error: success is false, and no message"),
        ('{"error": "no database"}', "the function reports an error: 'no database'"),
        (GATEWAY, "the function reports an error: 'BOOT_ERROR': 'Function failed to start'"),
        (GOOD[:30], "found JSON that breaks off after 30 characters"),
        ('{"status": "healthy"}', "success: found nothing, expected this field"),
        ("[97.5]", "found a list, expected a JSON object"),
        ("<!DOCTYPE html>", "found HTML or XML, expected a JSON object"),
        (GOOD.replace("97.5", "NaN"), "found NaN, which is no JSON number"),
        (GOOD.replace("97.5", '"97.5"'), "result.overall_health_percent: found the text '97.5'"),
    ],
)
def test_a_200_that_cannot_be_used_is_refused(connect: Any, body: str, said: str) -> None:
    """X3: the status alone is no success."""
    with Server(answer("200 OK", body)) as server:
        connect(server.url)
        with pytest.raises(ContractError) as caught:
            parse_answer(FUNCTION, ACTION, ask())
    assert str(caught.value).startswith(f"{FUNCTION} {ACTION}: ")
    assert said in str(caught.value)


@pytest.mark.guide("G32", "X3", "fires", "silent")
@pytest.mark.parametrize("number", ["-1", "100.5", "300", "1e300", "9" * 300])
def test_a_number_that_cannot_be_is_unknown(connect: Any, number: str) -> None:
    """An absurd value is neither healthy nor critical, and 97.5 in its place is ok."""
    levels = []
    for value in (number, "97.5"):
        with Server(answer("200 OK", GOOD.replace("97.5", value))) as server:
            connect(server.url)
            body = parse_answer(FUNCTION, ACTION, ask()).model_dump(mode="json")
        looked = answers.read(FUNCTION, ACTION, body, SHIPPED)
        levels += [finding.level for finding in looked.findings if finding.key == "metric:overall_health"]
    assert levels == [Level.UNKNOWN, Level.OK]


# too much --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["until closed", "chunked"])
def test_reading_stops_at_the_cap(connect: Any, chunked: bool) -> None:
    """Of an answer whose length is not told the server cannot get rid of all; memory holds the cap."""
    with Server(endless(CHUNKED + b"%x\r\n" % MANY if chunked else UNTIL_CLOSED)) as server:
        connect(server.url)
        assert "found an answer of more than 5000000 bytes" in refusal()
    assert 5_000_000 < server.sent < MANY


def test_a_gzip_bomb_is_not_unpacked(connect: Any) -> None:
    """An encoding that was not asked for is bytes that no JSON is."""
    bomb = gzip.compress(b" " * MANY)
    with Server(answer("200 OK", bomb, Content_Encoding="gzip")) as server:
        connect(server.url)
        body = ask()
    assert body == bomb
    with pytest.raises(ContractError, match="found bytes that are not UTF-8"):
        parse_answer(FUNCTION, ACTION, body)


# redirects -------------------------------------------------------------------------------------------------


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("key", [SECRET, LEGACY], ids=["secret", "legacy"])
def test_a_redirect_is_not_followed(connect: Any, status: int, key: str) -> None:
    """The target hears nothing, so no header leaks; the message says where to, without its query."""
    with (
        Server(answer("200 OK", GOOD)) as target,
        Server(answer(f"{status} Moved", Location=f"{target.url}/there?apikey={key}")) as server,
    ):
        connect(server.url, key)
        said = refusal()
    assert f"found a redirect ({status}) to '{target.url}/there', which is not followed" in said
    assert (len(server.received), target.connections) == (1, 0)


def test_the_body_of_a_redirect_is_not_read(connect: Any) -> None:
    """It may be endless, or a bomb: requests would read and unpack all of it."""
    with Server(endless(UNTIL_CLOSED.replace(b"200 OK", b"301 Oh\r\nLocation: /x"))) as server:
        connect(server.url)
        assert "found a redirect (301) to '/x'" in refusal()
    assert server.sent < MANY


# a server that repeats the key -----------------------------------------------------------------------------


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    ("status", "header", "pad"), [("429 Oh", "Retry-After", 30), ("301 Oh", "Location", 190), ("500 Oh", "", 290)]
)
def test_a_key_at_the_end_of_a_quotation_is_taken_out_before_the_cut(
    connect: Any, key: str, status: str, header: str, pad: int
) -> None:
    """A key of whatever form: half of it would pass by a search for the whole of it."""
    text = "x" * pad + key + "y" * 50
    speech = answer(status, **{header: text}) if header else answer(status, json.dumps({"message": text}))
    with Server(speech) as server:
        connect(server.url, key)
        said = refusal(QUICK.model_copy(update={"attempts": 1}))
    assert "x" * pad in said
    assert key[:8] not in said


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_in_a_good_answer_is_taken_out(connect: Any, key: str) -> None:
    """What is returned goes to the ledger; the rest of the answer is whole."""
    echo = json.dumps({"success": True, "result": {"overall_health_percent": 97.5, "headers": [key, f"Bearer {key}"]}})
    with Server(answer("200 OK", echo)) as server:
        connect(server.url, key)
        body = ask()
    assert server.received[0].headers["apikey"] == key
    assert body.decode() == echo.replace(key, "***")


@pytest.mark.guide("X2", "holds")
@pytest.mark.parametrize(
    "speech",
    [f"{SECRET}\r\n", f"HTTP/1.1 500 Oh\r\n{SECRET}\r\nX: y\r\n\r\n"],
    ids=["as status line", "as broken header"],
)
def test_what_libraries_log_of_a_broken_answer_is_masked_by_airflow(
    connect: Any, speech: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """HttpHook and urllib3 quote what is no HTTP in their own warnings: the masker of a task's log knows the key."""
    with Server(raw(speech.encode())) as server:
        connect(server.url)
        refusal()
    logged = caplog.text + capfd.readouterr().out
    caplog.clear()
    assert leaks(logged)
    assert not leaks(mask_logs(None, "warning", {"event": logged})["event"])
