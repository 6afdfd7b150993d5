"""The server of forks for what tests run in processes of their own: it has imported what these need.

multiprocessing has one in each process, which imports one list of modules when it is first used.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

import pytest

from upkeep.settings.base import ROOT

_STAGES = ("alerting", "contained_runs", "deleting", "process", "rereading")


def forking() -> ForkServerContext:
    """Makes the processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", *(f"tests.stages.{name}" for name in _STAGES)])
    with pytest.MonkeyPatch.context() as given:  # it imports before it is told more
        given.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'plugins'}")
        forkserver.ensure_running()
    return context
