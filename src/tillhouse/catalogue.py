"""Every module of the house, in the order it is shown and started. A sixth product is one line here."""

from tillhouse.kernel.manifest import Module

CATALOGUE: tuple[Module, ...] = ()
