"""Sandboxes that are drawn up at the same moment share no port, and nobody but our own server is sent a login."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox import processes
from sandbox.ports import CLAIMS, DRAWN, PORTS, SHIFT, SLICE, SLICES, free_port, reserved
from sandbox.postgres import HOST, Cluster
from sandbox.stack import Sandbox, open_sandbox
from upkeep.settings.base import ROOT

#: Draws up a sandbox as soon as the test says so.
DRAW = """
import sys
from pathlib import Path
from sandbox.stack import open_sandbox
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    open_sandbox(Path(sys.argv[1]) / str(number))
"""


def test_no_outgoing_connection_is_given_a_port_of_ours() -> None:
    """Linux gives those from 32768 on, also one that was found free and whose server is not up yet."""
    assert max(PORTS.values()) + 500 + 1000 < 32768  # 500 to pass over, and the shift of the tests' own sandbox
    assert max(DRAWN) < min(port for name, port in PORTS.items() if name != "airflow")
    assert free_port() in DRAWN


def test_programs_beside_each_other_draw_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each from its own slice: one may find a port free that another is about to listen on."""
    drawn = {}
    for number in range(SLICES):
        monkeypatch.setenv(SLICE, str(number))
        drawn[number] = {free_port() for _ in range(20)}
        assert drawn[number] <= set(DRAWN[number::SLICES])
    assert len(set().union(*drawn.values())) == sum(map(len, drawn.values()))
    monkeypatch.delenv(SLICE)
    assert free_port() in DRAWN


def test_sandboxes_drawn_up_at_once_share_no_port(tmp_path: Path) -> None:
    """Four processes draw up ten sandboxes each at the same moment: 240 ports, each of them once."""
    argv = [sys.executable, "-c", DRAW]
    environ = {
        **os.environ,
        SHIFT: "3000",
        CLAIMS: str(tmp_path / "claims"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
    }
    folders = [tmp_path / name for name in ("a", "b", "c", "d")]
    started = [
        subprocess.Popen([*argv, folder], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for folder in folders
    ]
    for one in started:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in started:
        one.communicate(timeout=120)
        assert one.returncode == 0
    drawn = [json.loads(file.read_text())["ports"] for file in tmp_path.glob("?/*/sandbox.json")]
    ports = [port for one in drawn for port in one.values()]
    assert (len(drawn), len(ports), len(set(ports))) == (40, 40 * len(PORTS), 40 * len(PORTS))


def test_two_calls_on_one_folder_draw_one_sandbox(tmp_path: Path) -> None:
    """Four processes that draw up the same folder get the same passwords and ports."""
    program = "import sys; from pathlib import Path; from sandbox.stack import open_sandbox\n"
    program += "one = open_sandbox(Path(sys.argv[1])); print(sorted(one.ports.items()), sorted(one.passwords.items()))"
    environ = {**os.environ, CLAIMS: str(tmp_path / "claims"), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    argv = [sys.executable, "-c", program, str(tmp_path / "same")]
    started = [subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {one.communicate(timeout=120)[0].splitlines()[-1] for one in started}
    assert len(said) == 1


def test_ports_of_a_sandbox_that_is_gone_are_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim holds while a sandbox names the port, also when nothing of it runs, and ends with its folder."""
    monkeypatch.setenv(CLAIMS, str(tmp_path / "claims"))
    first, second = tmp_path / "first", tmp_path / "second"
    with reserved(first, {}) as drawn, reserved(second, {}) as others:
        assert not set(drawn.values()) & set(others.values())
    first.mkdir()
    (first / "sandbox.json").write_text(json.dumps({"ports": drawn}))
    with reserved(second, {}) as others:
        assert not set(drawn.values()) & set(others.values())
    (first / "sandbox.json").unlink()
    with reserved(second, {}) as others:
        assert others["airflow"] <= drawn["airflow"]


class Foreign(http.server.BaseHTTPRequestHandler):
    """Another program on our port: it says that Airflow is healthy, and keeps what it is sent."""

    received: list[str] = []

    def _keep(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.received.append(f"{self.path} {self.headers} {body}")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        answer = json.dumps({**{part: {"status": "healthy"} for part in parts}, "access_token": "x"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _keep  # noqa: N815  # names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox on whose ports for Airflow and the supervisor another program listens."""
    servers = [http.server.ThreadingHTTPServer((HOST, free_port()), Foreign) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    drawn = open_sandbox(tmp_path)
    state = tmp_path / "sandbox.json"
    content = json.loads(state.read_text())
    content["ports"] |= {
        name: one.server_address[1] for name, one in zip(("airflow", "supervisor"), servers, strict=True)
    }
    state.write_text(json.dumps(content))
    drawn.processes.mkdir()
    Foreign.received.clear()
    yield open_sandbox(tmp_path)
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_foreign_server_is_sent_no_login(sandbox: Sandbox) -> None:
    """It is not taken for ours although it says that it is healthy, and it gets nothing at all to see."""
    assert not processes.healthy(sandbox)
    assert not processes.running(sandbox)
    with pytest.raises(processes.SandboxError, match="kept for airflow, is listened on by another program"):
        processes.Api(sandbox, "admin")
    with pytest.raises(processes.SandboxError, match="kept for supervisor"):
        processes.ask(sandbox, "shutdown")
    assert Foreign.received == []


def test_a_server_that_asks_for_the_password_itself_does_not_get_it(tmp_path: Path, port: int) -> None:
    """Only SCRAM is spoken, in which a password never leaves the client; a server that wants it in clear is refused."""
    got = []
    with socket.create_server((HOST, port)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1024)  # SSLRequest
                connection.sendall(b"N")
                connection.recv(1024)  # startup
                connection.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # AuthenticationCleartextPassword
                got.append(connection.recv(1024))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(psycopg.OperationalError, match=r"(?i)scram"):
            psycopg.connect(Cluster(tmp_path / "data", port, "s3cret-of-ours").dsn("postgres"), connect_timeout=5)
        thread.join(10)
    assert got and b"s3cret" not in got[0]
