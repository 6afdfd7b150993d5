"""What it costs to archive log rows, to read the archive again and to delete by it, beside COPY and one single DELETE.

``UPKEEP_BENCH_ROWS`` says of how many rows: 5,000,000 is the goal's. The peak of memory is that of a process which
archives all of them, beside one that archives the first fifth.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from unittest.mock import patch

import psycopg
import pyarrow as pa
import yaml

from bench.archiving import action, elsewhere, without_limit
from bench.measure import Result, size
from bench.platform import TARGET, Platform, open_platform
from sandbox.postgres import bin_dir
from upkeep.areas.retention import archive, delete, parquet, reread, rows
from upkeep.areas.retention.local_store import LocalStore
from upkeep.areas.retention.restore import checked, sound
from upkeep.areas.retention.rows import Period
from upkeep.areas.retention.store import DELETED, OBJECT
from upkeep.areas.retention.stores import store_of
from upkeep.settings.base import ROOT
from upkeep.wires import database
from upkeep.wires.database import Session

ROWS = int(os.environ.get("UPKEEP_BENCH_ROWS") or size(1_000_000, 3_000))
#: Writing an object by COPY into zstd, wall and bytes; verifying by writing; deleting by one DELETE; a transaction.
WALL, BYTES, VERIFY, DELETE, LONGEST_MS = 0.9, 0.9, 1.5, 2.0, 100.0
#: MB of the process that archives, and of that by one for a fifth of the rows.
MEMORY, FLAT = 220, 1.1
START, FIFTH, END = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 7, 30))
_FILL = """
CREATE TABLE {0} (id bigint PRIMARY KEY, at timestamptz NOT NULL, function_name text, severity text, message text,
                  user_id uuid, details jsonb);
INSERT INTO {0} SELECT n, '2026-01-01Z'::timestamptz + n * (interval '2500000 s' / %(rows)s), 'function-' || n %% 40,
    (ARRAY['low', 'medium', 'high'])[1 + n %% 3], 'request ' || md5(n::text) || ' failed after ' || n %% 977 || ' ms',
    md5((n %% 5000)::text)::uuid, jsonb_build_object('path', '/api/v1/' || n %% 300, 'status', 500 + n %% 4)
FROM generate_series(1, %(rows)s) n;
CREATE INDEX ON {0} (at);
"""


def run() -> Result:
    """Fill two equal logs; archive, verify and delete by batches from one, COPY and DELETE at once from the other."""
    with tempfile.TemporaryDirectory() as folder, open_platform() as (one, _), _configured(Path(folder)):
        with one.admin() as admin:
            for table in ("log", "once"):
                with psycopg.ClientCursor(admin) as cursor:  # several statements, with values
                    cursor.execute(_FILL.format(table).encode(), {"rows": ROWS})
                admin.execute(f"VACUUM ANALYZE {table}".encode())
        copied, copied_bytes = _copied(one, Path(folder))
        with database.standing(one.connect(TARGET), one.config.sql) as session:
            without_limit(session)
            return _measured(one, session, copied, copied_bytes)


@contextmanager
def _configured(folder: Path) -> Iterator[None]:
    """A config of one class, whose archives lie in the folder."""
    for file in (ROOT / "config").glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    one = {"type": "error", "table": "public.log", "time": "at", "days": 30, "location": "here", "delete": True}
    others = ("application", "audit", "performance", "security")
    content = {
        "locations": {"here": {"title": "here", "path": str(folder / "archives")}},
        "classes": {"errors": one},
        "unmapped": dict.fromkeys(others, "none here"),
        "holds": [],
    }
    (folder / "archives").mkdir()
    (folder / "retention.yaml").write_text(yaml.safe_dump(content))
    before = os.environ.get("UPKEEP_CONFIG")
    os.environ["UPKEEP_CONFIG"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("UPKEEP_CONFIG")
        if before is not None:
            os.environ["UPKEEP_CONFIG"] = before


def _copied(one: Platform, folder: Path) -> tuple[float, int]:
    """Seconds and bytes of ``psql COPY`` into zstd's own default level, which the archive has too."""
    file = folder / "copied.zst"
    argv = [str(bin_dir() / "psql"), "-qc", "COPY log TO STDOUT", one.cluster.dsn(TARGET)]
    began = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as psql, file.open("wb") as raw:
        assert psql.stdout
        zstd = pa.Codec("zstd", compression_level=3)
        while block := psql.stdout.read(8 * 1024**2):  # four times zstd's window
            raw.write(zstd.compress(block))
    assert psql.returncode == 0
    return time.monotonic() - began, file.stat().st_size


def _took(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _measured(one: Platform, session: Session, copied: float, copied_bytes: int) -> Result:
    period, store = Period("errors", START, END), store_of(archive.policy(), TARGET, "errors")
    assert isinstance(store, LocalStore)
    made = action(session, f"archive {TARGET}/{period}")
    with session.connection.transaction():
        columns = rows.columns(session, made.oid)
        table = archive.policy().classes["errors"].table
        exported = rows.export(session, table, columns, rows.due(archive.policy(), period, datetime.now(UTC)))
        server = _took(lambda: rows.server_digest(session, exported, len(columns)))
    with session.connection.transaction(), store.create("alone" + OBJECT) as sink:
        written = _took(lambda: archive._copy(session, exported, columns, sink, parquet.BLOCKS[0]))
    where = (one.cluster.dsn(TARGET), one.config.sql, TARGET)
    _, fifth = elsewhere(*where, Period("errors", START, FIFTH), "2026-01_fifth")
    whole, memory = elsewhere(*where, period, "2026-01_bench")
    again = _took(lambda: reread.read(store, "2026-01_bench" + OBJECT))
    verify, flip_found = again + server, _flip_is_found(store, "2026-01_bench")
    octets = store.path("2026-01_bench" + OBJECT).stat().st_size
    deleting, within, longest = _deleted(session, store, period)
    with one.admin() as admin:
        admin.execute("CHECKPOINT")
        single = _took(lambda: admin.execute("DELETE FROM once WHERE at < '2026-02-01Z'"))
    ratios = (written / copied, octets / copied_bytes, verify / written, deleting / single)
    met = all(found <= goal for found, goal in zip(ratios, (WALL, BYTES, VERIFY, DELETE), strict=True))
    met = met and memory <= MEMORY and memory <= FLAT * fifth
    return Result(
        f"{ROWS:,} log rows: an archive's file written by COPY | zstd (wall, bytes), verified (server's digest, "
        "reading again) by written, delete by one DELETE",
        ", ".join(f"{ratio:.2f}" for ratio in ratios)
        + f"; longest transaction {1000 * longest:.0f} ms; a flipped byte is {'' if flip_found else 'not '}found; "
        f"{memory} MB at most in the process that archives, {fifth} MB for a fifth of the rows",
        f"{WALL}, {BYTES}, {VERIFY}, {DELETE}; {LONGEST_MS:.0f} ms; found; {MEMORY} MB, and flat",
        met and 1000 * longest <= LONGEST_MS and flip_found,
        (
            f"COPY | zstd {copied:.2f} s, {copied_bytes:,} bytes; the file alone {written:.2f} s, {octets:,} bytes",
            f"the whole action, with digest and reading again, {whole:.2f} s: {whole / copied:.2f} of COPY | zstd",
            f"verify: digest on the server {server:.2f} s, reading again in another process {again:.2f} s",
            f"delete {deleting:.2f} s, its archive read again and hashed; one DELETE, comparing nothing {single:.2f} s",
            f"of the deletion's {deleting:.2f} s its transactions took {within:.2f} s",
        ),
    )


def _flip_is_found(store: LocalStore, name: str) -> bool:
    """Whether an archive with another byte in its middle is not as it was written; the byte is put back."""
    with store.path(name + OBJECT).open("r+b") as file:
        middle = file.seek(0, os.SEEK_END) // 2
        file.seek(middle)
        (byte,) = file.read(1)
        try:
            _put(file, middle, byte ^ 1)
            checked(store, name)
        except reread.NotAsWritten:
            return True
        finally:
            _put(file, middle, byte)
    return False


def _put(file: IO[bytes], place: int, byte: int) -> None:
    file.seek(place)
    file.write(bytes([byte]))
    file.flush()


def _deleted(session: Session, store: LocalStore, period: Period) -> tuple[float, float, float]:
    """Seconds of the whole deletion, of all its transactions and of the longest."""
    ((name, _, sha256),) = (one for one in sound(store) if one[0] == "2026-01_bench")
    made = action(session, f"delete {TARGET}/{period} of {name} {sha256}")
    session.rows("CHECKPOINT")
    took: list[float] = []
    transaction = session.connection.transaction

    @contextmanager
    def timed() -> Iterator[None]:
        began = time.monotonic()
        with transaction():
            yield
        took.append(time.monotonic() - began)

    with patch.object(session.connection, "transaction", timed):
        began = time.monotonic()
        *_, said = delete.steps(session, made, {"deletion": "bench"})
        whole = time.monotonic() - began
    assert said.startswith(f"{ROWS:,} rows deleted, 0 kept"), said
    assert store.has(name + DELETED)
    return whole, sum(took), max(took)
