"""Numbers, times and hostile text in words that people can read."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


def visible(text: str) -> str:
    """Text in which control, bidirectional and zero-width characters are spelled out, such as ``⟨U+202E⟩``."""
    if text.isascii() and text.isprintable():  # most texts
        return text
    return text.replace("\r\n", "\n").translate(_VISIBLE)


class _Visible(dict[int, int | str]):
    """A translation table for ``visible`` that works out a character when it first comes."""

    hidden = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    # Blank to the eye though Unicode calls them letters, marks or symbols.
    blank = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0} | {*range(0xE0100, 0xE01F0)}

    def __missing__(self, code: int) -> int | str:
        seen = chr(code) in "\n\t" or unicodedata.category(chr(code)) not in self.hidden
        self[code] = code if seen and code not in self.blank else f"⟨U+{code:04X}⟩"
        return self[code]


_VISIBLE = _Visible()


def brief(text: str, length: int) -> str:
    """One line of at most ``length`` characters, free of invisible ones."""
    seen = visible(" ".join(text[: 4 * length].split()))
    return f"{seen[: length - 1].rstrip()}…" if len(seen) > length else seen


def count(n: int, noun: str) -> str:
    """``1 finding``, ``10,000 findings``, ``2 indexes``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}{'es' if noun.endswith('x') else 's'}"


def title(name: str) -> str:
    """A name of config or of a sample as a person reads it: "cpu_usage" is "CPU usage"."""
    return name.replace("_", " ").capitalize().replace("Cpu", "CPU")


def listed(items: Sequence[str], most: int, joint: str = ", ", *, rest: str = " and") -> str:
    """The first few, and how many more there are: ``a, b and 3 more``."""
    more = f"{rest} {len(items) - most} more" if len(items) > most else ""
    return joint.join(items[:most]) + more


def number(value: float) -> str:
    """A measured number for people: ``1,234.5``, ``0.03``, ``1e+300``."""
    if 1 <= abs(value) < 1e12:
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def size(octets: float) -> str:
    """An amount of bytes as PostgreSQL says it, in units of 1,024: ``0 bytes``, ``8 kB``, ``1.5 GB``."""
    left, unit = _scaled(octets, "bytes")
    return f"{left:,.0f} {unit}" if left >= 10 or unit == "bytes" else f"{left:.1f} {unit}"


def roughly(octets: float) -> str:
    """An amount of bytes in whole units: ``0 B``, ``8 kB``, ``2 GB``; of the largest in tenths, ``1.5 TB``."""
    left, unit = _scaled(octets, "B")
    return f"{left:.1f} {unit}" if unit == "TB" else f"{left:.0f} {unit}"


def _scaled(octets: float, smallest: str) -> tuple[float, str]:
    """How many of which unit, the largest that fits once."""
    left, units = float(octets), [smallest, "kB", "MB", "GB", "TB"]
    while abs(left) >= 1024 and len(units) > 1:
        left, units = left / 1024, units[1:]
    return left, units[0]


def utc(moment: datetime) -> str:
    """``2026-07-05 02:00 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """A length of time in the largest unit that fits twice: ``3 days``, ``47 hours``, ``1.4 s``, ``40 ms``."""
    seconds = max(length.total_seconds(), 0)
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def amount(value: float, unit: str) -> str:
    """A measured value with its unit; bytes in the unit that suits them."""
    if unit != "bytes":
        return f"{value:,.4g} {unit}" if abs(value) < 10_000 else f"{value:,.0f} {unit}"
    left, unit = _scaled(value, "B")
    return f"{left:.4g} {unit}"
