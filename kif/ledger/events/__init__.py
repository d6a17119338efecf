"""Every kind of event, by what it is about: ceremony, key, custody, site, batch, card.

A field is public, unless its type says ``COMMITTED``. ``by`` names the operators who opened the
token for what was done. No kind has a field for a key, a component, a PIN or a PAN.
"""

from kif.ledger.events import batch, card, ceremony, custody, key, site

__all__ = ["batch", "card", "ceremony", "custody", "key", "site"]
