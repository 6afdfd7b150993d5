"""What the daily look by sevenths reads of a base backup over a week, and when it finds a bent bit.

``UPKEEP_BENCH_MEGABYTES`` says how large the cluster is.
"""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from bench.backups import MEGABYTES, archive, archiving
from bench.measure import Result
from sandbox import backups as sandbox
from sandbox.backups import Store
from sandbox.postgres import Cluster, bin_dir
from upkeep.areas.backups import files as kept
from upkeep.areas.backups.look import look_at_backups
from upkeep.settings.backups import Backups

WEEK, PAGE = 7, 8192
#: A file is the unit of what is read: none of these is as large as a seventh.
TABLES, _TABLE_ROW = 40, 360
_TABLE = "CREATE TABLE table_{} AS SELECT n, repeat(md5(n::text), 10) AS words FROM generate_series(1, {}) n"


def run() -> Result:
    """A cluster, its backup and WAL that comes each day: what the daily look reads, and when it finds a bent bit."""
    with tempfile.TemporaryDirectory() as name, archiving(Path(name)) as (cluster, store):
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            for number in range(TABLES):
                admin.execute(_TABLE.format(number, MEGABYTES * 10**6 // TABLES // _TABLE_ROW).encode())
        sandbox.take(cluster.dsn("postgres"), store)
        days = _days(cluster, store)
    lines = tuple(day.line() for day in days)
    alone = max(day.read * WEEK / day.base for day in days)
    ratio = max(day.read / day.allowed for day in days)
    late = [day.number for day in days[:WEEK] if day.found_after is None or day.found_after >= WEEK]
    last = max((day.found_after for day in days if day.found_after is not None), default=None)
    return Result(
        f"bytes that a day reads ÷ (1.1 × new WAL + a seventh of {days[0].base / 1e6:,.0f} MB); bent bits found",
        f"at most {ratio:.2f} by /proc/self/io ({alone:.2f} of the seventh alone); "
        f"{WEEK - len(late)} of {WEEK}, the last after {last} days",
        f"1, within {WEEK} days",
        ratio <= 1 and not late,
        lines,
    )


@dataclass
class Day:
    """One day of the simulated week: bytes by the code's own counter and by the kernel's, and what these may be.

    ``found_after`` is after how many days the bit was found that was bent on this day.
    """

    number: int
    base: int
    new_wal: int
    counted: int = 0
    read: int = 0
    found_after: int | None = None

    @property
    def allowed(self) -> float:
        return 1.1 * self.new_wal + self.base / WEEK

    def line(self) -> str:
        said = f"day {self.number}: {self.new_wal / 1e6:.0f} MB of new WAL, {self.read / 1e6:.1f} MB read"
        said += f" ({self.counted / 1e6:.1f} MB by the look's own counter) of {self.allowed / 1e6:.1f} MB"
        return said if self.number >= WEEK else f"{said}; the bit bent on it was found after {self.found_after} days"


def _days(cluster: Cluster, store: Store) -> list[Day]:
    """A week with a bit bent each day, and as many days in which the last of them are found; each is mended then."""
    verify = str(bin_dir() / "pg_verifybackup")
    config = Backups(base=store.base, wal=store.wal, verify_program=verify, proof="sevenths")
    folder = store.newest()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    bendable = [one for one in files if one.stat().st_size >= PAGE and one.parent.name != "pg_wal"]
    chosen = random.Random(1).sample([file for file in bendable if file.name != kept.MANIFEST], WEEK)
    base, begun = sum(file.stat().st_size for file in files), kept.read_label(folder).start.name(2**24)
    bent, days, seen, snapshot = dict[str, Day](), list[Day](), set[str](), None
    for number in range(2 * WEEK):
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("INSERT INTO table_0 SELECT * FROM table_1 LIMIT 50000")
        archive(cluster, store)
        new = {file.name for file in store.wal.iterdir() if len(file.name) == len(begun) and file.name >= begun} - seen
        seen |= new
        day = Day(number, base, len(new) * 2**24)
        days.append(day)
        if number < WEEK:
            bent[str(chosen[number].relative_to(folder))] = day
            _bend(chosen[number])
        before = _read_so_far()
        looked = look_at_backups(config, datetime.now(UTC) + timedelta(days=number), snapshot)
        day.read, snapshot = _read_so_far() - before, looked.snapshot
        day.counted = next(int(one.value) for one in looked.samples if one.metric == "backup_bytes_read")
        said = "; ".join(one.detail for one in looked.findings if one.key.startswith("backups:integrity"))
        for path in [path for path in bent if f'"{path}"' in said]:
            bent[path].found_after = number - bent[path].number
            del bent[path]
            _bend(folder / path)
    return days


def _bend(file: Path) -> None:
    """Turn a bit of a file around; once more, and it is as it was."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def _read_so_far() -> int:
    """Bytes that this process and its children that have ended have read, from the disk or from memory."""
    said = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(said["rchar"])
