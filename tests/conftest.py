"""A real PostgreSQL for the tests: one server for the session, a database of its own for whoever asks.

It is the wheel's, or what UPKEEP_TEST_POSTGRES names (`make matrix`).
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from sandbox import ports, postgres, target

pytest.register_assert_rewrite("tests.stages")

from tests.stages import hostile  # noqa: E402  # its assertions are to say what they compared
from tests.stages.copies import copy_database  # noqa: E402

pytest_plugins = [
    "tests.coverage_table",
    "tests.stages.applying",
    "tests.stages.ledger",
    "tests.stages.rereading",
    "tests.stages.restoring",
]

if hostile.EVERYWHERE:
    hostile.everywhere()

TEMPLATE = "seeded_template"

#: Linux's files in memory, and the bytes that must be free there for the tests' servers and folders.
MEMORY, ROOM = Path("/dev/shm"), 8 * 1024**3
FOLDERS = "upkeep-folders-"

#: What the seed calls and servers before this major do not have.
STAND_INS = {major: Path(__file__).parent / "matrix" / f"before_{major}.sql" for major in (15, 16)}

# Airflow reads and writes its home as soon as it is imported: never the home of the person who runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="upkeep-airflow-")

# Most of the tests' sandboxes are never started: they keep no port from the sandboxes of this machine.
os.environ[ports.CLAIMS] = tempfile.mkdtemp(prefix="upkeep-claims-")

# Each process of `make test` draws ports of its own: a worker of pytest-xdist (gw0, gw1 …), and the one of tests/e2e.
worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")
os.environ[ports.SLICE] = str((int(worker) + 1) % ports.SLICES)


#: Files in which few tests take a minute or more. They begin first: at the end one process would be left with them.
LONG = (
    "tests/sandbox/test_install.py",
    "tests/areas/retention/test_killed.py",
    "tests/dashboard/test_in_browser.py",
    "tests/bench/test_benches.py",
    "tests/areas/alerts/test_killed.py",
    "tests/areas/backups/test_defects.py",
)


def _roomy() -> bool:
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM


def _forget_left(prefix: str) -> None:
    """What a run left in memory that was killed, and this process."""
    for left in MEMORY.glob(f"{prefix}*"):
        owner = int(left.name.rpartition("-")[2])
        if owner == os.getpid() or not psutil.pid_exists(owner):
            shutil.rmtree(left, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let the tests' folders lie in memory too, unless ``--basetemp`` says where, and those of Airflow.

    Backups are thousands of files, copied for each of many tests: on a disk that took twice as long. Where programs may
    not be run from memory (Docker's default), the tests that write one could not.
    """
    if hasattr(config, "workerinput") or config.option.basetemp or any("e2e" in one for one in config.args):
        return
    if _roomy() and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        _forget_left(FOLDERS)
        config.option.basetemp = str(MEMORY / f"{FOLDERS}{os.getpid()}")


def pytest_unconfigure() -> None:
    """Give the memory back."""
    shutil.rmtree(MEMORY / f"{FOLDERS}{os.getpid()}", ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests (`make test`), the long files come first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONG))


# Hypothesis draws the same examples in each run, and a machine that is busy fails nothing. `make faults` draws anew.
calm = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("the same", calm, derandomize=True)
settings.register_profile("drawn", calm, derandomize=False, max_examples=2000, print_blob=True)
settings.load_profile("the same")


@pytest.fixture
def port() -> int:
    """A port of the loopback for a server of the test's own."""
    return ports.free_port()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the servers' files are: in memory if there is room.

    Each test's database is 300 files, made and deleted again. On an ext4 disk a third of the processor's time went into
    finding inodes for them (perf: find_inode_bit, recently_deleted).
    """
    if not _roomy():
        yield tmp_path_factory.mktemp("postgres")
        return
    _forget_left("upkeep-tests-")
    folder = MEMORY / f"upkeep-tests-{os.getpid()}"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_cluster(server_folder: Path) -> Iterator[Callable[[], postgres.Cluster]]:
    """Makes a Cluster that is initialised but not started, for tests that stop or kill its server themselves."""
    made: list[Path] = []  # not always below the folder, see Cluster.directory: noted while its way is in force

    def make() -> postgres.Cluster:
        data = Path(tempfile.mkdtemp(dir=server_folder)) / "data"
        one = postgres.Cluster(data, ports.free_port(), secrets.token_urlsafe(12))
        one.init()
        made.append(one.directory().parent)
        return one

    yield make
    for folder in made:
        shutil.rmtree(folder)


def _hash_cheaply(superuser: psycopg.Connection, cluster: postgres.Cluster) -> None:
    """Let a password be hashed once and not 4,096 times at each login: the tests log in some 50,000 times."""
    if superuser.info.server_version >= 160000:
        superuser.execute("ALTER SYSTEM SET scram_iterations = 1")
        superuser.execute("SET scram_iterations = 1")
        superuser.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(postgres.SUPERUSER), cluster.password)
        )


@pytest.fixture(scope="session")
def cluster(new_cluster: Callable[[], postgres.Cluster]) -> Iterator[postgres.Cluster]:
    """The session's started cluster; a test that harms the server makes one of its own with `new_cluster`."""
    one = new_cluster()
    with (one.directory() / "postgresql.conf").open("a") as settings:
        settings.write("pg_stat_statements.max = 50000\n")  # at 5,000 the tests' own statements push each other out
    server = one.start()
    with psycopg.connect(one.dsn("postgres"), autocommit=True) as superuser:
        # A snapshot of autovacuum keeps rows that a test's VACUUM is to take away. It stays on, and does not come.
        superuser.execute("ALTER SYSTEM SET autovacuum_naptime = '1d'")
        _hash_cheaply(superuser, one)
        superuser.execute("SELECT pg_reload_conf()")
    # Its first session writes a file of what the catalogue is, which each copy then has: else each copy's first does.
    psycopg.connect(one.dsn("template1")).close()
    yield one
    one.stop(server)


@pytest.fixture(scope="session")
def role_passwords() -> dict[str, str]:
    """The password of each of the target's roles, for `cluster.dsn(dbname, role, role_passwords[role])`."""
    return {role: secrets.token_urlsafe(12) for role in target.ROLES}


@contextmanager
def database(cluster: postgres.Cluster, name: str, template: str = "template1") -> Iterator[str]:
    """A database that is dropped at the end, whoever is still connected; yields the superuser's conninfo."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as conn:
        copy_database(conn, name, template)
        if hostile.EVERYWHERE:
            hostile.database(conn, name)
    try:
        yield cluster.dsn(name)
    finally:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as conn:  # its server may have been restarted
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def seeded_template(cluster: postgres.Cluster, role_passwords: dict[str, str]) -> Iterator[str]:
    """The name of a database with the target's schema, history and roles; nobody stays connected to it."""
    with database(cluster, TEMPLATE) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            for major, stand_ins in STAND_INS.items():
                if conn.info.server_version < major * 10_000:
                    conn.execute(stand_ins.read_bytes())
            target.load(conn, role_passwords)
            for role in target.ROLES if hostile.EVERYWHERE else ():
                hostile.role(conn, role)
        yield TEMPLATE


@pytest.fixture
def target_dsn(cluster: postgres.Cluster, seeded_template: str) -> Iterator[str]:
    """A fresh target of the test's own with the seeded history, as a superuser's conninfo string."""
    with database(cluster, f"target_{secrets.token_hex(4)}", seeded_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(cluster: postgres.Cluster) -> Iterator[str]:
    """A fresh empty database of the test's own, as a superuser's conninfo string."""
    with database(cluster, f"empty_{secrets.token_hex(4)}") as dsn:
        yield dsn
