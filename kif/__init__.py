"""kif: HSM-centric key management and injection for smart-card personalisation bureaus.

Rooms, from the ground up: ``formats`` (bytes), ``hsm``, ``ledger``, ``store``; ``oracle`` (the door
to the keys); ``ceremony``; the stages ``gateway``, ``preparation``, ``chip``, ``graphics``,
``quality``, ``fulfilment``; the faces ``console`` and ``cli``; and ``simulator``, the card vendor.
"""
