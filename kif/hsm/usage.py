"""The usage table: what each kind of key may do. No other code sets a key's attributes.

Never on one object: WRAP with DECRYPT; UNWRAP with ENCRYPT, except the ceremony's combiner, which
cannot decrypt; DERIVE with anything else. Everything is SENSITIVE. A key that is EXTRACTABLE is so
because it must be wrapped out: masters for backup (only under a TRUSTED key), card keys to a card.
Only masters that leave like that may ENCRYPT: keys about PINs, and about card verification values.
"""

from dataclasses import dataclass
from enum import StrEnum

from pkcs11 import Attribute

_RIGHTS = (
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)
_PRIVATE_RIGHTS = (Attribute.DECRYPT, Attribute.SIGN, Attribute.UNWRAP, Attribute.DERIVE)


class Usage(StrEnum):
    """What a key is for."""

    __hash__ = str.__hash__  # an enumeration's own is slower, and every derivation looks one up

    MASTER_DERIVATION = "master-derivation"
    CARD_VERIFICATION = "card-verification"
    PIN_VERIFICATION = "pin-verification"
    PIN_ZONE = "pin-zone"
    PIN_STORAGE = "pin-storage"
    CARD_DERIVATION = "card-derivation"
    CARD_DELIVERY = "card-delivery"
    CARD_TRANSPORT = "card-transport"
    CHANNEL_ENCRYPTION = "channel-encryption"
    CHANNEL_MAC = "channel-mac"
    PUBLIC_BLOCK = "public-block"
    PIN_GENERATION = "pin-generation"
    PIN_ENCRYPTION = "pin-encryption"
    PIN_DECRYPTION = "pin-decryption"
    SCRIPT_ENCRYPTION = "script-encryption"
    KEY_BLOCK_PAYLOAD = "key-block-payload"
    KEY_BLOCK_WRAP = "key-block-wrap"
    KEY_BLOCK_UNWRAP = "key-block-unwrap"
    KEY_BLOCK_MAC = "key-block-mac"
    KEY_BLOCK_ENCRYPTION = "key-block-encryption"
    KEY_BLOCK_AUTHENTICATION = "key-block-authentication"
    KEYED_DIGEST = "keyed-digest"
    RETENTION = "retention"
    BATCH_DATA = "batch-data"
    CONTENT = "content"
    COMPONENT_COMBINER = "component-combiner"
    COMPONENT_PIECE = "component-piece"
    OFFICER_COMBINER = "officer-combiner"
    QUORUM_SHARE = "quorum-share"
    SHARE_RECIPIENT = "share-recipient"
    CUSTODIAN_SHARE = "custodian-share"
    QUORUM_WRAP = "quorum-wrap"
    QUORUM_SEAL = "quorum-seal"
    QUORUM_SEED = "quorum-seed"
    BACKUP_KEK = "backup-kek"
    TRANSPORT_OUT = "transport-out"
    TRANSPORT_IN = "transport-in"
    ENVELOPE_RECIPIENT = "envelope-recipient"
    SITE_CA = "site-ca"
    ISSUER_SIGNER = "issuer-signer"
    LOG_SIGNER = "log-signer"


@dataclass(frozen=True)
class Rule:
    """One row: the rights a key has, whether it may be wrapped out, and whether only by trust."""

    rights: frozenset[Attribute]
    extractable: bool = False
    wrap_with_trusted: bool = False
    token: bool = False
    trusted: bool = False
    """Whether the security officer makes it, TRUSTED: he sees no PRIVATE object."""
    private: bool = False
    """Whether it is the private half of a key pair, which has fewer attributes."""

    def attributes(self) -> dict[Attribute, bool]:
        """Return every attribute that the table decides, for creation and for the read-back.

        MODIFIABLE comes last: SoftHSM takes a template in order, and refuses COPYABLE and
        WRAP_WITH_TRUSTED on an object that it has already made not MODIFIABLE.
        """
        return {
            Attribute.TOKEN: self.token,
            Attribute.PRIVATE: not self.trusted,
            **({Attribute.TRUSTED: True} if self.trusted else {}),
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: self.extractable,
            Attribute.WRAP_WITH_TRUSTED: self.wrap_with_trusted,
            Attribute.COPYABLE: False,
            **{right: right in self.rights for right in self._applicable()},
            Attribute.MODIFIABLE: False,
        }

    def _applicable(self) -> tuple[Attribute, ...]:
        return _PRIVATE_RIGHTS if self.private else _RIGHTS


def _rule(*rights: Attribute, **switches: bool) -> Rule:
    return Rule(frozenset(rights), **switches)


RULES: dict[Usage, Rule] = {
    Usage.MASTER_DERIVATION: _rule(
        Attribute.DERIVE, extractable=True, wrap_with_trusted=True, token=True
    ),
    # Two objects: the key, and its left half twice (kif.hsm.form).
    Usage.CARD_VERIFICATION: _rule(
        Attribute.ENCRYPT, extractable=True, wrap_with_trusted=True, token=True
    ),
    Usage.PIN_VERIFICATION: _rule(
        Attribute.ENCRYPT, extractable=True, wrap_with_trusted=True, token=True
    ),
    # PIN blocks leave under it: format 4 wrapped once, encrypted once more; format 0 encrypted.
    Usage.PIN_ZONE: _rule(
        Attribute.ENCRYPT,
        Attribute.WRAP,
        extractable=True,
        wrap_with_trusted=True,
        token=True,
    ),
    Usage.PIN_STORAGE: _rule(Attribute.WRAP, Attribute.UNWRAP),
    Usage.CARD_DERIVATION: _rule(Attribute.DERIVE),
    Usage.CARD_DELIVERY: _rule(extractable=True),
    Usage.CARD_TRANSPORT: _rule(Attribute.WRAP),
    Usage.CHANNEL_ENCRYPTION: _rule(Attribute.ENCRYPT, Attribute.DECRYPT),
    Usage.CHANNEL_MAC: _rule(Attribute.SIGN),
    # Encrypts blocks whose cryptogram is public: check values, CMAC's L, an application cryptogram.
    Usage.PUBLIC_BLOCK: _rule(Attribute.ENCRYPT),
    Usage.PIN_GENERATION: _rule(Attribute.ENCRYPT),
    Usage.PIN_ENCRYPTION: _rule(Attribute.ENCRYPT),
    Usage.PIN_DECRYPTION: _rule(Attribute.DECRYPT),
    Usage.SCRIPT_ENCRYPTION: _rule(Attribute.ENCRYPT),
    # A key on its way in or out of a block inside the token: pieces of it are derived, and wrapped.
    Usage.KEY_BLOCK_PAYLOAD: _rule(Attribute.DERIVE, extractable=True),
    Usage.KEY_BLOCK_WRAP: _rule(Attribute.WRAP),
    Usage.KEY_BLOCK_UNWRAP: _rule(Attribute.UNWRAP),
    # MACs by wrapping: its ciphertexts are MACs, and it can't decrypt.
    Usage.KEY_BLOCK_MAC: _rule(Attribute.ENCRYPT, Attribute.WRAP),
    Usage.KEY_BLOCK_ENCRYPTION: _rule(Attribute.ENCRYPT, Attribute.DECRYPT),
    Usage.KEY_BLOCK_AUTHENTICATION: _rule(Attribute.SIGN),
    Usage.KEYED_DIGEST: _rule(Attribute.SIGN),
    # Not for backup: what it keeps is erased when it is destroyed.
    Usage.RETENTION: _rule(Attribute.DERIVE, token=True),
    Usage.BATCH_DATA: _rule(Attribute.ENCRYPT, Attribute.DECRYPT),
    Usage.CONTENT: _rule(Attribute.DECRYPT),
    Usage.COMPONENT_COMBINER: _rule(Attribute.ENCRYPT, Attribute.WRAP, Attribute.UNWRAP),
    Usage.COMPONENT_PIECE: _rule(extractable=True),
    # As the combiner, and the only key that a master may be wrapped under.
    Usage.OFFICER_COMBINER: _rule(
        Attribute.ENCRYPT, Attribute.WRAP, Attribute.UNWRAP, trusted=True
    ),
    Usage.QUORUM_SHARE: _rule(Attribute.DERIVE),
    # What a custodian's token wraps a share to: of the session, so of one handing over.
    Usage.SHARE_RECIPIENT: _rule(Attribute.UNWRAP, private=True),
    # In the custodian's own token, whose every right is the custodian's: it can do nothing but be
    # handed over.
    Usage.CUSTODIAN_SHARE: _rule(extractable=True, token=True),
    Usage.QUORUM_WRAP: _rule(Attribute.WRAP, Attribute.UNWRAP),
    Usage.QUORUM_SEAL: _rule(Attribute.ENCRYPT, Attribute.DECRYPT),
    # The quorum's key before it is one: it can be wrapped for the subsets, and do nothing else.
    Usage.QUORUM_SEED: _rule(extractable=True),
    Usage.BACKUP_KEK: _rule(Attribute.WRAP, Attribute.UNWRAP),
    Usage.TRANSPORT_OUT: _rule(Attribute.WRAP),
    Usage.TRANSPORT_IN: _rule(Attribute.UNWRAP),
    Usage.ENVELOPE_RECIPIENT: _rule(Attribute.UNWRAP, token=True, private=True),
    Usage.SITE_CA: _rule(Attribute.SIGN, token=True, private=True),
    # Not for backup: a pair that is lost is made anew, and certified by the scheme.
    Usage.ISSUER_SIGNER: _rule(Attribute.SIGN, token=True, private=True),
    Usage.LOG_SIGNER: _rule(Attribute.SIGN, token=True, private=True),
}
