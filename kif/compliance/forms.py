"""Forms from the record: what compliance files about people, packages, keys and the HSM.

Nothing is typed into them that the log does not say; what only people know is a line to fill in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from kif.compliance.ceremonies import Ceremonies, Told
from kif.compliance.document import Document, Heading, Paragraph, Part, Signatures, Table, in_groups
from kif.compliance.keys import KeyLife
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.ledger.approval import fingerprint
from kif.ledger.event import Entry
from kif.ledger.events.ceremony import (
    CeremonyAttested,
    CeremonyDeviated,
    PersonAppointed,
    PersonReleased,
    PinSealed,
    Role,
    StepMissed,
    TokenMade,
)
from kif.ledger.events.custody import PackageClosed, PackageOpened, ShareGiven
from kif.ledger.events.key import ComponentEntered

_DUTIES = {
    Role.CUSTODIAN: (
        "I keep what is entrusted to me (passphrases, shares, components, media, bags) alone and "
        "secret. I use it in ceremonies only, by a plan that I have read and signed. I never hold, "
        "together with others who report to the same manager, as many parts of a key as give it. I "
        "tell compliance at once when anything is lost, was seen, or its bag or seal is not whole."
    ),
    Role.OPERATOR: (
        "I keep my passphrase alone and secret. I open the token only together with another "
        "operator, and release a batch only when I have compared it myself. I tell compliance at "
        "once when anything is lost, was seen, or differs from what it should be."
    ),
    Role.WITNESS: (
        "I watch that what is done is what the plan says, hold no part of any key, and sign only "
        "what I have seen myself."
    ),
}


def appointment_of(name: str, entries: Iterable[Entry]) -> Document:
    """Return the form of somebody's appointment, and of its end. Raises ``BadInput`` (USAGE)."""
    appointed: Entry | None = None
    released: Entry | None = None
    held: list[tuple[str, ...]] = []
    for entry in entries:
        match event := entry.event:
            case PersonAppointed() if event.person == name:
                appointed, released = entry, None
            case PersonReleased() if event.person == name:
                released = entry
            case PinSealed() if name in event.holders:
                held.append((_day(entry), str(entry.index), f"a part of the {event.purpose}"))
            case ShareGiven() if event.person == name:
                what = f"share {event.number} of {event.key} ({event.medium.value})"
                held.append((_day(entry), str(entry.index), what))
            case ComponentEntered() if event.person == name:
                what = f"component {event.component} of {event.key}"
                held.append((_day(entry), str(entry.index), what))
    if appointed is None or not isinstance(appointed.event, PersonAppointed):
        raise BadInput(Control.USAGE, f"Nobody was ever appointed under the name {name}.")
    event = appointed.event
    end = "not ended" if released is None else f"{_day(released)} (entry {released.index})"
    parts: list[Part] = [
        Table(
            ("role", "reports to", "appointed", "ended"),
            [
                (
                    event.role.value,
                    event.manager or "nobody",
                    f"{_day(appointed)} (entry {appointed.index})",
                    end,
                )
            ],
        ),
        Paragraph("SHA-256 of the public key by which this person signs:"),
        Paragraph(in_groups(fingerprint(event.public_key))),
        Heading("What was entrusted"),
        Table(("date", "entry", "what"), held or [("", "", "nothing yet")]),
        Heading("Acknowledgement"),
        Paragraph(_DUTIES[event.role]),
        Table(("deputy", "from", "to", "approved by"), [("", "", "", "")] * 2),
        Signatures([name, event.manager or "manager", "compliance"]),
    ]
    if released is not None:
        parts += [
            Heading("End"),
            Paragraph(
                "I have handed back or destroyed, before a witness, everything that was entrusted "
                "to me. What I know I keep secret."
            ),
            Signatures([name, "witness", "compliance"]),
        ]
    return Document(f"Appointment of {name}", f"{event.role.value}, as the log has it.", parts)


def packages_of(entries: Iterable[Entry], place: str | None = None) -> Document:
    """Return the register of packages; of one place, the log of who had access to it."""
    rows, where = [], dict[str, PackageClosed]()
    for entry in entries:
        match event := entry.event:
            case PackageClosed():
                where[event.bag] = event
                told, kept = f"closed: {event.what}", event.place
            case PackageOpened():
                told, kept = "opened", where[event.bag].place
            case _:
                continue
        if place in (None, kept):
            time = f"{entry.time:%Y-%m-%d %H:%M}"
            rows.append((time, event.bag, event.person, told, kept, str(entry.index), ""))
    heads = ("time (UTC)", "bag", "who", "what", "where", "entry", "seal whole? initials")
    title = "Package register" if place is None else f"Access to {place}"
    lead = "Every bag that was closed and opened in a ceremony, in the order of the log."
    return Document(title, lead, [Table(heads, rows or [("none", *[""] * 6)])])


def deviations_of(ceremonies: Ceremonies) -> Document:
    """Return the sheet of every deviation and miss, ceremony by ceremony."""
    return Document(
        "Deviations and misses",
        "What did not go by the plan, with who signed it; and attempts that were not taken.",
        list(_deviations(ceremonies)) or [Paragraph("There is none on the record.")],
    )


def _deviations(ceremonies: Ceremonies) -> Iterator[Part]:
    for told in ceremonies.told:
        rows = []
        for entry in told.of_kind(CeremonyDeviated, StepMissed):
            match event := entry.event:
                case CeremonyDeviated():
                    who, what = " and ".join(event.people), f"DEVIATION: {event.reason}"
                case StepMissed():
                    who, what = event.person, event.reason or "the reason is erased"
                case _:
                    continue
            time = f"{entry.time:%Y-%m-%d %H:%M}"
            rows.append((time, str(event.step), who, what, str(entry.index)))
        if rows:
            yield Heading(f"Ceremony {told.number}: {told.plan.ceremony} for {told.subject}")
            yield Table(("time (UTC)", "step", "who", "what", "entry"), rows)


def destruction_of(
    key: KeyRef, lives: Mapping[KeyRef, KeyLife], ceremonies: Ceremonies
) -> Document:
    """Return the affidavit of a key's destruction. Raises ``BadInput`` when it was not."""
    life = lives.get(key)
    if life is None or life.state_at(None) is not KeyState.DESTROYED:
        raise BadInput(Control.USAGE, f"{key} is not destroyed. 'kif key show {key}' tells of it.")
    end = life.steps[-1]
    told = next((each for each in ceremonies.told if _has(each, end.index)), None)
    parts: list[Part] = [
        Table(
            ("key", "algorithm", "check value", "destroyed", "entry"),
            [
                (
                    str(key),
                    life.algorithm,
                    life.kcv or "none",
                    f"{end.time:%Y-%m-%d %H:%M} UTC",
                    str(end.index),
                )
            ],
        ),
        Paragraph(f"Why: {end.why.rstrip('.') or 'the reason is erased'}."),
    ]
    names: list[str] = ["operator", "operator", "witness"]
    if told is not None:
        signed = {
            entry.event.person
            for entry in told.of_kind(CeremonyAttested)
            if isinstance(entry.event, CeremonyAttested)
        }
        roles = [
            (name, role.value, "yes" if name in signed else "no") for name, role in told.people
        ]
        parts += [
            Heading(f"Ceremony {told.number}: {told.plan.ceremony}"),
            Table(("who took part", "role", "signed the end of the record"), roles),
        ]
        names = [name for name, _ in told.people]
    parts += [
        Heading("Affidavit"),
        Paragraph(
            f"The key {key} was destroyed in the HSM before our eyes. Every component, share, "
            "medium and copy of it that was known to us was destroyed as well, as listed below, "
            "so that nobody can bring it back."
        ),
        Table(("what was destroyed", "how", "witnessed by (no custodian)"), [("", "", "")] * 4),
        Signatures(names),
    ]
    return Document(f"Destruction of {key}", "Affidavit, with what the log has of it.", parts)


def inventory_of(lives: Mapping[KeyRef, KeyLife], at: datetime | None) -> Document:
    """Return the inventory of keys at a time, or now."""
    rows = []
    for key, life in sorted(lives.items()):
        state = life.state_at(at)
        if state is not None:
            until = "no end" if life.valid_until is None else f"{life.valid_until:%Y-%m-%d}"
            custodians = ", ".join(life.custodians) or life.origin
            kcv = life.kcv or "a key pair"
            rows.append((str(key), life.algorithm, kcv, state.value, until, custodians))
    when = "now" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
    heads = ("key", "algorithm", "check value", "state", "valid until", "custodians, or origin")
    return Document(
        f"Inventory of keys, {when}",
        "Every key that was on the record at that time, with its state then.",
        [Table(heads, rows), Signatures(["taken by", "compared by", "compliance"])],
    )


def hsm_of(entries: Iterable[Entry]) -> Document:
    """Return the record of the HSM: what it says of itself, and what people note of it."""
    made = [entry for entry in entries if isinstance(entry.event, TokenMade)]
    rows = [
        (
            _day(entry),
            f"{entry.event.make} {entry.event.model}",
            entry.event.serial,
            entry.event.firmware,
            entry.event.label,
            str(entry.index),
        )
        for entry in made
        if isinstance(entry.event, TokenMade)
    ]
    heads = ("made", "model", "serial number", "firmware", "token", "entry")
    fill = ("place, rack", "certificate (FIPS 140-3, PCI HSM)", "valid until", "seals, numbers")
    return Document(
        "Record of the HSM",
        "Every token of the site, the newest last; the lines below are filled in by hand.",
        [
            Table(heads, rows),
            Heading("Certificate and seals"),
            Table(fill, [("", "", "", "")] * 3),
            Heading("Inspections"),
            Table(("date", "seals whole?", "what was done", "by", "and by"), [("", *[""] * 4)] * 5),
            Signatures(["operator", "operator", "compliance"]),
        ],
    )


def _has(told: Told, index: int) -> bool:
    return any(entry.index == index for entry in told.entries)


def _day(entry: Entry) -> str:
    return f"{entry.time:%Y-%m-%d}"
