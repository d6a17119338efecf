"""The report on a ceremony for compliance: what happened step by step, and how to check it."""

from __future__ import annotations

from collections.abc import Iterator

from kif.compliance.ceremonies import Ceremonies, Outcome, Told
from kif.compliance.document import Code, Document, Heading, Paragraph, Part, Table, in_groups
from kif.formats.sshkey import SshKey
from kif.formats.words import aloud
from kif.ledger.approval import fingerprint
from kif.ledger.event import Entry, Event, fields_of
from kif.ledger.events.batch import WindowErased
from kif.ledger.events.ceremony import (
    CeremonyAttested,
    CeremonyDeviated,
    CeremonyResumed,
    CertificateIssued,
    KeyGenerated,
    LogSignerReplaced,
    PersonAppointed,
    PersonReleased,
    PinSealed,
    PlanApproved,
    SiteFounded,
    StationEnrolled,
    StepDone,
    StepMissed,
    TokenMade,
)
from kif.ledger.events.custody import (
    BackupMade,
    MastersRestored,
    OfficerOpened,
    PackageClosed,
    PackageOpened,
    QuorumMade,
    QuorumRetired,
    ShareEntered,
    ShareGiven,
)
from kif.ledger.events.key import (
    ComponentEntered,
    ComponentGiven,
    IssuerCertified,
    KeyCompromised,
    KeyExported,
    KeyFormed,
    KeyImported,
    KeyStateChanged,
    KeySuperseded,
    KeyWrapped,
)

_CHECK = (
    "Every signature is in the folder beside this report. To verify one without kif: "
    "ssh-keygen -Y verify -f allowed_signers -I NAME -n kif-ceremony -s NAME.WHAT.sig < "
    "NAME.WHAT.statement"
)
_ENDS = {
    Outcome.CLOSED: "It was closed: every step was done, and everyone signed its end.",
    Outcome.ABORTED: "It was ABORTED. That is no success: what it had made is destroyed.",
    Outcome.STANDING: "It is NOT CLOSED: it stands at a step, to be resumed or aborted.",
}


def report_of(told: Told, ceremonies: Ceremonies) -> Document:
    """Return the report on one of the ceremonies of a log."""
    return Document(
        f"Report on the ceremony '{told.plan.ceremony}' for {told.subject}",
        f"{told.plan.purpose} {_ENDS[told.outcome]}",
        list(_parts(told, ceremonies)),
    )


def _parts(told: Told, ceremonies: Ceremonies) -> Iterator[Part]:
    ended = "not yet" if told.ended is None else f"{told.ended:%Y-%m-%d %H:%M:%S UTC}"
    yield Table(
        ("number", "begun", "ended", "outcome", "misses", "deviations", "interruptions"),
        [
            (
                str(told.number),
                f"{told.begun:%Y-%m-%d %H:%M:%S UTC}",
                ended,
                told.outcome.value,
                *(
                    str(len(told.of_kind(kind)))
                    for kind in (StepMissed, CeremonyDeviated, CeremonyResumed)
                ),
            )
        ],
    )
    yield Paragraph(
        f"Plan by {told.plan.author}, reviewed by {told.plan.approver}. SHA-256 of the plan:"
    )
    yield Code(in_groups(told.plan.digest))
    yield Paragraph(f"Read aloud: {aloud(told.plan.digest)}")
    yield Heading("Who took part")
    yield Table(
        ("name", "role", "reports to", "key (SHA-256 of the public key)"),
        [_person(name, role.value, ceremonies) for name, role in told.people],
    )
    keys = told.of_kind(KeyGenerated, KeyFormed, KeyImported)
    if keys:
        yield Heading("Keys that it made")
        yield Table(("key", "algorithm", "check value", "valid until"), [_key(e) for e in keys])
    for number, step in enumerate(told.plan.steps, start=1):
        yield from _step(told, number, f"{step.action} ({step.minutes} minutes)", step.text)
    yield Heading("How to check it")
    yield Paragraph(
        "'kif ceremony verify record.json' verifies the record beside this report against the "
        "log's key alone. 'kif log verify' verifies the whole log. " + _CHECK
    )


def _person(name: str, role: str, ceremonies: Ceremonies) -> tuple[str, str, str, str]:
    event = ceremonies.appointed[name].event
    if not isinstance(event, PersonAppointed):
        raise TypeError(event.kind)
    return name, role, event.manager or "nobody", in_groups(fingerprint(event.public_key))


def _key(entry: Entry) -> tuple[str, str, str, str]:
    fields = fields_of(entry.event)
    return (
        fields["key"],
        fields["algorithm"],
        fields["kcv"] or "none (a key pair)",
        (fields.get("valid_until") or "no end")[:10],
    )


def _step(told: Told, number: int, title: str, text: str) -> Iterator[Part]:
    entries = told.of_step(number)
    yield Heading(f"Step {number}: {title}")
    yield Paragraph(text)
    if not entries:
        yield Paragraph("It did not come to this step.")
        return
    yield Table(
        ("time (UTC)", "entry", "what happened"),
        [(f"{each.time:%H:%M:%S}", str(each.index), in_words(each.event)) for each in entries],
    )


def in_words(event: Event) -> str:
    """Return what happened, in a line."""
    match event:
        case PlanApproved():
            return f"{event.person} signed the plan."
        case PersonAppointed():
            return f"{event.person} was appointed {event.role.value}."
        case StepMissed():
            return f"Missed by {event.person}: {event.reason or 'the reason is erased'}"
        case CeremonyDeviated():
            return f"DEVIATION, signed by {' and '.join(event.people)}: {event.reason}"
        case CeremonyResumed():
            undone = ", ".join(map(str, event.undone)) or "no key"
            return f"Resumed after an interruption; made again: {undone}."
        case ComponentEntered():
            return (
                f"{event.person} entered component {event.component} of {event.key}: {event.kcv}."
            )
        case ComponentGiven():
            component = f"component {event.component} of {event.key}"
            return f"{event.person} has {component} on a sheet: {event.kcv}."
        case KeyFormed():
            return f"{event.key} was formed inside the HSM: {event.kcv}."
        case KeyGenerated():
            return f"{event.key} was generated inside the HSM: {event.kcv or 'a key pair'}."
        case CeremonyAttested():
            return f"{event.person} signed the end of the record."
        case PinSealed():
            holders = ", ".join(event.holders)
            return f"The {event.purpose} was sealed to {holders}; any {event.threshold} open it."
        case TokenMade():
            return f"The token was made: {event.make} {event.model}, serial number {event.serial}."
        case CertificateIssued():
            return f"The site's CA certified {event.key}."
        case SiteFounded():
            return f"The site {event.site} was founded; its log is signed by its own key."
        case OfficerOpened():
            return f"{' and '.join(event.people)} opened the security officer's PIN."
        case ShareGiven():
            share = f"share {event.number} of {event.key}"
            return f"{event.person} keeps {share} ({event.medium.value}): {event.kcv}."
        case QuorumMade():
            return f"{event.key}: any {event.threshold} of its shares give it: {event.kcv}."
        case ShareEntered():
            return f"{event.person} gave share {event.number} of {event.key} back."
        case BackupMade():
            return f"{len(event.keys)} masters were wrapped under {event.key}."
        case StationEnrolled():
            key = SshKey.parse(event.public_key).fingerprint
            return f"{event.station} was enrolled, with the key {key}."
        case PersonReleased():
            return f"{event.person} was released: no {event.role.value} any more."
        case MastersRestored():
            lost = ", ".join(map(str, event.lost)) or "nothing"
            return f"{len(event.keys)} masters came back under {event.key}; lost: {lost}."
        case KeyImported():
            shown = "" if event.hidden else ", whose length the block did not hide"
            return f"{event.key} came in a block under {event.under}: {event.kcv}{shown}."
        case KeyExported():
            return f"{event.key} left in a block under {event.under}."
        case KeyWrapped():
            to = in_groups(event.recipient)
            return f"{event.key} left wrapped to the public key {to} (SHA-256)."
        case IssuerCertified():
            return f"{event.key} was certified by the key {event.index} of {event.rid}."
        case KeyStateChanged():
            return f"{event.key} is {event.state.value}: {event.reason or 'the reason is erased'}"
        case WindowErased():
            why = event.reason or "the reason is erased"
            return f"{event.key} was destroyed, and {event.batches} batches are erased by it: {why}"
        case KeyCompromised():
            why = event.reason or "the reason is erased"
            depend = f"{len(event.batches)} batches and {len(event.keys)} keys depend on it"
            return f"{event.key} is COMPROMISED; {depend}: {why}"
        case KeySuperseded():
            goes_on = f"goes on for {len(event.batches)} batches that are not closed"
            end = goes_on if event.batches else "ends with the ceremony"
            return f"Another version comes after {event.key}: it {end}."
        case PackageClosed():
            return f"{event.person}: {event.what}, in bag {event.bag}, kept in {event.place}."
        case PackageOpened():
            return f"{event.person}: bag {event.bag} was opened."
        case QuorumRetired():
            return f"{event.key} is out of use; its public file and its backup were destroyed."
        case LogSignerReplaced():
            return f"The log is signed by {event.key} from here on, as everyone signed."
        case StepDone():
            return "The step is done."
        case _:
            return event.kind.replace("-", " ").capitalize() + "."


def signatures_of(told: Told, ceremonies: Ceremonies) -> dict[str, str]:
    """Return the files with which ssh-keygen verifies everybody's signatures, by name."""
    files: dict[str, str] = {}
    signers = []
    for name, _ in told.people:
        event = ceremonies.appointed[name].event
        if isinstance(event, PersonAppointed):
            signers.append(f'"{name}" namespaces="kif-ceremony" {event.public_key}')
    files["allowed_signers"] = "\n".join(signers) + "\n"
    for entry in told.of_kind(PlanApproved, CeremonyAttested):
        event = entry.event
        if isinstance(event, PlanApproved | CeremonyAttested):
            what = "plan" if isinstance(event, PlanApproved) else "end"
            files[f"{event.person}.{what}.statement"] = event.statement
            files[f"{event.person}.{what}.sig"] = event.signature
    return files
