"""Pure byte formats of the trade: bytes in, bytes out; no input or output, no keys.

Imports nothing else of kif, so that every room, the simulated card included, can share it.
"""
