"""The tamper-evident log: canonical entries, a Merkle tree over them, signed checkpoints.

Invariants of this room:

- an entry is a leaf exactly as it was hashed, canonical JSON, and is never changed;
- a checkpoint is signed over every group of entries before anything they allow may happen;
- verification needs the stored bytes and the log's verifier key, nothing else.
"""
