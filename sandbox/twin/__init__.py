"""The functions twin: answers as the platform's monitoring functions would, computed from the sandbox's target.

``python -m sandbox.twin`` serves it, ``python -m sandbox.twin.openapi`` prints its contract. Airflow puts
``plugins/`` on the path; outside Airflow this package does so itself, for it speaks ``upkeep``'s contract.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("upkeep") is None:
    sys.path.append(str(Path(__file__).resolve().parents[2] / "plugins"))
