"""Bring ledger and aliases of a namespace after its traffic; only this process writes them."""
