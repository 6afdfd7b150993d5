"""``python -m upkeep …`` or ``python -m bench …`` in processes forked from one that has imported what it needs.

The imports take ten times as long as most commands.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from upkeep.settings.base import ROOT

#: How long one command may take, in seconds.
PATIENCE_SECONDS = {"upkeep": 120, "bench": 600}


class Forks:
    """A server of forks; each command has an environment, arguments and an exit code of its own."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self.server = server

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """What the program prints and returns with these arguments."""
        assert self.server.stdin and self.server.stdout
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("stdout", "stderr")]
            self.server.stdin.write(json.dumps([list(arguments), dict(environment), *files]) + "\n")
            self.server.stdin.flush()
            code = int(self.server.stdout.readline())
            return subprocess.CompletedProcess(list(arguments), code, *(Path(file).read_text() for file in files))


@contextmanager
def forks(home: Path, program: str = "upkeep", **more: str) -> Iterator[Forks]:
    """The server of a program, with Airflow's home there and more of an environment; it ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP"))}
    environ = {**kept, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT / "plugins"), **more}
    argv = [sys.executable, "-m", "tests.stages.forks", program]
    with subprocess.Popen(argv, env=environ, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        yield Forks(one)  # its end of input is what ends it


def _upkeep() -> Callable[[list[str]], int]:
    import airflow.providers.http.hooks.http  # noqa: PLC0415
    import airflow.providers.postgres.hooks.postgres  # noqa: F401, PLC0415
    from airflow.secrets.metastore import MetastoreBackend  # noqa: F401, PLC0415
    from sqlalchemy.orm import configure_mappers  # noqa: PLC0415

    from upkeep.cli.main import main  # noqa: PLC0415
    from upkeep.settings.load import settings  # noqa: PLC0415

    # pydantic and SQLAlchemy build their models when they are first used; Airflow's take a second.
    settings(ROOT / "config")
    configure_mappers()
    return main


def _bench() -> Callable[[list[str]], int]:
    from bench.__main__ import main  # noqa: PLC0415

    return main


def _serve(program: str) -> None:
    main = {"upkeep": _upkeep, "bench": _bench}[program]()
    gc.freeze()  # a collection in a child would copy the memory that it shares with this process
    for line in sys.stdin:
        arguments, environment, *files = json.loads(line)
        child = os.fork()
        if not child:
            signal.alarm(PATIENCE_SECONDS[program])
            signal.signal(signal.SIGALRM, _late)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the next command is for the server
            for stream, file in zip((1, 2), files, strict=True):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
            os.environ.clear()
            os.environ.update(environment)
            code = 1
            try:
                code = _carried_out(main, arguments)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)  # taking all that is imported down again takes a second
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _late(*_: object) -> None:
    raise TimeoutError("the command was not over in time")  # so that what it has started is ended


def _carried_out(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """The exit code that a process of its own would have ended with."""
    try:
        return main(arguments)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    _serve(sys.argv[1])
