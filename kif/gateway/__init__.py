"""The issuer gateway: an encrypted, signed file comes in; a checked batch, or nothing, goes on."""
