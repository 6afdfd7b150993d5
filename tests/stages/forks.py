"""``python -m upkeep …`` in processes forked from one that has imported Airflow: the imports take ten times as long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from upkeep.settings.base import ROOT

#: How long one command may take, in seconds.
PATIENCE_SECONDS = 120


class Forks:
    """A server of forks; each command has an environment, arguments and an exit code of its own."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self.server = server

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """What ``python -m upkeep`` prints and returns with these arguments."""
        assert self.server.stdin and self.server.stdout
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("stdout", "stderr")]
            self.server.stdin.write(json.dumps([list(arguments), dict(environment), *files]) + "\n")
            self.server.stdin.flush()
            code = int(self.server.stdout.readline())
            return subprocess.CompletedProcess(list(arguments), code, *(Path(file).read_text() for file in files))


@contextmanager
def forks(home: Path) -> Iterator[Forks]:
    """The server, with Airflow's home there; it ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "UPKEEP"))}
    environ = {**kept, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT / "plugins")}
    argv = [sys.executable, "-m", "tests.stages.forks"]
    with subprocess.Popen(argv, env=environ, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        yield Forks(one)  # its end of input is what ends it


def _serve() -> None:
    import airflow.providers.http.hooks.http  # noqa: PLC0415
    import airflow.providers.postgres.hooks.postgres  # noqa: F401, PLC0415

    import upkeep.cli.check.command  # noqa: PLC0415
    import upkeep.cli.main  # noqa: F401, PLC0415

    for line in sys.stdin:
        arguments, environment, *files = json.loads(line)
        child = os.fork()
        if not child:
            _command(arguments, environment, files)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _command(arguments: list[str], environment: dict[str, str], files: list[str]) -> None:
    signal.alarm(PATIENCE_SECONDS)
    for stream, file in zip((1, 2), files, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(environment)
    from upkeep.cli.main import main  # noqa: PLC0415

    sys.exit(main(arguments))


if __name__ == "__main__":
    _serve()
