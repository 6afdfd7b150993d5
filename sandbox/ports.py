"""Ports of this machine's loopback, shared by every sandbox on it: none is given away twice.

A port is claimed by a file of its number in one folder of the machine, whose content is the sandbox's folder. The claim
is locked while a sandbox is drawn up, and holds as long as that sandbox's ``sandbox.json`` names the port; a folder
that was removed claims nothing. Another program may still take a port: `processes` looks who listens before it speaks.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

#: The port each part would like; a taken one is passed over for the next free one. All lie below 32768: from there on
#: Linux gives ports to outgoing connections, and one of those can take a port after it was found free.
PORTS = {
    "airflow": 8080,
    "functions": 28321,
    "postgres": 28329,
    "supervisor": 28328,
    "slack": 28327,
    "registry": 28326,
    "mail": 28325,
    "sms": 28324,
    "redis": 28323,
}
#: Where `free_port` draws from: below 32768 too, and away from PORTS.
DRAWN = range(12000, 28000)
SLICES = 16

#: Environment: which of DRAWN's slices `free_port` draws from, 0 to 15, so that programs which run beside each other
#: and have one each never draw the same port; without it, from all of DRAWN.
SLICE = "UPKEEP_SANDBOX_PORT_SLICE"

#: Environment: by how much a sandbox's ports are moved, out of the way of other programs.
SHIFT = "UPKEEP_SANDBOX_PORT_SHIFT"

#: What a sandbox is drawn up in; it names the ports that are its own.
STATE = "sandbox.json"

#: Environment: a folder for the claims in place of the machine's own, for sandboxes of which nothing is ever started.
CLAIMS = "UPKEEP_SANDBOX_CLAIMS"


@contextmanager
def reserved(folder: Path, kept: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """A port for each of PORTS that has none yet; nobody else gets them until the block has written them to STATE."""
    found: dict[str, int] = {}
    shift = int(os.environ.get(SHIFT) or 0)
    claims = Path(os.environ.get(CLAIMS) or Path(tempfile.gettempdir()) / "upkeep-sandbox-ports")
    _make_for_all(claims)
    with ExitStack() as locks:
        for name in [name for name in PORTS if name not in kept]:
            taken, wanted = {*kept.values(), *found.values()}, PORTS[name] + shift
            candidates = (port for port in range(wanted, wanted + 500) if port not in taken)
            port = next(port for port in candidates if _claim(port, folder, claims, locks) and is_free(port))
            if port != wanted:
                print(f"  port {wanted} is taken: {name} gets {port}")
            found[name] = port
        yield found


def free_port() -> int:
    """A port of the loopback, drawn at random, that nobody listens on now; it is claimed by nobody."""
    number = os.environ.get(SLICE)
    drawn = DRAWN[int(number) :: SLICES] if number else DRAWN
    return next(filter(is_free, secrets.SystemRandom().sample(drawn, len(drawn))))


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _make_for_all(claims: Path) -> None:
    """A folder in which every user may claim and none may take another's claim away."""
    with suppress(FileExistsError):
        claims.mkdir()
        claims.chmod(0o1777)


def _claim(port: int, folder: Path, claims: Path, locks: ExitStack) -> bool:
    """Whether the port is this folder's from now on; its lock is held until ``locks`` are left."""
    try:
        descriptor = os.open(claims / str(port), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        return False  # another user's
    claim = locks.enter_context(os.fdopen(descriptor, "r+", encoding="utf-8"))
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False  # somebody draws up a sandbox with it right now
    owner = claim.read()
    if owner and owner != str(folder) and _still_names(Path(owner), port):
        return False
    claim.seek(0)
    claim.truncate()
    claim.write(str(folder))
    claim.flush()
    return True


def _still_names(owner: Path, port: int) -> bool:
    """Whether the sandbox of that folder has this port; one that may not be read has it."""
    try:
        state = json.loads((owner / STATE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return port in state.get("ports", {}).values()
