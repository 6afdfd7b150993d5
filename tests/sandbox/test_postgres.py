"""The embedded server: made, started, stopped and killed in each way that the current user can run it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest

from sandbox import postgres
from sandbox.postgres import Cluster, ServerFailedError

NewCluster = Callable[[], Cluster]


@pytest.fixture(params=["unshare", "setpriv"] if os.geteuid() == 0 else ["plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of running PostgreSQL that the current user has."""
    name: str = request.param
    monkeypatch.setenv("UPKEEP_SANDBOX_PG_AS", name)
    return name


@pytest.fixture
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of mode 0700 that holds the wheel's programs, as a clone in somebody's home would."""
    shared = Path("/var/tmp") / f"upkeep-test-{os.getpid()}"
    tmp_path.chmod(0o700)
    shutil.copytree(postgres.bin_dir().parent, tmp_path / "pginstall")
    monkeypatch.setattr(postgres, "bin_dir", lambda: tmp_path / "pginstall" / "bin")
    monkeypatch.setattr(postgres, "SHARED", shared)
    postgres._programs.cache_clear()
    yield tmp_path
    postgres._programs.cache_clear()
    shutil.rmtree(shared, ignore_errors=True)


def setting(cluster: Cluster, name: str) -> str:
    """A setting of the running server."""
    with psycopg.connect(cluster.dsn("postgres")) as conn:
        (found,) = conn.execute("SELECT current_setting(%s)", [name]).fetchone() or ("",)
    return str(found)


def test_a_cluster_in_a_private_home_runs_in_each_way(way: str, private_home: Path, port: int) -> None:
    """The server answers as a loopback-only UTF-8 cluster with checksums and statistics, and its PID is the child's."""
    cluster = Cluster(private_home / "data", port, "it's a \\ secret")
    cluster.init()
    server = cluster.start()
    try:
        assert postgres.identity().name == way
        assert setting(cluster, "server_encoding") == "UTF8"
        assert setting(cluster, "data_checksums") == "on"
        assert setting(cluster, "listen_addresses") == "127.0.0.1"
        assert setting(cluster, "shared_preload_libraries") == "pg_stat_statements"
        assert (cluster.directory() / "postmaster.pid").read_text().split()[0] == str(server.pid)
    finally:
        cluster.stop(server)
    assert server.returncode == 0
    assert not cluster.answers()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_the_server_and_data_survive_them(
    way: str, new_cluster: NewCluster, signal_number: signal.Signals
) -> None:
    """What was committed before SIGTERM or SIGKILL is there after the next start."""
    cluster = new_cluster()
    server = cluster.start()
    with psycopg.connect(cluster.dsn("postgres")) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    processes = psutil.Process(server.pid).children(recursive=True)
    server.send_signal(signal_number)
    server.wait(60)
    assert psutil.wait_procs(processes, timeout=60)[1] == []  # each ends when it sees that the first one has
    server = cluster.start()
    try:
        with psycopg.connect(cluster.dsn("postgres")) as conn:
            assert conn.execute("SELECT answer FROM kept").fetchall() == [(42,)]
    finally:
        cluster.stop(server)


def test_init_keeps_a_cluster_and_replaces_half_of_one(tmp_path: Path, port: int) -> None:
    """A second init changes nothing, and what an interrupted one left behind does not stop the next."""
    half = tmp_path / "data.unfinished"
    half.mkdir()
    (half / "PG_VERSION").write_text("17")
    cluster = Cluster(tmp_path / "data", port, "secret")
    cluster.init()
    made = (cluster.directory() / "global" / "pg_control").stat().st_mtime_ns
    cluster.init()
    assert (cluster.directory() / "global" / "pg_control").stat().st_mtime_ns == made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_server_that_dies_shows_the_end_of_its_log(cluster: Cluster, new_cluster: NewCluster) -> None:
    """Starting on a port in use raises an error that carries PostgreSQL's own reason."""
    other = replace(new_cluster(), port=cluster.port)
    with pytest.raises(ServerFailedError, match="Address already in use"):
        other.start()


def test_a_wrong_password_is_refused(cluster: Cluster) -> None:
    """Loopback alone opens nothing: connections are authenticated."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.dsn("postgres", password="wrong"))


def test_an_unknown_way_is_an_error_that_names_the_known_ones() -> None:
    """A mistyped UPKEEP_SANDBOX_PG_AS is refused, not ignored, when root's way is looked for."""
    with pytest.raises(ValueError, match="'sudo'; expected one of unshare, setpriv"):
        postgres._for_root("sudo")
