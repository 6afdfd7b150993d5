"""``python -m upkeep``, and the command ``upkeep`` of a wheel."""

import os
import sys

# Before pydantic: it would read the metadata of every installed package for plugins of its own, and we have none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from upkeep.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
