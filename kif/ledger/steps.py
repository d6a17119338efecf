"""The steps of a ceremony on the record: which events each admits, and what it still asks for."""

from __future__ import annotations

from collections.abc import Iterator

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.purpose import BACKUP_KEK, LOG_SIGNER
from kif.formats.state import KeyState
from kif.ledger.custody import Custody
from kif.ledger.event import Event
from kif.ledger.events import ceremony as of_ceremony
from kif.ledger.events import custody as of_custody
from kif.ledger.events import key as of_key
from kif.ledger.events.ceremony import Role
from kif.ledger.keys import Keys
from kif.ledger.plan import Step
from kif.ledger.running import Running

ACTIONS_OF: dict[type[Event], tuple[str, ...]] = {
    of_ceremony.PersonAppointed: ("appoint", "appoint-person"),
    of_ceremony.PlanApproved: ("approve",),
    of_ceremony.PinSealed: ("seal", "reseal"),
    of_ceremony.TokenMade: ("make-token",),
    of_ceremony.KeyGenerated: ("generate", "renew", "generate-key"),
    of_ceremony.CertificateIssued: ("certify", "renew"),
    of_ceremony.PersonReleased: ("release-person",),
    of_ceremony.StationEnrolled: ("enrol-station",),
    of_custody.QuorumRetired: ("retire-quorum",),
    of_ceremony.LogSignerReplaced: ("replace-log-signer",),
    of_key.ComponentEntered: ("form",),
    of_key.ComponentGiven: ("draw-components",),
    of_key.KeyFormed: ("form", "draw-components"),
    of_key.KeyCompromised: ("declare-compromise",),
    of_key.KeySuperseded: ("supersede",),
    of_key.KeyImported: ("import-block",),
    of_key.KeyExported: ("export-block",),
    of_key.KeyWrapped: ("export-wrapped",),
    of_key.IssuerCertified: ("take-certificate",),
    of_custody.ShareGiven: ("make-quorum",),
    of_custody.QuorumMade: ("make-quorum",),
    of_custody.ShareEntered: ("back-up", "drill", "restore"),
    of_custody.PackageClosed: ("bag",),
    of_custody.PackageOpened: ("unbag",),
    of_custody.MastersRestored: ("restore",),
    of_custody.BackupMade: ("back-up",),
    of_ceremony.SiteFounded: ("close",),
    of_ceremony.CeremonyAttested: ("close",),
    of_ceremony.CeremonyClosed: ("close",),
}
"""The actions in whose steps an event may stand; others are not bound to a ceremony."""


def still_missing(running: Running, step: Step, known: Keys, custody: Custody) -> Iterator[str]:
    """Yield what a step still asks for."""
    match step.action:
        case "appoint":
            for role in Role:
                count = len(running.of_role(role))
                if count != running.plan.roles[role]:
                    yield f"{count} {role.plural} are appointed of {running.plan.roles[role]}"
        case "approve":
            left = [name for name in running.everyone if name not in running.approved]
            yield from (f"{name} has not signed" for name in left)
        case "generate":
            made = [key.purpose for key in running.made]
            yield from (f"{name} is not there" for name in step.values["keys"] if name not in made)
        case _ if step.makes and step.action != "replace-log-signer":
            keys = map(running.key, step.makes)
            yield from (f"{key} is not made" for key in keys if key not in running.made)
        case "open-officer":
            if not running.officers:
                yield "the security officer's PIN is not opened"
        case "back-up" | "restore":
            if not running.carried:
                yield "the masters are not carried over"
        case "replace-log-signer":
            if running.key(LOG_SIGNER) not in known.known:
                yield "the log is signed by the key that it was signed by before"
        case "drill":
            read = {number for _, number, _ in running.entered}
            for number, person in custody.shares(running.used(BACKUP_KEK)).items():
                if number not in read:
                    yield f"share {number} of {person} was not read"
        case "retire-quorum":
            if known.require(running.used(BACKUP_KEK)).state is not KeyState.DESTROYED:
                yield f"{running.used(BACKUP_KEK)} is still in use"
        case "appoint-person" | "release-person":
            if not running.moved:
                yield "it is about nobody yet"
        case "change-key" | "declare-compromise" | "destroy" | "erase-window":
            if not running.carried:
                yield f"{running.named} is as it was before"
        case "supersede":
            if not running.carried:
                yield f"nothing is said about {running.used(step.uses)}"
        case "enrol-station":
            if not running.carried:
                yield "no station is enrolled"
        case "export-block" | "export-wrapped":
            if not running.carried:
                yield f"{running.named} has not left"
        case "take-certificate":
            if not running.carried:
                yield f"no certificate of {running.named} was taken"
        case "bag":
            for person in running.of_role(Role.CUSTODIAN):
                if person not in running.moved:
                    yield f"the package of {person} is not closed"
        case "unbag":
            pass
        case "close":
            yield "it is done by the closing itself"
        case _ if not running.happened and step.action != "open":
            yield "nothing has happened in it"


def step_of(running: Running) -> str:
    """Return which step is open, in words."""
    action = "" if running.open is None else f" ({running.open.action})"
    return f"step {running.done + 1}{action}"


def require(holds: bool, sentence: str) -> None:
    """Raise ``Refused`` (CEREMONY) with a sentence unless something holds."""
    if not holds:
        raise Refused(Control.CEREMONY, sentence)
