"""What supervisord runs for a sandbox, and its configuration.

It starts the processes, restarts one that dies, and stops them all; nothing here kills by name.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox import distributed
from sandbox.stack import PYTHON, Sandbox

#: Program → argv; started in this order, after PostgreSQL.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "functions": (PYTHON, "-m", "sandbox.twin"),
    "workload": (PYTHON, "-m", "sandbox.workload"),
    "slack": (PYTHON, "-m", "sandbox.slack"),
    "sms": (PYTHON, "-m", "sandbox.slack", "sms"),
    "mail": (PYTHON, "-m", "sandbox.mail"),
    "registry": (PYTHON, "-m", "sandbox.registry"),
    "api-server": (PYTHON, "-m", "airflow", "api-server"),
    "dag-processor": (PYTHON, "-m", "airflow", "dag-processor"),
    "scheduler": (PYTHON, "-m", "airflow", "scheduler", "--skip-serve-logs"),
    "triggerer": (PYTHON, "-m", "airflow", "triggerer", "--skip-serve-logs"),
}


def programs_of(sandbox: Sandbox) -> Mapping[str, tuple[str, ...]]:
    """Program → argv of one sandbox, in the order of their start."""
    if not sandbox.is_distributed:
        return PROGRAMS
    rest = {name: argv for name, argv in PROGRAMS.items() if name != "scheduler"}
    return {"redis": distributed.redis(sandbox), **rest, **distributed.programs(PYTHON)}


def supervisor_config(sandbox: Sandbox) -> str:
    """The supervisord.conf of a sandbox."""
    folder = sandbox.folder
    sections: dict[str, dict[str, Any]] = {
        "supervisord": {
            "pidfile": folder / "supervisord.pid",
            "logfile": folder / "logs" / "supervisord.log",
            "childlogdir": folder / "logs",
            "directory": sandbox.processes,
            # supervisord warns when root runs it and nobody said so.
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
        "inet_http_server": {
            "port": f"127.0.0.1:{sandbox.ports['supervisor']}",
            "username": "sandbox",
            "password": sandbox.passwords["supervisor"],
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "program:postgres": {
            **_program(folder, "postgres", sandbox.cluster.command()),
            "directory": "/",
            "stopsignal": "INT",
            "priority": 1,
        },
    }
    for name, argv in programs_of(sandbox).items():
        sections[f"program:{name}"] = _program(folder, name, argv) | {"stopasgroup": "true", "killasgroup": "true"}
        if name in distributed.WORKERS:
            sections[f"program:{name}"]["environment"] = f'{distributed.WORKER}="{name}"'
    return "\n".join(
        "\n".join([f"[{section}]", *(f"{key}={_escaped(value)}" for key, value in values.items()), ""])
        for section, values in sections.items()
    )


def _program(folder: Path, name: str, argv: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {
        "command": shlex.join(argv),
        "autostart": "false",
        "autorestart": "true",
        "startretries": "20",
        "stopwaitsecs": "20",
        "redirect_stderr": "true",
        "stdout_logfile": folder / "logs" / f"{name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "2",
    }


def _escaped(value: object) -> str:
    """supervisord expands %(name)s and takes " ;" for a comment."""
    return str(value).replace("%", "%%")
