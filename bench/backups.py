"""What it costs to look at a long inventory of backups, and to prove one by restoring it, beside a shell script.

``UPKEEP_BENCH_MEGABYTES`` says how large the restored cluster is. The script does the weekly step's work: it copies the
backup, recovers to the recorded position, reads the log's rows of the week, recovers to the end of the archive, and
reads all tables and B-trees.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench.measure import Result, size
from sandbox import backups as sandbox
from sandbox.backups import Store
from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir, identity, programs
from sandbox.processes import wait
from upkeep.areas.backups import contents
from upkeep.areas.backups.newest import Newest, newest, original
from upkeep.areas.backups.restoration import restore
from upkeep.areas.look import Look
from upkeep.core.findings import Level
from upkeep.settings.backups import Backups, Restore
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

MANY, FEW = size((500, 100_000), (5, 300)), (2, 100)
SECONDS, MEGABYTES_MORE, RATIO = 2.0, 10.0, 1.2
MEGABYTES = int(os.environ.get("UPKEEP_BENCH_MEGABYTES") or size(1_000, 1))
_LABEL = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nSTART TIME: {:%Y-%m-%d %H:%M:%S} UTC\n"
_LOOK = """
import json, resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from upkeep.areas.backups.look import look_at_backups
from upkeep.settings.backups import Backups
config = Backups(base=Path(sys.argv[1], "base"), wal=Path(sys.argv[1], "wal"), verify_program="none")
before, began, worked = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), time.process_time()
look_at_backups(config, datetime.now(UTC))
took, worked = time.monotonic() - began, time.process_time() - worked
print(json.dumps([took, worked, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""
_ROWS = """
CREATE TABLE error_logs (id bigserial PRIMARY KEY, timestamp timestamptz NOT NULL, category text, message text);
CREATE INDEX ON error_logs (timestamp);
INSERT INTO error_logs (timestamp, category, message)
SELECT now() - interval '2 h' - n * interval '14 days' / %(rows)s, 'database', repeat(md5(n::text), 8)
FROM generate_series(1, %(rows)s) n;
"""
#: Bytes of a row of these and of what its indexes hold of it.
_ROW_BYTES = 390
_SCRIPT = """
set -eu
start() {
    $AS "$BIN/postgres" -D "$COPY/data" -c listen_addresses= -c unix_socket_directories="$COPY" -c archive_mode=off \
        -c autovacuum=off -c fsync=off -c shared_preload_libraries= -c restore_command="cp '$WAL/%f' '%p'" \
        -c recovery_target_inclusive=off -c recovery_target_action=pause "$@" > "$COPY/log" 2>&1 &
    server=$!
}
ask() { $AS "$BIN/psql" -XAtq -h "$COPY" -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$1"; }
until_says() { until [ "$(ask "$1" 2>/dev/null)" = t ]; do sleep 0.1; done; }
end() { kill -INT $server; wait $server || true; }
$AS cp -R "$BACKUP" "$COPY/data"
$AS touch "$COPY/data/recovery.signal"
$AS sh -c "echo 'local all all trust' > '$COPY/data/pg_hba.conf'; : > '$COPY/data/postgresql.auto.conf'; \
    : > '$COPY/data/postgresql.conf'"
start -c recovery_target_lsn="$LSN"
until_says 'SELECT pg_is_wal_replay_paused()'
ask "SELECT count(*), sum(('x' || left(md5(t::text), 16))::bit(64)::bigint)
     FROM error_logs t WHERE timestamp >= '$FROM' AND timestamp < '$UNTIL'"
end
start
until_says 'SELECT NOT pg_is_in_recovery()'
for table in $(ask "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'm', 't')"); do
    ask "SELECT count(*) FROM $table t WHERE t.ctid IS NOT NULL"
done
ask 'CREATE EXTENSION amcheck'
ask "SELECT bt_index_check(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relam = 403 AND i.indisvalid"
end
$AS rm -rf "$COPY/data"
"""


def inventory() -> Result:
    """The daily look at many backups and segments, and at few; without pg_verifybackup, whose work is the backup's."""
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder, "few"), *FEW)
        _fill(Path(folder, "many"), *MANY)
        few, many = (_look(Path(folder, name)) for name in ("few", "many"))
    return Result(
        f"{MANY[0]:,} backups and {MANY[1]:,} WAL files looked at: time, memory beyond that of {FEW[0]} and {FEW[1]}",
        f"{many[0]:.2f} s ({many[1]:.2f} s of processor time), {many[2] - few[2]:.1f} MB",
        f"{SECONDS:g} s, {MEGABYTES_MORE:g} MB",
        many[0] <= SECONDS and many[2] - few[2] <= MEGABYTES_MORE,
    )


def _fill(folder: Path, backups: int, segments: int) -> None:
    now = datetime.now(UTC)
    for number in range(backups):
        one = folder / "base" / f"{number:06}"
        one.mkdir(parents=True)
        (one / "backup_label").write_text(_LABEL.format(now - timedelta(hours=backups - number)))
        (one / "backup_manifest").write_text('{"Files": [], "WAL-Ranges": [{"End-LSN": "0/3000000"}]}')
    (folder / "wal").mkdir()
    for number in range(2, segments + 2):
        with (folder / "wal" / f"00000001{number // 256:08X}{number % 256:08X}").open("wb") as segment:
            segment.truncate(2**24)  # a hole


def _look(folder: Path) -> tuple[float, float, float]:
    argv = [sys.executable, "-c", _LOOK, str(folder)]
    environ = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}"}
    took, worked, memory = json.loads(subprocess.run(argv, env=environ, capture_output=True, check=True).stdout)
    return took, worked, memory


def run() -> Result:
    """A cluster with a log, its backup, and some WAL after it: restored by the weekly step, and by the script."""
    with tempfile.TemporaryDirectory() as name:
        with archiving(Path(name)) as (cluster, store):
            target, known = _backed_up(cluster, store)
        found = _newest(store)
        octets = sum(file.stat().st_size for file in found.backup.folder.rglob("*") if file.is_file())
        script = _script(store, found, known)
        began = time.monotonic()
        looked = restore(found, target, known, settings(ROOT / "config").maintenance.sql)
        ours = time.monotonic() - began
    wrong = tuple(f"{one.key}: {one.detail}" for one in looked.findings if one.level is not Level.OK)
    return Result(
        f"{octets / 1e6:,.0f} MB restored, recovered to a position, compared, read ÷ a shell script that does so",
        f"{ours / script:.2f} ({ours:.1f} s ÷ {script:.1f} s)",
        f"{RATIO:g}",
        ours / script <= RATIO and not wrong,
        wrong,
    )


@contextmanager
def archiving(folder: Path) -> Iterator[tuple[Cluster, Store]]:
    """A server that archives its WAL beside its backups, for as long as the block lasts."""
    cluster = Cluster(folder / "data", free_port(), secrets.token_hex(8), folder / "wal")
    cluster.init()
    server = cluster.start()
    try:
        yield cluster, Store(folder, cluster.archive_directory())
    finally:
        cluster.stop(server)


def _backed_up(cluster: Cluster, store: Store) -> tuple[Any, Any]:
    """Take a backup of a cluster with a log; the target, and what a daily window records of it."""
    connect = partial(psycopg.connect, cluster.dsn("postgres"))
    with connect(autocommit=True) as admin, psycopg.ClientCursor(admin) as cursor:
        cursor.execute(_ROWS, {"rows": max(1, MEGABYTES * 10**6 // _ROW_BYTES)})
        cursor.execute("VACUUM ANALYZE error_logs")
    sandbox.take(cluster.dsn("postgres"), store)
    config = settings(ROOT / "config")
    patient = config.maintenance.sql.model_copy(update={"statement_timeout_seconds": 3600})
    with connect(autocommit=True) as admin:
        admin.execute("INSERT INTO error_logs (timestamp) SELECT now() FROM generate_series(1, 1000)")
        with database.session(connect, patient, read_only=True) as session:
            known = contents.contents(Look(session, config, datetime.now(UTC))).snapshot
            target = original(session)
    archive(cluster, store)
    return target, known


def archive(cluster: Cluster, store: Store) -> None:
    """Finish a segment, and wait until it is in the archive."""
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
        (last,) = admin.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ("",)
    wait(f"{last} to be archived", (store.wal / last).exists, 60, lambda: "")


def _newest(store: Store) -> Newest:
    scratch = Restore(scratch=store.scratch, programs=programs(), run_as=identity().prefix)
    config = Backups(base=store.base, wal=store.wal, verify_program=str(bin_dir() / "pg_verifybackup"), restore=scratch)
    return newest(config, "here", datetime.now(UTC))


def _script(store: Store, found: Newest, known: Any) -> float:
    """Seconds of the script; it writes into a folder of its own in the scratch folder."""
    copy = store.scratch / "script"
    copy.mkdir()
    os.chown(copy, identity().uid, identity().gid)
    copy.chmod(0o700)
    told = {
        "AS": " ".join(identity().prefix),
        "BIN": str(programs()),
        "BACKUP": str(found.backup.folder),
        "COPY": str(copy),
        "WAL": str(store.wal),
        "LSN": known["lsn"],
        "FROM": known["start"],
        "UNTIL": known["end"],
    }
    began = time.monotonic()
    done = subprocess.run(["sh", "-c", _SCRIPT], env=os.environ | told, cwd="/", capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the script ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return time.monotonic() - began
