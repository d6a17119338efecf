"""The PKCS#11 core: every key is a handle, every derivation happens inside the token.

Invariants of this room:

- it is the only package that imports ``pkcs11``;
- one process-wide lock stands round every PKCS#11 call (:mod:`kif.hsm.library`);
- a key's attributes come from the usage table alone and are read back (:mod:`kif.hsm.usage`);
- no function returns a key's value, and nothing here asks the token for one.
"""
