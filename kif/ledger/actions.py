"""The actions that a plan's steps are made of: what each takes, needs and leaves.

What an action needs has to be left by a step before it, or to be there from the beginning; nothing
is made twice. These are facts about the room, the token and the ledger, in the words that a person
is told::

    "form" needs "signatures over the plan" and leaves "the key emv-ac"

Which code acts on an action is :mod:`kif.ceremony.acts`; an action without code is an error there.
"""

from __future__ import annotations

from dataclasses import replace

from kif.formats.purpose import (
    BACKUP_KEK,
    EMV_ISSUER,
    ENVELOPE_RECIPIENT,
    GENESIS_KEYS,
    LOG_SIGNER,
    PURPOSES,
    RETENTION,
    SITE_CA,
    ZONE_MASTER,
    Owner,
)
from kif.ledger.action import (
    CERTIFICATES,
    FORMED,
    OFFICER,
    PARTNERS,
    PEOPLE,
    SEALED,
    SIGNATURES,
    SITE,
    TOKEN,
    Action,
)
from kif.ledger.events.ceremony import Role
from kif.ledger.field import Field, list_field, number_field, text_field

ALGORITHMS = ("2TDEA", "3TDEA", "AES-128", "AES-192", "AES-256")
_MADE = (*ALGORITHMS, *sorted(PURPOSES[EMV_ISSUER].algorithms))


def _purpose(owners: set[Owner], what: str) -> Field:
    known = [name for name, row in PURPOSES.items() if row.owners & owners]
    return Field(lambda value: value in known, f"{what}: one of {', '.join(known)}")


_SITE_KEY = Field(
    lambda value: value in GENESIS_KEYS, f"a key of the site: one of {', '.join(GENESIS_KEYS)}"
)
_KEY = _purpose({Owner.ISSUER, Owner.VENDOR}, "a key of an issuer or a vendor")
_CHANGED = Field(
    lambda value: value in ("suspended", "active", "deactivated"),
    "suspended, active or deactivated",
)
_ROLE = Field(lambda value: value in list(Role), f"one of {', '.join(Role)}")
_PIN = Field(lambda value: value in ("user-pin", "so-pin"), "user-pin or so-pin")
_ALGORITHM = Field(lambda value: value in ALGORITHMS, f"one of {', '.join(ALGORITHMS)}")
_NEW_KEY = {
    "key": _KEY,
    "algorithm": _ALGORITHM,
    "years": number_field(1, 30).optional(),
}
_GENERATED = _NEW_KEY | {
    "algorithm": Field(lambda value: value in _MADE, f"one of {', '.join(_MADE)}")
}
_ON_HOST = Field(
    lambda value: value == "tr31-on-host", "tr31-on-host: the key is clear on a plain token's host"
).optional()
_TWO_CUSTODIANS = {Role.CUSTODIAN: 2}
_TWO_OPERATORS = {Role.OPERATOR: 2}
_WITNESSED = _TWO_CUSTODIANS | _TWO_OPERATORS | {Role.WITNESS: 1}


def _making(who: str, does: str) -> Action:
    """Return an action that makes one key of an issuer or a vendor."""
    return Action(
        (who,),
        does,
        takes=_NEW_KEY,
        needs=(SIGNATURES, TOKEN),
        leaves=("the key {key}",),
        hands=_TWO_CUSTODIANS,
        makes=("{key}",),
        founding=False,
    )


ACTIONS: dict[str, Action] = {
    "open": Action(
        ("operators",),
        "The token is open: two operators gave their passphrases.",
        needs=(SITE,),
        leaves=(TOKEN, "the user-pin in the session"),
        hands=_TWO_OPERATORS,
        founding=False,
    ),
    "appoint": Action(
        ("everyone",),
        "Names, roles and public keys are noted.",
        leaves=(PEOPLE,),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        founding=True,
    ),
    "approve": Action(
        ("everyone",),
        "Each signature is verified under the key that the person was appointed with.",
        needs=(PEOPLE,),
        leaves=(SIGNATURES,),
        hands=_TWO_OPERATORS,
    ),
    "seal": Action(
        ("everyone",),
        "PINs are drawn at random and sealed to their holders.",
        takes={"threshold": number_field(2, 9)},
        needs=(SIGNATURES,),
        leaves=(SEALED,),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
    ),
    "make-token": Action(
        ("hsm",),
        "A token is initialised with the PINs that were drawn.",
        needs=(SEALED,),
        leaves=(TOKEN,),
    ),
    "restore": Action(
        ("custodians",),
        "The shares bring the quorum's key back; every master is unwrapped and compared.",
        needs=(SIGNATURES, TOKEN),
        leaves=("every master in the token",),
        hands=_TWO_CUSTODIANS,
        uses=BACKUP_KEK,
        founding=False,
    ),
    "generate": Action(
        ("hsm",),
        "Keys are generated inside the token.",
        takes={"keys": list_field(_SITE_KEY, 1, 10, "keys of the site")},
        needs=(SIGNATURES, TOKEN),
        leaves=("the key {keys}",),
        founding=True,
    ),
    "certify": Action(
        ("hsm",),
        "The site's CA signs its own certificate and the recipient's.",
        needs=("the key site-ca", "the key envelope-recipient"),
        leaves=(CERTIFICATES,),
        founding=True,
    ),
    "form": _making(
        "custodians",
        "The components are combined inside the token; the sum is never outside.",
    ),
    "draw-components": _making(
        "custodians",
        "The HSM draws the components and combines them inside; each is on one sheet alone.",
    ),
    "generate-key": replace(
        _making("hsm", "The key is generated inside the token; nobody has a component of it."),
        takes=_GENERATED,
    ),
    "take-certificate": Action(
        ("everyone",),
        "The certificate is verified by the scheme's key, which everyone compares, and of the key.",
        needs=(SIGNATURES, TOKEN),
        leaves=("a certificate of the key",),
        hands=_TWO_CUSTODIANS,
        named=EMV_ISSUER,
        founding=False,
    ),
    "import-block": replace(
        _making(
            "custodians",
            "The block is opened under the zone's master key, whose check value everyone has.",
        ),
        takes=_NEW_KEY | {"permits": _ON_HOST},
        uses=ZONE_MASTER,
    ),
    "export-block": Action(
        ("custodians",),
        "The key that was named leaves in a block under the zone's master key.",
        takes={"permits": _ON_HOST},
        needs=(SIGNATURES, OFFICER),
        leaves=("a block of the key",),
        hands=_TWO_CUSTODIANS,
        uses=ZONE_MASTER,
        named=FORMED,
        founding=False,
    ),
    "export-wrapped": Action(
        ("custodians",),
        "The key that was named leaves wrapped to a public key that everyone compares.",
        needs=(SIGNATURES, OFFICER),
        leaves=("the key wrapped",),
        hands=_TWO_CUSTODIANS,
        named=FORMED,
        founding=False,
    ),
    "open-officer": Action(
        ("custodians",),
        "Custodians opened the security officer's PIN: masters may leave in this session.",
        needs=(TOKEN,),
        leaves=(OFFICER, "the so-pin in the session"),
        hands=_TWO_CUSTODIANS,
        founding=False,
    ),
    "make-quorum": Action(
        ("custodians",),
        "The HSM makes a key that so many of the shares bring back; every subset is tried.",
        takes={"threshold": number_field(2, 9)},
        needs=(SIGNATURES, TOKEN),
        leaves=("the key backup-kek",),
        hands=_TWO_CUSTODIANS,
        makes=(BACKUP_KEK,),
        founding=False,
    ),
    "back-up": Action(
        ("custodians",),
        "The shares bring the quorum's key back; every master is wrapped under it.",
        needs=("the key backup-kek", OFFICER),
        leaves=("a backup of every master",),
        hands=_TWO_CUSTODIANS,
        founding=False,
    ),
    "drill": Action(
        ("custodians",),
        "Every share of the quorum is read and compared; the key is not brought back.",
        needs=(SIGNATURES, TOKEN),
        leaves=("a drill of the quorum",),
        hands=_TWO_CUSTODIANS,
        uses=BACKUP_KEK,
        founding=False,
    ),
    "retire-quorum": Action(
        ("everyone",),
        "The quorum before this one is out of use: its public file and its backup are destroyed.",
        needs=("a backup of every master",),
        leaves=("an end of the quorum before",),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        uses=BACKUP_KEK,
        founding=False,
    ),
    "appoint-person": Action(
        ("everyone",),
        "Name, role and public key of somebody new are noted, who takes part from here on.",
        takes={"role": _ROLE},
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_OPERATORS,
        founding=False,
    ),
    "release-person": Action(
        ("everyone",),
        "Somebody's role ends: nothing that he or she does counts from here on.",
        takes={"role": _ROLE},
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_OPERATORS,
        founding=False,
    ),
    "enrol-station": Action(
        ("operators", "everyone"),
        "A station is known from here on by a public key that everyone compares.",
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_OPERATORS,
        founding=False,
    ),
    "reseal": Action(
        ("everyone",),
        "The PIN is sealed anew to all who have the role now; the seal before does not count.",
        takes={"purpose": _PIN, "threshold": number_field(2, 9)},
        needs=(SIGNATURES, "the {purpose} in the session"),
        leaves=("a new seal of the {purpose}",),
        founding=False,
    ),
    "replace-log-signer": Action(
        ("everyone",),
        "The HSM makes the key that signs the log from here on; everyone signs which one it is.",
        needs=(SIGNATURES, TOKEN),
        leaves=("the log's new key",),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        makes=(LOG_SIGNER,),
        founding=False,
    ),
    "renew": Action(
        ("hsm",),
        "Another key of the site's CA and of the recipient; the CA certifies both.",
        needs=(SIGNATURES, TOKEN),
        leaves=("new certificates",),
        makes=(SITE_CA, ENVELOPE_RECIPIENT),
        founding=False,
    ),
    "change-key": Action(
        ("everyone",),
        "The key that was named has another state.",
        takes={"state": _CHANGED},
        needs=(SIGNATURES, TOKEN),
        leaves=("the key {state}",),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        named=PARTNERS,
        founding=False,
    ),
    "destroy": Action(
        ("everyone",),
        "The key that was named leaves the token, before a witness who never held a part of any.",
        needs=(SIGNATURES, TOKEN),
        leaves=("the key destroyed",),
        hands=_WITNESSED,
        named=PARTNERS,
        founding=False,
    ),
    "erase-window": Action(
        ("everyone",),
        "The retention key that was named leaves the token: what was kept under it is lost.",
        needs=(SIGNATURES, TOKEN),
        leaves=("the window erased",),
        hands=_WITNESSED,
        named=RETENTION,
        founding=False,
    ),
    "supersede": Action(
        ("everyone",),
        "The version in use ends when the ceremony closes, unless a batch still depends on it.",
        takes={"key": _KEY},
        needs=("the key {key}",),
        leaves=("an end of the {key} before",),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        uses="{key}",
        founding=False,
    ),
    "declare-compromise": Action(
        ("everyone",),
        "The key that was named is compromised; everything that depends on it is listed.",
        needs=(SIGNATURES, TOKEN),
        leaves=("a list of what depends on the key",),
        hands=_TWO_CUSTODIANS | _TWO_OPERATORS,
        named=PARTNERS,
        founding=False,
    ),
    "bag": Action(
        ("custodians",),
        "Each custodian's package is closed; the number of its bag and its place are noted.",
        takes={"what": text_field("what is in the bags")},
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_CUSTODIANS,
        founding=False,
    ),
    "unbag": Action(
        ("custodians",),
        "Each custodian's package is opened: the number of its bag is the one that was noted.",
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_CUSTODIANS,
        founding=False,
    ),
    "close": Action(
        ("everyone",),
        "Everyone signs the end of the record; the keys become active.",
        needs=(SIGNATURES, TOKEN),
        hands=_TWO_OPERATORS,
    ),
}
