"""The sandbox's npm registry: `python -m sandbox.registry`, on loopback only.

It knows two packages and their published advisories, and answers on UPKEEP_REGISTRY_PORT what `npm audit` and
`npm outdated` ask: GET of a package's document and POST of the bulk of (package, versions). Tarballs it has none.
Sources: npm's documentation of the registry API, "package metadata"; the GitHub Advisory Database for the advisories.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from urllib.parse import unquote

PORT = "UPKEEP_REGISTRY_PORT"
HOST = "127.0.0.1"
MOST_BYTES = 5_000_000
BULK = "/-/npm/v1/security/advisories/bulk"

#: Package → versions, the newest last.
PACKAGES: dict[str, tuple[str, ...]] = {
    "lodash": ("4.17.15", "4.17.21"),
    "minimist": ("0.0.8", "1.2.8"),
}

#: Package → (id, severity, title, vulnerable range).
ADVISORIES: dict[str, tuple[tuple[int, str, str, str], ...]] = {
    "lodash": (
        (1106913, "high", "Command Injection in lodash", "<4.17.21"),
        (1106900, "moderate", "Regular Expression Denial of Service (ReDoS) in lodash", ">=4.0.0 <4.17.21"),
    ),
    "minimist": ((1097678, "critical", "Prototype Pollution in minimist", "<0.2.4"),),
}


class Registry(ThreadingHTTPServer):
    """The server; what it knows can be another thing in a test."""

    daemon_threads = True

    def __init__(
        self,
        port: int,
        packages: dict[str, tuple[str, ...]] | None = None,
        advisories: dict[str, tuple[tuple[int, str, str, str], ...]] | None = None,
    ) -> None:
        super().__init__((HOST, port), Answer)
        self.packages = PACKAGES if packages is None else packages
        self.advisories = ADVISORIES if advisories is None else advisories
        self.asked: list[str] = []
        self.audits = True

    @property
    def url(self) -> str:
        """What npm's ``--registry`` takes."""
        return f"http://{HOST}:{self.server_port}/"

    def document(self, name: str) -> dict[str, Any] | None:
        """A package's document, None for one that it does not know."""
        if name not in self.packages:
            return None
        versions = self.packages[name]
        tarball = f"{self.url}{name}/-/{name}"
        return {
            "name": name,
            "dist-tags": {"latest": versions[-1]},
            "versions": {
                version: {"name": name, "version": version, "dist": {"tarball": f"{tarball}-{version}.tgz"}}
                for version in versions
            },
        }

    def bulk(self, asked: dict[str, list[str]]) -> dict[str, list[dict[str, Any]]]:
        """The advisories of the packages asked about; npm itself holds their ranges against the versions."""
        return {
            name: [
                {
                    "id": number,
                    "url": f"https://github.com/advisories?query={name}",
                    "title": title,
                    "severity": severity,
                    "vulnerable_versions": versions,
                    "cwe": [],
                    "cvss": {"score": 0, "vectorString": None},
                }
                for number, severity, title, versions in self.advisories[name]
            ]
            for name in asked
            if name in self.advisories
        }


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Registry
    timeout = 10

    def do_GET(self) -> None:
        self.server.asked.append(f"GET {self.path}")
        document = self.server.document(unquote(self.path.partition("?")[0].strip("/")))
        self._say(*((404, {"error": "Not found"}) if document is None else (200, document)))

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True  # what it says besides is not read
            self._say(400, {"error": "Bad request"})
            return
        body = self.rfile.read(int(length))
        if self.path != BULK or not self.server.audits:
            self._say(405, {"error": "Method not allowed"})
            return
        try:
            asked = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self._say(200, self.server.bulk(asked))
        except (OSError, ValueError, TypeError, EOFError):
            self._say(400, {"error": "Bad request"})

    def _say(self, status: int, body: dict[str, Any]) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


def main() -> None:
    """Listen until SIGTERM or SIGINT."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with Registry(int(os.environ[PORT])) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
