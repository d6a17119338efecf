"""Control ids: one string for each requirement, the same in code, errors, ledger and tests.

``docs/controls.md`` is generated from this table and from the ``control`` markers of the tests.
"""

from enum import StrEnum


class Control(StrEnum):
    """A requirement; its value is the id that people read, its name the one that code uses."""

    FILE_RECIPIENT = "KIF-GW-01"
    FILE_INTACT = "KIF-GW-02"
    FILE_SIGNATURE = "KIF-GW-03"
    FILE_SIGNER = "KIF-GW-04"
    FILE_REPLAY = "KIF-GW-05"
    FILE_COUNT = "KIF-GW-06"
    FILE_HASH_TOTAL = "KIF-GW-07"
    RECORD = "KIF-GW-08"
    PAN_CHECK_DIGIT = "KIF-GW-09"
    CARD_EXPIRED = "KIF-GW-10"
    CARD_REPEATED = "KIF-GW-11"

    PRODUCT = "KIF-PREP-01"

    TOKEN_PRESENT = "KIF-HSM-01"  # noqa: S105
    TOKEN_LOGIN = "KIF-HSM-02"  # noqa: S105
    KEY_USAGE = "KIF-HSM-03"
    KEY_BOUNDARY = "KIF-HSM-04"
    KEY_FOUND = "KIF-HSM-05"
    KEY_CHECK_VALUE = "KIF-HSM-06"
    TOKEN_CALL = "KIF-HSM-07"  # noqa: S105
    KEY_STATE = "KIF-HSM-08"
    KEY_BLOCK = "KIF-HSM-09"
    KEY_WEAK = "KIF-HSM-10"
    QUORUM = "KIF-HSM-11"
    ISSUER_CERTIFICATE = "KIF-HSM-12"

    PLAN = "KIF-CER-01"
    CUSTODIANS = "KIF-CER-02"
    COMPONENT = "KIF-CER-03"
    SEAL = "KIF-CER-04"
    SITE = "KIF-CER-05"
    CEREMONY = "KIF-CER-06"
    PACKAGE = "KIF-CER-08"
    EXCHANGE = "KIF-CER-09"
    CUSTODY = "KIF-CER-07"

    DUAL_CONTROL = "KIF-ORA-01"
    APPROVAL_SIGNATURE = "KIF-ORA-02"
    JOB_STATE = "KIF-ORA-03"
    BATCH_STATE = "KIF-ORA-04"
    RECONCILIATION = "KIF-ORA-05"
    ONE_PROCESS = "KIF-ORA-06"
    DATA_AT_REST = "KIF-ORA-07"
    HOME = "KIF-ORA-08"
    RETENTION = "KIF-ORA-09"
    LEASE = "KIF-ORA-10"
    STATION = "KIF-ORA-11"
    PIN_APART = "KIF-ORA-12"

    READER = "KIF-CHIP-01"
    CARD_CRYPTOGRAM = "KIF-CHIP-02"
    CARD_PRESENT = "KIF-CHIP-03"
    CARD_STATUS = "KIF-CHIP-04"
    CARD_RESPONSE_MAC = "KIF-CHIP-05"
    CARD_ONCE = "KIF-CHIP-06"
    CARD_PROFILE = "KIF-CHIP-07"
    CARD_KEYS = "KIF-CHIP-08"
    CARD_DELIVERED = "KIF-CHIP-09"

    STRIPE = "KIF-GFX-01"

    CHIP_DATA = "KIF-QC-01"
    CHIP_CRYPTOGRAM = "KIF-QC-02"
    CARD_SECURED = "KIF-QC-03"
    CHIP_AUTHENTIC = "KIF-QC-04"
    CHIP_PIN = "KIF-QC-05"

    LEDGER_WRITABLE = "KIF-LOG-01"
    LEDGER_INTACT = "KIF-LOG-02"
    LEDGER_RULES = "KIF-LOG-03"
    LEDGER_TABLES = "KIF-LOG-04"
    LEDGER_ROLLBACK = "KIF-LOG-05"
    CLOCK = "KIF-LOG-06"

    BYTES = "KIF-FMT-01"
    USAGE = "KIF-CLI-01"

    @property
    def requirement(self) -> str:
        """The requirement in one sentence."""
        return _REQUIREMENTS[self]


_REQUIREMENTS: dict[Control, str] = {
    Control.FILE_RECIPIENT: "An issuer's file is enveloped to this bureau's certificate.",
    Control.FILE_INTACT: "An issuer's file decrypts and parses whole, to its last byte.",
    Control.FILE_SIGNATURE: "The issuer's signature over the content verifies.",
    Control.FILE_SIGNER: "The signer's certificate is registered for the issuer and valid.",
    Control.FILE_REPLAY: "A file is accepted once: its reference and content never come again.",
    Control.FILE_COUNT: "The number of records is the one that the header states.",
    Control.FILE_HASH_TOTAL: "The hash total over the PANs is the one that the header states.",
    Control.RECORD: "Each record has exactly the fields of its product, each in its form.",
    Control.PAN_CHECK_DIGIT: "Each PAN ends with its right check digit (ISO/IEC 7812-1, annex B).",
    Control.CARD_EXPIRED: "No card is made that has expired on the day of receipt.",
    Control.CARD_REPEATED: "A card that came before is taken again when two people say so.",
    Control.PRODUCT: "A batch is of a product that the bureau has a reviewed profile for.",
    Control.TOKEN_PRESENT: "The HSM's library, slot and token are there.",
    Control.TOKEN_LOGIN: "The token opens with the PIN that the operators hold together.",
    Control.KEY_USAGE: "A key's attributes are those of its usage, read back after creation.",
    Control.KEY_BOUNDARY: "A key is never in clear on the host; each event says its boundary.",
    Control.KEY_FOUND: "A key that is named exists once in the token.",
    Control.KEY_CHECK_VALUE: "A key's check value is the one expected of it.",
    Control.TOKEN_CALL: "A PKCS#11 call that fails says what was and was not done.",
    Control.KEY_STATE: "A key is used while it is active, and moves along its states only.",
    Control.KEY_BLOCK: "A key block is taken whole and authentic, for the usage that it names.",
    Control.KEY_WEAK: "No key is formed that is weak, or whose halves are the same.",
    Control.QUORUM: "A quorum's key comes back with M custodians, and with fewer it does not.",
    Control.ISSUER_CERTIFICATE: "An issuer's key is certified by a scheme's that was compared.",
    Control.PLAN: "A ceremony follows a plan that is complete and possible.",
    Control.CUSTODIANS: "A ceremony has as many different people as its plan asks for.",
    Control.COMPONENT: "A component has its length, and the check value on its sheet.",
    Control.SEAL: "The token's PIN opens with two different operators only.",
    Control.SITE: "A site has one genesis; a half-made one leaves nothing behind.",
    Control.CEREMONY: "A key ceremony goes step by step, and leaves all of its keys or none.",
    Control.PACKAGE: "A bag is used once, and opened by the one who closed it.",
    Control.EXCHANGE: "A key leaves to its owner alone, under the key that the plan names.",
    Control.CUSTODY: "Nobody, alone or with all who report to one manager, ever has a key's parts.",
    Control.DUAL_CONTROL: "A batch is released by two different people.",
    Control.APPROVAL_SIGNATURE: "An approval is a signature over exactly what is approved.",
    Control.JOB_STATE: "A card job moves only along its states, one step at a time.",
    Control.BATCH_STATE: "A batch moves only along its states.",
    Control.RECONCILIATION: "received = good + suspect + left over, at any moment.",
    Control.ONE_PROCESS: "One process at a time works in an embedded home.",
    Control.DATA_AT_REST: "Card data rests only encrypted under its batch's key in the HSM.",
    Control.RETENTION: "Card data is kept under a key of its issuer and month, and erased with it.",
    Control.HOME: "A home is its owner's alone: nobody else writes in it, and no link leads out.",
    Control.LEASE: "A job is worked on by the station that holds its lease, while that lasts.",
    Control.STATION: "Cards are made at enrolled stations; one whose cards keep failing is stopped "
    "until two people resume it.",
    Control.PIN_APART: "A PIN leaves for its holder once, on a later day than its card.",
    Control.READER: "The reader that is named is there.",
    Control.CARD_CRYPTOGRAM: "The card proves its keys before any key leaves the oracle.",
    Control.CARD_PRESENT: "The card stays in the reader until its last answer.",
    Control.CARD_STATUS: "The card answers each command of its script with 9000.",
    Control.CARD_RESPONSE_MAC: "Each answer carries the card's right R-MAC (Amendment D 6.2.7).",
    Control.CARD_ONCE: "A physical card is personalised for one job, once.",
    Control.CARD_PROFILE: "The card has the key version and the SCP03 options of its profile.",
    Control.CARD_KEYS: "A finished card has the issuer's keys; its vendor's open it no more.",
    Control.CARD_DELIVERED: "A blank is of a delivery of its vendor, where that registers them.",
    Control.STRIPE: "A magnetic stripe reads back as it was written.",
    Control.CHIP_DATA: "What the chip gives back is what was prepared, tag by tag.",
    Control.CHIP_CRYPTOGRAM: "The chip's ARQC verifies in the HSM with the derived key.",
    Control.CARD_SECURED: "A good card is SECURED, once every other check was passed.",
    Control.CHIP_AUTHENTIC: "A card's certificates and signatures verify from the scheme's key.",
    Control.CHIP_PIN: "A card verifies its PIN alone, and counts wrong ones.",
    Control.LEDGER_WRITABLE: "Nothing happens that the ledger can't record.",
    Control.LEDGER_INTACT: "Every entry, the tree over them and each signature verify.",
    Control.LEDGER_RULES: "Every entry is one that the state machine admits where it stands.",
    Control.LEDGER_TABLES: "Every table says what the log says.",
    Control.LEDGER_ROLLBACK: "The log is not behind what the HSM remembers of it.",
    Control.CLOCK: "Time does not go back, unless two operators record that a clock was wrong.",
    Control.BYTES: "A byte format is read strictly: no byte too few, none too many.",
    Control.USAGE: "A command is used as its help says.",
}
