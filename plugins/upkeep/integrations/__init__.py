"""Third parties and Connections, reached without changing anything (G29): what there is, and what was seen of it.

Nothing that is said here holds a secret: an address is shown as scheme, host and port alone, no header of ours carries
a key, and what a server or driver says has the Connection's values taken out first.
"""

from __future__ import annotations

from upkeep.integrations.functions import functions
from upkeep.integrations.headers import Notice, notices
from upkeep.integrations.listing import Named, connections, endpoints, of_fields
from upkeep.integrations.model import Address, Integration, Kind, Seen, address, hide
from upkeep.integrations.parallel import Ending, side_by_side
from upkeep.integrations.probes import Patience, look_at_all
from upkeep.integrations.use import last_use
from upkeep.integrations.wire import Line, Trouble, ask

__all__ = [
    "Address",
    "Ending",
    "Integration",
    "Kind",
    "Line",
    "Named",
    "Notice",
    "Patience",
    "Seen",
    "Trouble",
    "address",
    "ask",
    "connections",
    "endpoints",
    "functions",
    "hide",
    "last_use",
    "look_at_all",
    "notices",
    "of_fields",
    "side_by_side",
]
