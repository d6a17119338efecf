"""The door to the keys: one interface, authorisation, dual control, and nothing unlogged.

Stages import ``kif.oracle.interface`` alone; ``kif.oracle.local`` is the oracle in process.
"""
