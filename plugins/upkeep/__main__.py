"""``python -m upkeep``."""

import sys

from upkeep.cli import main

sys.exit(main())
