"""Documents and links on the web, at servers that answer, that do not, and that are gone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.stages.server import HOST, Answer, Server, answer, endless, raw, silence, trickling
from upkeep.areas.documents import look as judging
from upkeep.areas.documents.reading import look_at_all
from upkeep.core.findings import Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.documents import Document
from upkeep.settings.load import settings
from upkeep.settings.maintenance import Http

CONFIG = settings(ROOT / "config").maintenance
QUICK = CONFIG.http.model_copy(
    update={"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "total_timeout_seconds": 20.0}
)
TODAY = date(2026, 11, 25)
DRIP = trickling(b"HTTP/1.1 200 OK\r\n\r\n", b"x")
FOOTER = "\n**Last Updated**: 2026-11-02\n**Owner**: us\n"
HEARD = ("HEAD", "GET")
#: Servers that never end, and a clock of ours that does, seconds.
CLOCKS = {silence: {"read_timeout_seconds": 1.0}, DRIP: {"total_timeout_seconds": 2.0}}


def look(path: Path | str, seconds: float = 20.0, http: Http = QUICK, **fields: Any) -> LookResult:
    """One document, its links to the web tried."""
    config = CONFIG.documents.model_copy(update={"guide": Document(path=str(path)), "check_links": True, **fields})
    return judging.judge(look_at_all(config, http, seconds), 31, TODAY)


def links(file: Path, *targets: str, seconds: float = 20.0) -> tuple[list[str], str]:
    """What is said of the dead ones, and of all."""
    file.write_text("\n".join(f"[a]({target})" for target in targets) + FOOTER)
    found = [one for one in look(file, seconds).findings if one.guide == "G28"]
    assert all((one.level is Level.ADVISORY) != one.key.endswith(":links") for one in found)
    assert (found[-1].level is Level.UNKNOWN) == ("time was too short" in found[-1].detail)
    return [one.detail for one in found[:-1]], found[-1].detail


@pytest.mark.guide("G28", "fires", "silent")
@pytest.mark.parametrize(
    ("status", "dead"),
    [
        ("200 OK", False),
        ("301 Moved Permanently", False),
        ("401 Unauthorized", False),
        ("403 Forbidden", False),
        ("429 Too Many Requests", False),
        ("404 Not Found", True),
        ("410 Gone", True),
        ("500 Internal Server Error", True),
    ],
)
def test_a_link_to_the_web_is_dead_when_nothing_is_there(tmp_path: Path, status: str, dead: bool) -> None:
    """A page that wants a login is there; redirects are not followed."""
    with Server(answer(status, Location="http://127.0.0.1:1/"), methods=HEARD) as server:
        found, all_of_them = links(tmp_path / "guide.md", f"{server.url}/page?q=Qx7v#part")
    shown = f"line 1: '{server.url}/page': answered {status[:3]}"
    assert found == ([shown] if dead else [])
    assert all_of_them == f"1 links, {int(dead)} to be fixed"
    assert [one.line for one in server.received] == ["HEAD /page?q=Qx7v HTTP/1.1"]


@pytest.mark.guide("G28", "fires")
def test_a_link_to_nobody_is_dead_with_the_reason(tmp_path: Path, port: int) -> None:
    """A closed port, a name that no resolver knows, an address that is none; a user name is never sent."""
    with Server(answer("200 OK"), methods=HEARD) as server:
        found, _ = links(
            tmp_path / "guide.md",
            f"http://{HOST}:{port}/",
            "http://nobody.invalid/x",
            "http://[::1",
            f"http://user:Qx7v@{HOST}:{server.port}/",
        )
    assert found == [
        f"line 1: 'http://{HOST}:{port}/': no connection: Connection refused",
        "line 2: 'http://nobody.invalid/x': its name cannot be resolved",
        "line 3: an address that is none: no address that can be tried",
        f"line 4: 'http://{HOST}:{server.port}/': it holds a user name; not tried",
    ]
    assert server.connections == 0


def test_a_link_is_tried_once_and_with_get_where_head_is_refused(tmp_path: Path) -> None:
    """Two places of one address are one request."""
    with Server(answer("405 Method Not Allowed"), answer("404 Not Found"), methods=HEARD) as server:
        found, all_of_them = links(tmp_path / "guide.md", f"{server.url}/a", f"{server.url}/a")
    assert found == [f"line 1 and 1 more: '{server.url}/a': answered 404"]
    assert all_of_them == "2 links, 2 to be fixed"
    assert len(server.received) == 2


def test_links_that_time_was_too_short_for_are_counted_and_not_called_dead(tmp_path: Path) -> None:
    """A server that drips would hold them up for ever: UNKNOWN, for nobody has tried it; later it is ok."""
    drip = trickling(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")
    with Server(drip, methods=HEARD) as bad, Server(answer("404 Not Found"), methods=HEARD) as good:
        found, all_of_them = links(tmp_path / "guide.md", bad.url, good.url, seconds=4.0)
    assert found == [f"line 2: '{good.url}': answered 404"]
    late = "1 of them to the web, not tried: time was too short, or they are too many"
    assert all_of_them == f"2 links, 1 to be fixed; {late}"
    with Server(answer("200 OK"), methods=HEARD) as well:
        assert links(tmp_path / "guide.md", well.url) == ([], "1 links, 0 to be fixed")


@pytest.mark.guide("G138", "fires", "silent")
def test_a_guide_on_the_web_is_read_and_its_relative_links_lead_to_the_web(port: int) -> None:
    """With GET, beside what it declares; its links resolve as a browser would."""
    text = f"# Guide\n[a](b/c.md#d) [b](#guide)\n{FOOTER}"
    with Server(answer("200 OK", text), answer("404 Not Found"), methods=HEARD) as server:
        url = f"{server.url}/docs/guide.md"
        found = {one.key.removeprefix(f"document:{url}"): one for one in look(url).findings}
    assert found[""].level is Level.OK
    assert [one.line.split()[:2] for one in server.received] == [["GET", "/docs/guide.md"], ["HEAD", "/docs/b/c.md"]]
    assert found[f":link:'{server.url}/docs/b/c.md'"].detail.endswith(": answered 404")


@pytest.mark.guide("G138", "fires")
@pytest.mark.parametrize(
    ("spoken", "words"),
    [
        (answer("404 Not Found"), "answered 404, expected 200"),
        (answer("302 Found", Location="http://127.0.0.1:1/"), "answered 302, expected 200"),
        (silence, "no answer within 1 s"),
        (raw(b"nothing"), "no HTTP in answer"),
        (DRIP, "no answer within 2 s (config: http.total_timeout_seconds)"),
        (endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), "found more than 2000000 bytes"),
        (answer("200 OK", b"\xff\xfe"), "found bytes that are no UTF-8"),
        (answer("200 OK", "<!doctype html><title>Log in</title>"), "found a page of HTML, such as a login"),
        (answer("200 OK", ""), "found an empty text"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n# Guide\nLast Updated: 2026-11-02\n"), "ended early"),
    ],
    ids=["404", "redirect", "silence", "no HTTP", "drip", "endless", "binary", "login", "empty", "cut off"],
)
def test_a_guide_on_the_web_that_cannot_be_read_is_not_collected(spoken: Answer, words: str) -> None:
    """Unknown with the reason; reading stops at the limit."""
    with Server(spoken, methods=HEARD) as server:
        http = QUICK.model_copy(update=CLOCKS.get(spoken, {}))
        (found,) = look(f"{server.url}/guide.md", http=http).findings
    assert found.level is Level.UNKNOWN
    assert words in found.detail
    assert server.sent < 20_000_000
