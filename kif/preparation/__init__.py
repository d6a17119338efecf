"""Data preparation: an issuer's record becomes the personalisation script of one card."""
