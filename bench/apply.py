"""Applying 50 actions by the engine beside the same statements from psql; a workload's p99 with guards and without."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from psycopg import sql

from bench.measure import Result, size, spread
from bench.platform import TARGET, Platform, open_platform
from sandbox.postgres import bin_dir
from upkeep.settings.maintenance import Maintenance

GOAL = 1.15
#: An even number of rounds: every second filling of a table finds room that the VACUUM before made, and costs less, so
#: that each of the two must come first equally often.
ACTIONS, ROWS, ROUNDS = size((50, 30_000, 4), (2, 8_000, 2))
#: pgbench: scale, seconds of one measurement and of that of the capacity, clients.
SCALE, SECONDS, OF_CAPACITY, CLIENTS = size((10, 6, 5, 4), (1, 3, 1, 2))
#: Rows of the table that is vacuumed beside pgbench, and the fewest transactions that a p99 is told of.
BIG, FEWEST = size((400_000, 100), (20_000, 2))


def _script(file: Path, config: Maintenance, statements: list[str], *, gentle: bool = True) -> Path:
    """The statements with the engine's cost settings, or with none."""
    delay = f"{config.optimise.vacuum_cost_delay_ms:g}ms" if gentle else "0"
    lines = [f"SET vacuum_cost_delay = '{delay}'", f"SET vacuum_cost_limit = {config.optimise.vacuum_cost_limit}"]
    file.write_text(";\n".join([*lines, *statements]) + ";\n")
    return file


# The engine beside psql ---------------------------------------------------------------------------------------


def run() -> Result:
    """Alternate the two on equally dirty tables; which comes first changes each round."""
    with open_platform() as (platform, folder):
        tables = [f"t_{number:02}" for number in range(ACTIONS)]
        with platform.admin() as admin:
            for table in tables:
                name = sql.Identifier(table)
                admin.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, v int, wide text)").format(name))
                fill = "INSERT INTO {} SELECT n, 0, repeat('x', 60) FROM generate_series(1, {}) n"
                admin.execute(sql.SQL(fill).format(name, ROWS))
        ours: list[float] = []
        theirs: list[float] = []
        medians: list[float] = []
        predicted: list[int] = []

        def engine() -> None:
            stored = platform.approved(tables)
            began = time.monotonic()
            receipts = platform.apply(stored)
            ours.append(time.monotonic() - began)
            medians.append(statistics.median(receipt.duration_ms or 0 for receipt in receipts))
            predicted.extend(action.predicted_ms for action in stored.plan.actions)

        def psql() -> None:
            statements = [action.statement for action in platform.approved(tables).plan.actions]
            script = _script(folder / "script.sql", platform.config, statements)
            began = time.monotonic()
            platform.psql(script)
            theirs.append(time.monotonic() - began)

        for number in range(ROUNDS + 1):
            for job in (engine, psql) if number % 2 else (psql, engine):
                _dirty(platform, tables)
                job()
    return _ratio(ours[1:], theirs[1:], medians[1:], predicted)


def _dirty(platform: Platform, tables: list[str]) -> None:
    with platform.admin() as admin:
        for table in tables:
            admin.execute(sql.SQL("UPDATE {} SET v = v + 1 WHERE id % 5 = 0").format(sql.Identifier(table)))
        admin.execute("CHECKPOINT")


def _ratio(ours: list[float], theirs: list[float], medians: list[float], predicted: list[int]) -> Result:
    ratio = statistics.median(ours) / statistics.median(theirs)
    per_action = (statistics.median(ours) - statistics.median(theirs)) / ACTIONS * 1000
    return Result(
        f"applying {ACTIONS} VACUUMs under permits and guards, by the same statements from psql",
        f"{ratio:.2f}",
        f"at most {GOAL}, where the median action takes at least 100 ms",
        ratio <= GOAL and statistics.median(medians) >= 100,
        (
            f"the engine: {spread(ours)}",
            f"psql: {spread(theirs)}",
            f"median action: {statistics.median(medians):.0f} ms, predicted {statistics.median(predicted):.0f} ms",
            f"fixed overhead {per_action:.1f} ms an action, connecting and locking included",
        ),
    )


# A workload beside it -----------------------------------------------------------------------------------------


def latency() -> Result:
    """pgbench at 30 % of its capacity: alone, beside a guarded apply, beside the same statements without delay."""
    with open_platform() as (platform, folder):
        _pgbench(platform, "-i", "-q", "-s", str(SCALE))
        with platform.admin() as admin:
            admin.execute("CREATE TABLE big (id int PRIMARY KEY, v int, wide text)")
            filled = "INSERT INTO big SELECT n, 0, repeat('x', 200) FROM generate_series(1, {}) n"
            admin.execute(sql.SQL(filled).format(sql.Literal(BIG)))
        capacity = float(_found(r"tps = ([\d.]+)", _pgbench(platform, "-c", str(CLIENTS), "-T", str(OF_CAPACITY))))
        rate = 0.3 * capacity

        def guarded() -> None:
            platform.apply(platform.approved(["big"]))

        def unguarded() -> None:
            statement = platform.approved(["big"]).plan.actions[0].statement
            platform.psql(_script(folder / "script.sql", platform.config, [statement], gentle=False))

        alone: list[float] = []
        beside: dict[str, list[float]] = {"guarded": [], "unguarded": []}
        for number in range(size(5, 1)):
            order = (("guarded", guarded), ("unguarded", unguarded))
            for name, job in [*order, *order[::-1]] if number % 2 else [*order[::-1], *order]:
                with platform.admin() as admin:
                    admin.execute("UPDATE big SET v = v + 1 WHERE id % 4 = 0")
                    admin.execute("CHECKPOINT")
                beside[name].append(_p99(platform, folder, rate, job))
            alone.append(_p99(platform, folder, rate, lambda: None))
    return _excess(alone, beside["guarded"], beside["unguarded"], rate)


def _pgbench(platform: Platform, *options: str, folder: str = "/") -> str:
    argv = [str(bin_dir() / "pgbench"), *options, platform.cluster.dsn(TARGET)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=folder).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match.group(1)


def _p99(platform: Platform, folder: Path, rate: float, job: Callable[[], None]) -> float:
    """Milliseconds that 99 % of the transactions stay under while the job runs; pgbench ends with it or later."""
    logs = Path(tempfile.mkdtemp(dir=folder))
    argv = [
        str(bin_dir() / "pgbench"),
        "-n",
        "-c",
        str(CLIENTS),
        "-R",
        str(max(1, round(rate))),
        "-T",
        str(SECONDS),
        "-l",
    ]
    bench = subprocess.Popen(
        [*argv, platform.cluster.dsn(TARGET)], cwd=logs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(1)
    began = time.time()
    job()
    ended = max(time.time(), began + 2)
    assert bench.wait(120) == 0
    took = []
    for file in logs.glob("pgbench_log.*"):
        for line in file.read_text().splitlines():
            fields = line.split()
            if began <= int(fields[4]) + int(fields[5]) / 1e6 <= ended:
                took.append(int(fields[2]) / 1000)
    assert len(took) > FEWEST, f"found {len(took)} transactions beside the job, expected more than {FEWEST}"
    return statistics.quantiles(took, n=100)[98]


def _excess(alone: list[float], guarded: list[float], unguarded: list[float], rate: float) -> Result:
    quiet = statistics.median(alone)
    ours = statistics.median(guarded) - quiet
    theirs = statistics.median(unguarded) - quiet
    noise = max(statistics.quantiles(values)[2] - statistics.quantiles(values)[0] for values in (guarded, unguarded))
    sure = abs(theirs - ours) > noise
    return Result(
        f"pgbench at {rate:.0f} transactions a second: p99 excess beside a guarded apply, by the same unguarded",
        f"{ours:.1f} ms beside {theirs:.1f} ms"
        if sure
        else f"no claim: the spread ({noise:.1f} ms) exceeds the effect",
        "less than unguarded, or no claim",
        not sure or ours < theirs,
        tuple(
            f"p99 {name}: median {statistics.median(values):.1f} ms of {len(values)}"
            f" ({min(values):.1f} to {max(values):.1f})"
            for name, values in (("alone", alone), ("guarded", guarded), ("unguarded", unguarded))
        ),
    )
