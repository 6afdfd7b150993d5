"""Integrations reached for certain: real servers on loopback that are well, and that are not."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.postgres import HOST as POSTGRES_HOST
from sandbox.postgres import Cluster
from tests.stages.certificates import Issued, authority, issued, self_signed
from tests.stages.server import HOST, Answer, Server, answer, raw, silence, trickling
from tests.stages.sessions import until
from upkeep.areas.integrations import look as judging
from upkeep.areas.integrations.functions import functions
from upkeep.areas.integrations.listing import ConfiguredConnection, of_fields
from upkeep.areas.integrations.probes import Timeouts, look_at_all
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires.functions.contract import FUNCTIONS
from upkeep.wires.net import parallel
from upkeep.wires.net.address import Integration, ProbeKind, address

CONFIG = settings(ROOT / "config").maintenance
LIMITS = CONFIG.integrations
QUICK = Timeouts(
    CONFIG.http.model_copy(
        update={"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "total_timeout_seconds": 20.0}
    ),
    CONFIG.sql,
)
IMPATIENT = Timeouts(QUICK.http.model_copy(update={"read_timeout_seconds": 1.0}), QUICK.sql)
HEARD = ("HEAD", "GET")
ANY = ("",)  # no method at all: whatever comes is answered
SECRET = "pa ss/w%rd?&Qx7vKp2mTz9"
FINE = answer("204 No Content")


@pytest.fixture
def ca(tmp_path: Path) -> Issued:
    """An authority that only who is told of it trusts."""
    return authority(tmp_path)


def http(url: str, ca: Issued | None = None, **fields: Any) -> Integration:
    """An endpoint as config names it."""
    return Integration("x", "X", ProbeKind.HTTP, address(url), ca=ca.file if ca else None, **fields)


def look(one: Integration, patience: Timeouts = QUICK) -> LookResult:
    """Look at one and judge it, now."""
    seen = look_at_all([one], patience)
    return judging.judge([(one, seen[one.name])], {}, {}, LIMITS, datetime.now(UTC))


def levels(looked: LookResult) -> dict[str, Level]:
    """Part of the key → level: "" for reached."""
    return {finding.key.removeprefix("integration:x").lstrip(":"): finding.level for finding in looked.findings}


def said(looked: LookResult, part: str = "") -> Finding:
    """The one finding of a part."""
    (found,) = [one for one in looked.findings if one.key == f"integration:x{part and ':' + part}"]
    assert found.guide == "G29"
    assert found.detail.isprintable() and len(found.detail) < 1_000
    return found


# Certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.guide("G29", "fires", "silent")
@pytest.mark.parametrize(
    ("days", "level"),
    [(365, Level.OK), (31, Level.OK), (29, Level.WARNING), (8, Level.WARNING), (5, Level.CRITICAL)],
)
def test_a_certificate_is_judged_by_the_days_it_has_left(ca: Issued, days: float, level: Level) -> None:
    """By the real handshake, with both limits of config; the days are kept as a sample."""
    with Server(FINE, tls=issued(ca, days).server, methods=HEARD) as server:
        found = look(http(server.url, ca))
    assert levels(found) == {"": Level.OK, "certificate": level}
    assert "its certificate ends 2" in said(found, "certificate").detail
    samples = {sample.metric: sample.value for sample in found.samples}
    assert days - 0.1 < samples[judging.DAYS_LEFT] <= days
    assert samples[judging.REACHED] == 1


@pytest.mark.guide("G29", "fires")
@pytest.mark.parametrize("case", ["expired", "self-signed", "unknown authority", "another host"])
def test_a_certificate_that_is_not_trusted_is_told_as_such_and_nothing_is_sent(
    ca: Issued, tmp_path: Path, case: str
) -> None:
    """Each reason in its own words; what has expired is critical; no request reaches such a server."""
    shown, trusted, level, words = {
        "expired": (issued(ca, -1), ca, Level.CRITICAL, "has expired"),
        "self-signed": (self_signed(tmp_path), None, Level.WARNING, "is self-signed"),
        "unknown authority": (issued(ca, 365), None, Level.WARNING, "an authority that this machine does not know"),
        "another host": (issued(ca, 365, host="127.0.0.2"), ca, Level.WARNING, "is for another"),
    }[case]
    with Server(FINE, tls=shown.server, methods=HEARD) as server:
        found = look(http(server.url, trusted))
    assert levels(found) == {"certificate": level}
    assert words in said(found, "certificate").detail
    assert (server.received, found.samples) == ([], ())


@pytest.mark.guide("G29", "silent")
def test_a_self_signed_certificate_that_config_names_is_trusted(tmp_path: Path) -> None:
    """The file of ``ca`` is what a team knows of its own machines."""
    own = self_signed(tmp_path)
    with Server(FINE, tls=own.server, methods=HEARD) as server:
        assert set(levels(look(http(server.url, own))).values()) == {Level.OK}


def test_a_name_is_verified_and_not_only_an_address(ca: Issued) -> None:
    """localhost is what the certificate says, or another host."""
    with Server(FINE, tls=issued(ca, 90, host="localhost").server, methods=HEARD) as server:
        good, bad = (look(http(f"https://{host}:{server.port}", ca)) for host in ("localhost", HOST))
    assert levels(good)["certificate"] is Level.OK
    assert "is for another" in said(bad, "certificate").detail


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_of_authorities_that_is_none_is_named(tmp_path: Path, ca: Issued, content: bytes | None) -> None:
    """It is told for this endpoint alone."""
    file = tmp_path / "mine.pem"
    if content is not None:
        file.write_bytes(content)
    with Server(FINE, tls=issued(ca, 90).server, methods=HEARD) as server:
        found = look(Integration("x", "X", ProbeKind.HTTP, address(server.url), ca=file))
    assert f"the file of authorities {file} cannot be read as one" in said(found).detail
    assert said(found).level is Level.WARNING


def test_plain_http_where_tls_is_expected(ca: Issued) -> None:
    """No handshake, no certificate: not reached."""
    with Server(FINE, methods=HEARD) as server:
        found = look(http(server.url.replace("http:", "https:"), ca))
    assert said(found).detail.startswith("no TLS: ")
    assert levels(found) == {"": Level.WARNING}


# What it says of its end ----------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
PAST, NEAR, FAR = (NOW + timedelta(days=days) for days in (-100, 30, 700))


@pytest.mark.guide("G29", "fires", "silent")
@pytest.mark.parametrize(
    ("header", "value", "level", "words"),
    [
        ("Deprecation", f"@{PAST.timestamp():.0f}", Level.ADVISORY, f"it is deprecated since {PAST:%Y-%m-%d}"),
        ("Deprecation", f"@{FAR.timestamp():.0f}", Level.ADVISORY, f"it is deprecated from {FAR:%Y-%m-%d}"),
        ("Deprecation", "true", Level.ADVISORY, "it is deprecated at a time that its header does not tell"),
        ("Deprecation", "@99999999999999", Level.ADVISORY, "at a time that its header does not tell"),
        ("Sunset", format_datetime(PAST, usegmt=True), Level.WARNING, f"it is to be gone since {PAST:%Y-%m-%d}"),
        ("Sunset", format_datetime(NEAR, usegmt=True), Level.WARNING, f"it is to be gone from {NEAR:%Y-%m-%d}"),
        ("Sunset", format_datetime(FAR, usegmt=True), Level.ADVISORY, f"it is to be gone from {FAR:%Y-%m-%d}"),
        ("Sunset", "soon", Level.ADVISORY, "it is to be gone at a time that its header does not tell"),
        ("Warning", '299 - "Version 1 ends"', Level.ADVISORY, "it warns (Warning: "),
    ],
    ids=range(9),  # values are of today: processes that share the tests must name them alike
)
def test_an_announced_end_is_found_with_its_day(header: str, value: str, level: Level, words: str) -> None:
    """RFC 9745, RFC 8594 and the older Warning; without them nothing is said."""
    with Server(answer("200 OK", **{header: value}), answer("200 OK"), methods=HEARD) as server:
        fires, silent = look(http(server.url)), look(http(server.url))
    assert levels(fires) == {"": Level.OK, header.lower(): level}
    assert words in said(fires, header.lower()).detail
    assert levels(silent) == {"": Level.OK}


def test_a_server_with_many_hostile_headers_is_told_briefly() -> None:
    """At most ten, cut, printable."""
    hostile = "".join(f"Warning: 299 - \x1b[31m{number}{'w' * 500}\r\n" for number in range(60))
    with Server(raw(f"HTTP/1.1 200 OK\r\n{hostile}\r\n".encode()), methods=HEARD) as server:
        found = look(http(server.url))
    details = [finding.detail for finding in found.findings]
    assert len(details) == 11
    assert all(detail.isprintable() and len(detail) < 200 for detail in details)


# Reached or not -------------------------------------------------------------------------------------------------


@pytest.mark.guide("G29", "fires")
def test_a_closed_port_is_not_reached(port: int) -> None:
    """A warning, with when an earlier look has reached it."""
    one = http(f"http://{HOST}:{port}")
    seen = look_at_all([one], QUICK)["x"]
    before = datetime(2026, 5, 3, 2, tzinfo=UTC)
    (finding,) = judging.judge([(one, seen)], {"x": before}, {}, LIMITS, NOW).findings
    assert finding.level is Level.WARNING
    assert finding.detail == "no connection: Connection refused; last reached 2026-05-03 02:00 UTC"
    assert said(look(one)).detail.endswith("; not reached by an earlier look")


@pytest.mark.parametrize(
    ("spoken", "words"),
    [
        (silence, "no answer within 1 s (config: http.read_timeout_seconds)"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "no HTTP in answer (BadStatusLine)"),
        (raw(b""), "no HTTP in answer"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"), "no HTTP in answer (HTTPException)"),
    ],
    ids=["silence", "another protocol", "nothing", "no end of headers"],
)
def test_what_does_not_answer_as_it_should_is_not_reached(spoken: Answer, words: str) -> None:
    """Each with its reason in our words."""
    with Server(spoken, methods=HEARD) as server:
        found = look(http(server.url), IMPATIENT if spoken is silence else QUICK)
    assert words in said(found).detail
    assert levels(found) == {"": Level.WARNING}


def drip_handshake(server: Server, connection: socket.socket) -> None:
    """A TLS record of many bytes, of which one comes now and then."""
    server.say(connection, b"\x16\x03\x03\x40\x00")
    server.trickle(connection, b"\x02")


def looking() -> int:
    """How many threads still look at something."""
    return sum(thread.name == parallel.THREADS for thread in threading.enumerate())


@pytest.mark.parametrize("tls", [False, True], ids=["headers", "handshake"])
def test_one_that_never_ends_is_ended_and_holds_up_no_other(tls: bool) -> None:
    """Byte by byte no socket's clock runs out; the clock over all of them does, and the others are known.

    The server itself would go on for ten minutes.
    """
    slow = Timeouts(QUICK.http.model_copy(update={"total_timeout_seconds": 3.0}), QUICK.sql)
    drip = drip_handshake if tls else trickling(b"HTTP/1.1 200 OK\r\nX: ", b"y")
    with Server(drip, methods=ANY if tls else HEARD, patience=600) as bad, Server(FINE, methods=HEARD) as good:
        url = bad.url.replace("http:", "https:") if tls else bad.url
        began = time.monotonic()
        seen = look_at_all([Integration("hangs", "Hangs", ProbeKind.HTTP, address(url)), http(good.url)], slow)
        took = time.monotonic() - began
        until(lambda: not looking())
    assert seen["x"].reached
    assert seen["hangs"].said == "nothing was known after 3 s (config: http.total_timeout_seconds)"
    assert took < 60
    assert bad.sent > 5


def test_a_look_that_time_gave_up_is_not_reached() -> None:
    """The shorter of the two clocks decides."""
    clocks = {"total_timeout_seconds": 1.0, "read_timeout_seconds": 9.0}
    slow = Timeouts(QUICK.http.model_copy(update=clocks), QUICK.sql)
    with Server(silence, methods=HEARD) as server:
        found = look(http(server.url), slow)
    assert "nothing was known after 1 s (config: http.total_timeout_seconds)" in said(found).detail


@pytest.mark.guide("G29", "fires", "silent")
def test_statuses_are_judged_by_what_config_expects() -> None:
    """Below 500 is reached; else exactly what is named."""
    cases: list[tuple[str, tuple[int, ...], Level]] = [
        ("200 OK", (), Level.OK),
        ("401 Unauthorized", (), Level.OK),
        ("503 Service Unavailable", (), Level.WARNING),
        ("503 Service Unavailable", (503,), Level.OK),
        ("404 Not Found", (200, 401), Level.WARNING),
        ("401 Unauthorized", (200, 401), Level.OK),
    ]
    for status, expected, level in cases:
        with Server(answer(status), methods=HEARD) as server:
            assert levels(look(http(server.url, expect_status=expected))) == {"": level}, (status, expected)


@pytest.mark.guide("G29", "fires")
def test_a_redirect_is_told_without_what_it_holds_and_not_followed() -> None:
    """Scheme and host of where it leads; a path or query may be a signed one."""
    with Server(FINE, methods=HEARD) as other:
        away = f"http://user:{SECRET[:2]}@{HOST}:{other.port}/signed/Qx7vKp2mTz9?token=Qx7vKp2mTz9"
        with Server(answer("302 Found", Location=away), methods=HEARD) as server:
            found = look(http(server.url))
            expected = look(http(server.url, expect_status=(302,)))
    assert said(found).level is Level.ADVISORY
    assert said(found).detail == f"answered 302, a redirect to http://{HOST}, which is not followed"
    assert (said(expected).level, other.connections) == (Level.OK, 0)


def test_head_is_asked_and_get_where_that_is_refused() -> None:
    """Neither changes anything; neither has a body or a key."""
    with Server(answer("405 Method Not Allowed"), answer("200 OK", "x" * 100_000), methods=HEARD) as server:
        assert levels(look(http(f"{server.url}/base?x=1"))) == {"": Level.OK}
    assert [received.line for received in server.received] == ["HEAD /base HTTP/1.1", "GET /base HTTP/1.1"]
    assert {name for received in server.received for name in received.headers} == {
        *("host", "user-agent", "accept", "accept-encoding", "connection")
    }
    assert [received.body for received in server.received] == [b"", b""]


@pytest.mark.guide("G29", "fires", "silent")
def test_a_folder_is_there_and_can_be_read_or_not(tmp_path: Path) -> None:
    """A backups' folder is an integration too: often another machine's."""
    folder = tmp_path / "wal"
    one = Integration("x", "X", ProbeKind.FOLDER, folder=folder)
    assert levels(look(one)) == {"": Level.WARNING}
    folder.write_text("no folder")
    assert "found no such folder" in said(look(one)).detail
    folder.unlink()
    folder.mkdir()
    assert levels(look(one)) == {"": Level.UNKNOWN}
    assert "the folder is empty" in said(look(one)).detail
    (folder / "one").touch()
    assert levels(look(one)) == {"": Level.OK}


@pytest.mark.guide("G29", "fires", "silent")
def test_without_tls_only_this_machine_is_spoken_to_in_peace() -> None:
    """Another host's plain http is advised against; nobody listens on the loopback."""
    plain = judging.ProbeResult(reached=True, said="answered 200", status=200, encrypted=False)
    away, here = (judging.judge([(http(f"http://{one}/"), plain)], {}, {}, LIMITS, NOW) for one in ("a.test", "[::1]"))
    assert levels(away) == {"": Level.OK, "certificate": Level.ADVISORY}
    assert levels(here) == {"": Level.OK}


# Connections ----------------------------------------------------------------------------------------------------


def named(kind: str, **fields: Any) -> Integration:
    """A Connection of a type with these fields."""
    return of_fields(ConfiguredConnection("x", "some_connection", kind), **fields)


@pytest.mark.guide("G29", "holds")
def test_a_webhook_is_never_told_anything(ca: Issued) -> None:
    """A connection and a handshake, not one byte of a request: what is posted there, people read."""
    with Server(FINE, tls=issued(ca, 5).server, methods=HEARD) as server:
        one = named("slackwebhook", host=f"{HOST}:{server.port}/services", password="T0/B0/Qx7vKp2mTz9")
        seen = look_at_all([one], QUICK)["x"]
        assert seen.distrust  # the machine does not know the test's authority
    assert (server.connections, server.received) == (1, [])
    with Server(FINE, methods=HEARD) as server:
        one = named("slackwebhook", schema="http", host=f"{HOST}:{server.port}/services", password="T0/B0/Qx7vKp2mTz9")
        assert said(look(one)).detail == "listens; nothing was sent to it"
        until(lambda: server.connections)  # it takes what has come, in its own time
    assert (server.connections, server.received) == (1, [])


@pytest.mark.guide("G29", "holds")
def test_functions_are_asked_for_nothing_and_get_no_key() -> None:
    """The base URL as the hook puts it together, with HEAD; the key stays here."""
    with Server(answer("404 Not Found"), methods=HEARD) as server:
        apart = [{"host": host, "port": server.port} for host in (HOST, f"http://{HOST}")]
        for fields in ({"host": server.url}, *apart):
            assert levels(look(named("http", password="sb_secret_Qx7vKp2mTz9", **fields))) == {"": Level.OK}
    assert {received.line for received in server.received} == {"HEAD / HTTP/1.1"}
    assert not any("Qx7vKp2mTz9" in str(received) for received in server.received)


@pytest.mark.guide("G29", "fires", "silent")
@pytest.mark.parametrize(("status", "level"), [("200 OK", Level.OK), ("401 Unauthorized", Level.WARNING)])
def test_a_function_announces_its_end_in_its_answers_headers(status: str, level: Level) -> None:
    """With the read-only health_check of each; one that does not answer is not reached, and no key is shown."""
    key = "sb_secret_Qx7vKp2mTz9"
    with Server(answer(status, key, Deprecation=f"@{PAST.timestamp():.0f}", Sunset=key)) as server:

        def send(endpoint: str, data: str, headers: Any, options: Any, **_: Any) -> requests.Response:
            return requests.post(server.url + endpoint, data=data, headers=headers, stream=True, timeout=5)

        every = functions("some_connection", send, key, QUICK.http)
        seen = look_at_all(every, QUICK)
    looked = judging.judge([(one, seen[one.name]) for one in every], {}, {}, LIMITS, NOW)
    assert {one.name for one in every} == {f"function {name}" for name in FUNCTIONS}
    assert {received.body for received in server.received} == {b'{"action": "health_check"}'}
    found = {one.key.removeprefix("integration:function trust-scorer"): one for one in looked.findings}
    assert found[""].level is level
    assert (":deprecation" in found, ":sunset" in found) == (level is Level.OK, level is Level.OK)
    assert "Qx7v" not in repr(looked) + repr(every)


@pytest.mark.parametrize("host", ["", "http://", "ftp://x", "http://[::1", "http://a b/", "https://h:99999/"])
def test_a_connection_without_a_usable_address_says_so(host: str) -> None:
    """Without showing what stands there."""
    found = look(named("http", host=host))
    assert "Connection 'some_connection': found no usable address" in said(found).detail


def driver(dsn: str) -> Any:
    """A way to connect as the flow makes one."""
    return lambda: psycopg.connect(dsn, connect_timeout=30)


@pytest.mark.guide("G29", "fires", "silent")
def test_a_database_is_logged_into_and_answers_or_does_not(cluster: Cluster, port: int) -> None:
    """One statement in a transaction that may not write; a wrong password and a dead port are not reached."""
    well = cluster.dsn("postgres")
    fields = {"host": POSTGRES_HOST, "port": cluster.port, "login": "postgres", "password": cluster.password}
    found = look(named("postgres", connect=driver(well), **fields))
    assert levels(found) == {"": Level.OK}
    assert said(found).detail == "logged in and answered"
    with psycopg.connect(well) as opened:
        opened.execute("CREATE ROLE integration_probe LOGIN PASSWORD 'right'")
    try:
        login = {"login": "integration_probe", "password": "Qx7vKp2mTz9"}
        wrong = driver(cluster.dsn("postgres", *login.values()))
        refused = look(named("postgres", connect=wrong, host=POSTGRES_HOST, **login))
    finally:
        with psycopg.connect(well) as opened:
            opened.execute("DROP ROLE integration_probe")
    assert levels(refused) == {"": Level.WARNING}
    assert 'password authentication failed for user "***"' in said(refused).detail
    gone = look(named("postgres", connect=driver(f"host={HOST} port={port} user=x"), host=HOST, port=port))
    assert "refused" in said(gone).detail


@pytest.mark.guide("G29", "fires", "silent")
def test_a_databases_certificate_is_judged_by_a_handshake_of_its_own(
    new_cluster: Any, tmp_path: Path, ca: Issued
) -> None:
    """The driver logs in whatever it is shown unless told to verify; the second handshake says what it was."""
    one: Cluster = new_cluster()
    server = one.start()
    try:
        for certificate, trusted, level, words in (
            (issued(ca, 365, host=POSTGRES_HOST), ca, Level.OK, "its certificate ends 2"),
            (issued(ca, 5, host=POSTGRES_HOST), ca, Level.CRITICAL, "its certificate ends 2"),
            (issued(ca, -1, host=POSTGRES_HOST), ca, Level.WARNING, "has expired; the login does not verify it"),
            (self_signed(tmp_path, host=POSTGRES_HOST), None, Level.ADVISORY, "is self-signed; the login does not"),
        ):
            speak_tls(one, certificate)
            extra = {"sslrootcert": str(trusted.file)} if trusted else {}
            fields = {"host": POSTGRES_HOST, "port": one.port, "extra": extra}
            found = look(named("postgres", connect=driver(one.dsn("postgres")), **fields))
            assert levels(found) == {"": Level.OK, "certificate": level}
            assert words in said(found, "certificate").detail
            several = {**fields, "host": f"{POSTGRES_HOST},{POSTGRES_HOST}"}
            found = look(named("postgres", connect=driver(one.dsn("postgres")), **several))
            assert levels(found) == {"": Level.OK, "certificate": Level.UNKNOWN}
            assert "was not seen: the Connection names no single host" in said(found, "certificate").detail
            away = {**fields, "port": unused_port()}
            found = look(named("postgres", connect=driver(one.dsn("postgres")), **away))
            assert levels(found) == {"": Level.OK, "certificate": Level.UNKNOWN}
            assert "was not seen: no connection" in said(found, "certificate").detail
    finally:
        one.stop(server)


def unused_port() -> int:
    """One where nobody listens."""
    with socket.socket() as bound:
        bound.bind((POSTGRES_HOST, 0))
        return int(bound.getsockname()[1])


def speak_tls(cluster: Cluster, certificate: Issued) -> None:
    """Have a running server show this certificate to whoever comes next."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as opened:
        for setting in ("ssl_cert_file", "ssl_key_file"):
            opened.execute(f"ALTER SYSTEM SET {setting} = '{certificate.file}'")  # type: ignore[call-overload]
        opened.execute("ALTER SYSTEM SET ssl = on")
        opened.execute("SELECT pg_reload_conf()")
    shown = None
    until = time.monotonic() + 20
    wanted = ssl.DER_cert_to_PEM_cert(certificate.certificate.public_bytes(Encoding.DER))
    while shown != wanted and time.monotonic() < until:
        shown = certificate_of(cluster)
        time.sleep(0.05)
    assert shown == wanted


def certificate_of(cluster: Cluster) -> str | None:
    """The certificate that a server shows now."""
    with socket.create_connection((POSTGRES_HOST, cluster.port), timeout=5) as opened:
        opened.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        if opened.recv(1) != b"S":
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(opened) as wrapped:
            return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True) or b"")


# Nothing secret is said -----------------------------------------------------------------------------------------


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """What a test adds, and after it all that was logged and printed: no part of a secret is in it."""
    caplog.set_level(logging.DEBUG)
    found: list[str] = []
    yield found
    found += [record.getMessage() + str(record.exc_text or "") for record in caplog.get_records("call")]
    found += capfd.readouterr()
    assert "Qx7vKp2mTz9" not in "\n".join(found)


@pytest.mark.guide("G29", "holds")
@pytest.mark.parametrize("alive", [True, False])
def test_no_place_of_a_secret_is_shown(everything: list[str], ca: Issued, port: int, alive: bool) -> None:
    """User name, password, path, query and extra of a Connection, whether it answers, repeats them or is away."""
    echo = answer("200 OK", Warning=f'299 - "{quote(SECRET)} and {SECRET}"', Sunset=SECRET, X_Key=SECRET)
    with Server(echo, methods=HEARD) as server:
        where = f"{HOST}:{server.port if alive else port}"
        integrations = [
            named("http", host=f"http://{quote(SECRET, safe='')}:{quote(SECRET, safe='')}@{where}/?t={quote(SECRET)}"),
            named("http", host=f"http://{where}", login=SECRET, password=SECRET, extra={"header": {"k": SECRET}}),
            named("http", host=f"http://u:{SECRET}@{where}"),
            named("http", host=f"nothing {SECRET}"),
            named("slackwebhook", schema="http", host=where, password=SECRET),
            named(
                "postgres",
                host=HOST,
                port=port,
                login=SECRET,
                password=SECRET,
                connect=lambda: psycopg.connect(host=HOST, port=port, user=SECRET, password=SECRET, dbname=SECRET),
            ),
        ]
        for one in integrations:
            looked = look(one)
            everything.append(repr(looked) + repr(one) + str(one.address))
            assert looked.findings


def test_what_a_driver_or_a_look_says_by_mistake_is_not_shown(everything: list[str]) -> None:
    """An error of any kind becomes its type's name, and is unknown; one that the driver raises loses its secrets."""

    def fail() -> Any:
        raise RuntimeError(SECRET)

    def echo() -> Any:
        raise psycopg.OperationalError(f'connection to "{SECRET}" failed:\n  {SECRET}')

    unknown = look(named("postgres", host=HOST, connect=fail))
    assert said(unknown).level is Level.UNKNOWN
    assert said(unknown).detail.startswith("the look itself failed (RuntimeError)")
    hidden = look(named("postgres", host=HOST, connect=echo, password=SECRET))
    assert said(hidden).detail.startswith('connection to "***" failed: ***;')
    everything += [repr(unknown), repr(hidden)]


# Use ------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G29", "fires", "silent")
def test_what_no_step_has_used_is_told() -> None:
    """Advice while the ledger knows no success, with the time once it does; nothing where no use is recorded."""
    one = Integration("x", "X", ProbeKind.FOLDER, used="backups")
    seen = judging.ProbeResult(reached=True, said="can be read")
    never = judging.judge([(one, seen)], {}, {"read": NOW}, LIMITS, NOW)
    assert said(never, "use").level is Level.ADVISORY
    used = judging.judge([(one, seen)], {}, {"backups": datetime(2026, 5, 3, 2, tzinfo=UTC)}, LIMITS, NOW)
    assert (said(used, "use").level, said(used, "use").detail) == (
        Level.OK,
        "last used with success 2026-05-03 02:00 UTC",
    )
    assert levels(judging.judge([(http("http://[::1]/"), seen)], {}, {}, LIMITS, NOW)) == {"": Level.OK}
