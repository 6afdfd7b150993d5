"""The section ``cost`` of ``config/maintenance.yaml``: what a month costs by unit (G30)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upkeep.settings.base import FrozenModel

Price = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class MeteredPrice(FrozenModel):
    """The price of one unit a month beyond the units that the plan includes."""

    price: Price
    included: float = Field(default=0, ge=0, allow_inf_nan=False, strict=True)

    def cost(self, units: float) -> float:
        """What so many units a month cost."""
        return self.price * max(0.0, units - self.included)


class Egress(MeteredPrice):
    """Nothing here measures egress: ``used_gb`` is what the last bill says, without it the month is not whole."""

    used_gb: float | None = Field(default=None, ge=0, allow_inf_nan=False, strict=True)


class FixedCost(FrozenModel):
    """What a month costs whatever is used."""

    name: str = Field(min_length=1, max_length=100)
    price: Price


class Cost(FrozenModel):
    """A small model of the platform's prices, all per month in one currency; a GB has 1,000,000,000 bytes.

    ``budget`` of None judges no total. ``function_month`` is what a deployed function costs that nobody calls.
    """

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    budget: Price | None = None
    database_gb_month: MeteredPrice | None = None
    function_invocations_million: MeteredPrice | None = None
    egress_gb: Egress | None = None
    compute_month: tuple[FixedCost, ...] = ()
    function_month: Price = 0.0
