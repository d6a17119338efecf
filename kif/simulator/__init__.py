"""The counterparties: card vendor, personalisation machine, issuer.

Written from the standards and sharing nothing with the rest but the byte formats, so that an error
in one is not answered by the same error in the other. Keys here are TEST keys, in software.
"""
