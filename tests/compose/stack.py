"""docker-compose.yaml brought up by podman-compose, and looked at from outside, as its users do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from sandbox.ports import free_port
from sandbox.processes import Rest
from tests.compose import images
from tests.compose.images import run
from upkeep.settings.base import ROOT

PROJECT = "upkeep-trial"
PATIENCE_SECONDS = 600.0
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
[engine]
runtime = "runc"
"""
SERVERS = ("postgres", "redis", "platform")
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
REST = ("functions", "workload", *AIRFLOW)


class Stack:
    """A copy of the repository's files in a folder of its own, its secrets drawn, its containers this project's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="upkeep-compose-"))
        self.folder.chmod(0o755)  # what is mounted is read by the containers' users
        for name in run("git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard").splitlines():
            if not name.startswith("tests/"):
                copy = self.folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy)
        conf = self.folder / "containers.conf"
        conf.write_text(CONTAINERS_CONF)
        os.environ["CONTAINERS_CONF"] = str(conf)
        run(sys.executable, str(self.folder / "compose" / "make_env.py"), "--sandbox")
        self.ports = {name: free_port() for name in ("UPKEEP_PORT", "TRIAL_POSTGRES_PORT", "TRIAL_PLATFORM_PORT")}
        self.url = f"http://127.0.0.1:{self.ports['UPKEEP_PORT']}"
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in {**self.ports, "UPKEEP_URL": self.url}.items())
        self.users: dict[str, Rest] = {}

    def secret(self, name: str) -> str:
        """A variable of .env."""
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]

    # Containers -----------------------------------------------------------------------------------------------

    def compose(self, *words: str, env_file: str = ".env") -> str:
        """podman-compose in this folder."""
        files = ["-f", "docker-compose.yaml", "-f", str(Path(__file__).parent / "override.yaml")]
        command = [sys.executable, "-m", "podman_compose", "--in-pod=false", "-p", PROJECT, "--env-file", env_file]
        return run(*command, *files, *words, cwd=self.folder)

    def up(self) -> None:
        """As ``docker compose up --wait``: podman's compose leaves it to us to wait for what must be healthy first."""
        self.start(*SERVERS)
        self.compose("up", "-d", "--no-deps", "prepare")
        prepared = f"{PROJECT}_prepare_1"
        if run("podman", "wait", prepared).strip() != "0":
            raise SystemExit(f"prepare failed:\n{self.log(prepared)}")
        self.compose("up", "-d", "--no-deps", *REST)
        self.wait(lambda: all(map(self.is_healthy, self.containers(*AIRFLOW))), "Airflow to be healthy")
        self.users.clear()

    def start(self, *servers: str) -> None:
        """Some services of those that wait for no other, until they are healthy."""
        self.compose("up", "-d", *servers)
        for name in servers:
            self.wait(lambda name=name: self.is_healthy(f"{PROJECT}_{name}_1"), f"{name} to be healthy")

    def down(self, *words: str) -> None:
        """As ``docker compose down``."""
        self.compose("down", *words)

    def is_healthy(self, container: str) -> bool:
        """Run a container's own healthcheck; podman has nothing but systemd to run it by the clock."""
        done = subprocess.run(["podman", "healthcheck", "run", container], capture_output=True, check=False)
        return done.returncode == 0

    def containers(self, *services: str) -> list[str]:
        """The running containers of services, by name; without one, of all."""
        names = run("podman", "ps", "--format", "{{.Names}}").split()
        wanted = [f"{PROJECT}_{one}_" for one in services] or [f"{PROJECT}_"]
        return sorted(name for name in names if name.startswith(tuple(wanted)))

    def inside(self, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in a container, whatever it returns."""
        words = ["podman", "exec", container, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def address(self, container: str) -> str:
        """A container's address in the project's network."""
        return run(
            "podman", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
        ).strip()

    def log(self, container: str, lines: int = 30) -> str:
        """The end of a container's log."""
        done = subprocess.run(["podman", "logs", container], capture_output=True, text=True, check=False)
        return "\n".join((done.stdout + done.stderr).splitlines()[-lines:])

    def schedulers_said(self) -> str:
        """What is in the schedulers' logs."""
        return "".join(self.log(name, sys.maxsize) for name in self.containers("scheduler"))

    def wait(self, ready: Callable[[], Any], what: str = "what was to come") -> Any:
        """What ``ready`` returns as soon as it is something; ends the process after PATIENCE_SECONDS."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := ready()):
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {PATIENCE_SECONDS:.0f} s for {what}, in vain")
            time.sleep(1)
        return found

    # What it serves ---------------------------------------------------------------------------------------------

    def api(self, user: str) -> Rest:
        """REST as a user; who is none of the first users is the administrator."""
        user = user if user in ("dora", "omar", "sana", "lena") else "admin"
        if user not in self.users:
            self.users[user] = Rest(self.url, user, self.secret("ADMIN_PASSWORD"))
        return self.users[user]

    def ledger(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the ledger."""
        login = {"user": "upkeep_ledger_dashboard", "password": self.secret("LEDGER_DASHBOARD_PASSWORD")}
        with psycopg.connect(
            host="127.0.0.1", port=self.ports["TRIAL_POSTGRES_PORT"], dbname="upkeep", **login
        ) as opened:
            return opened.execute(statement.encode(), values).fetchall()

    def server(
        self, database: str, user: str = "postgres", secret: str = "POSTGRES_PASSWORD"
    ) -> psycopg.Connection[Any]:
        """A session of the server with the ledger and Airflow's metadata, by default as a superuser."""
        port, password = self.ports["TRIAL_POSTGRES_PORT"], self.secret(secret)
        return psycopg.connect(host="127.0.0.1", port=port, dbname=database, user=user, password=password)

    def platform(self) -> psycopg.Connection[Any]:
        """The maintained database, as a superuser."""
        port, password = self.ports["TRIAL_PLATFORM_PORT"], self.secret("SANDBOX_PASSWORD")
        return psycopg.connect(
            host="127.0.0.1", port=port, dbname="platform", user="postgres", password=password, autocommit=True
        )

    def configure(self, **sections: dict[str, Any]) -> None:
        """Lay fields over sections of the written maintenance.yaml."""
        folder = "/opt/airflow/sandbox-config"  # Airflow's processes may only read it
        file = f"{folder}/maintenance.yaml"
        change = (
            "import pathlib, yaml\n"
            f"file = pathlib.Path({file!r}); content = yaml.safe_load(file.read_text())\n"
            f"for name, fields in {sections!r}.items(): content[name] |= fields\n"
            "new = file.with_suffix('.new'); new.write_text(yaml.safe_dump(content, sort_keys=False))\n"
            "new.replace(file)"
        )
        volume = f"{PROJECT}_sandbox-config:{folder}"
        run("podman", "run", "--rm", "-v", volume, "--entrypoint", "python", "localhost/upkeep:local", "-c", change)

    def build(self) -> list[str]:
        """The images; names of the stand-ins that were made."""
        return images.build(self.folder)

    def remove(self) -> None:
        """Containers, volumes, folder; the images stay."""
        self.down("-v")
        shutil.rmtree(self.folder)
