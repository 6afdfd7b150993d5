"""The key that the tests sign a ledger's rows with, and a configuration that pins it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upkeep.settings import ROOT, Maintenance, Signing, SigningKey
from upkeep.signatures.keys import Signer, public_of

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"the key of the tests of Upkeep 1")
SECRET = base64.b64encode(PRIVATE.private_bytes_raw()).decode()
CONNECTION = json.dumps({"conn_type": "generic", "password": SECRET})
SIGNER = Signer("tests", PRIVATE)
SIGNING = Signing(keys={"tests": SigningKey(public=public_of(PRIVATE))})


def pinned(config: Maintenance, signing: Signing = SIGNING) -> Maintenance:
    """The config with the tests' key pinned."""
    return config.model_copy(update={"ledger": config.ledger.model_copy(update={"signing": signing})})


def config_folder(folder: Path) -> Path:
    """The shipped configuration with the tests' key pinned, in a folder's `config`."""
    copied = Path(shutil.copytree(ROOT / "config", folder / "config"))
    file = copied / "maintenance.yaml"
    keys = f'keys: {{tests: {{public: "{public_of(PRIVATE)}"}}}}'
    text = file.read_text()
    assert text.count("keys: {}") == 1
    file.write_text(text.replace("keys: {}", keys))
    return copied
