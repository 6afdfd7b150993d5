"""The wire to a container where threads, certificates, proxies and other processes are in its way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.stages.blob_wire import Said, wire
from tests.stages.sessions import until
from upkeep.wires.blob_answers import Unreached
from upkeep.wires.blobs import Container
from upkeep.wires.net.deadline import MOST, by
from upkeep.wires.sas import credentials, session_of_the_block

NOBODY = "http://127.0.0.1:1/logs"


def test_calls_that_were_given_up_take_so_many_threads_and_no_more() -> None:
    """A peer that keeps them all: the next one is not begun. When one ends there is room again."""
    over, begun = threading.Event(), []

    def held() -> None:
        begun.append(1)
        over.wait()

    while len(begun) < MOST:
        with suppress(TimeoutError):
            by(time.monotonic() + 0.1, held)
    with pytest.raises(TimeoutError):
        by(time.monotonic() + 0.1, held)
    assert len(begun) == MOST
    over.set()
    assert by(time.monotonic() + 60, lambda: "an answer") == "an answer"


def test_a_system_that_has_no_thread_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time, and the next call has its room all the same."""

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        for _ in range(MOST + 1):
            with pytest.raises(Unreached, match="found no answer"):
                Container(NOBODY, lambda: "sig=S").in_haste().head("one")
    assert by(time.monotonic() + 60, lambda: "an answer") == "an answer"


def test_certificates_that_are_not_there_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests says it by an OSError, and that would be of a file that is damaged."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(Unreached, match="found no answer"):
        Container("https://127.0.0.1:1/logs", lambda: "sig=S").in_haste().head("one")


def test_a_process_that_loads_this_wire_alone_logs_no_signature() -> None:
    """As the reader of archives does: at DEBUG urllib3 says each request's URL."""
    code = """
import logging
logging.basicConfig(level=logging.DEBUG)
from upkeep.wires.blobs import Container
print(Container(URL, lambda: "sp=r&sig=SECRET").head("one").size)
"""
    with wire("http://127.0.0.1:1/account") as between:
        between.always("HEAD", "one", Said(200, "", {"ETag": "1", "Content-Length": "3"}))
        argv = [sys.executable, "-c", code.replace("URL", repr(between.url))]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
    assert "HEAD /account/one?sp=r&sig=***" in done.stderr and "SECRET" not in done.stderr


def test_connections_to_a_proxy_end_with_their_block_too() -> None:
    """Though somebody holds an answer that came through one."""
    with wire("http://127.0.0.1:1/account") as between:
        between.always("GET", "one", Said(200, "", {"ETag": "1"}))
        with credentials(lambda _: "sig=S"):
            session = session_of_the_block(NOBODY)
            session.trust_env = False
            session.proxies = {"http": between.url.removesuffix("/account")}
            answer = session.get(f"{NOBODY}/one")
            pool = session.get_adapter(NOBODY).proxy_manager[session.proxies["http"]].connection_from_url(NOBODY)
            assert answer.status_code == 200 and len(between.connections) == 1
        until(lambda: not between.connections)
        assert pool
