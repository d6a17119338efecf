"""Compliance: what the ledger says, told to people; pure functions of the ledger."""
