"""The beginning of a ceremony on a site: a plan that can work, people who may, keys that fit."""

from __future__ import annotations

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import SITE, KeyRef
from kif.formats.purpose import BACKUP_KEK, purpose_of
from kif.ledger.action import FORMED, PARTNERS
from kif.ledger.custody import Custody
from kif.ledger.events.ceremony import CeremonyBegun, Role
from kif.ledger.issuers import Issuers
from kif.ledger.keys import Keys
from kif.ledger.people import People
from kif.ledger.plan import About, Plan
from kif.ledger.possible import check
from kif.ledger.running import Running
from kif.ledger.steps import require


class Beginning:
    """What a ceremony is begun with."""

    def __init__(self, people: People, keys: Keys, issuers: Issuers, custody: Custody) -> None:
        self._people, self._keys = people, keys
        self._issuers, self._custody = issuers, custody

    def running(self, event: CeremonyBegun, site: str) -> Running:
        """Return the ceremony as it begins, with those who take part, for keys that come next."""
        plan = Plan.decode(event.plan)
        require(not plan.founds, "A site has one genesis.")
        check(plan)
        self._require_subject(plan, event.subject)
        people = self._taking_part(plan, event)
        self._require_used(plan, event)
        expected = self.next_keys(plan, event.subject)
        require(
            event.keys == expected,
            f"The plan makes {', '.join(map(str, expected)) or 'no key'} next, not "
            f"{', '.join(map(str, event.keys)) or 'none'}.",
        )
        running = Running(plan, site, event.subject, event.keys, event.uses, people)
        self._custody.require_possible(running.assignments())
        return running

    def next_keys(self, plan: Plan, subject: str) -> tuple[KeyRef, ...]:
        """Return the keys that a plan would make now, in its order."""
        return tuple(self._keys.next_version(subject, purpose) for purpose in plan.made())

    def next_uses(self, plan: Plan, subject: str) -> tuple[KeyRef, ...]:
        """Return the keys that a plan would be about now; one that is named comes after them."""
        return tuple(self._keys.in_use(subject, purpose) for purpose in plan.used())

    def _taking_part(self, plan: Plan, event: CeremonyBegun) -> tuple[tuple[str, str], ...]:
        """Return everyone who takes part, each in one role and as many as the plan has."""
        people = []
        for role, names in event.taking_part.items():
            if len(set(names)) != len(names):
                raise Refused(Control.CUSTODIANS, f"Somebody is named twice as {role.value}.")
            if role is not Role.OPERATOR and len(names) != plan.roles[role]:
                raise Refused(
                    Control.CUSTODIANS,
                    f"The plan has {role.counted(plan.roles[role])}, and {len(names)} take part.",
                )
            people += [(self._people.require(name, role).name, role.value) for name in names]
        for name in event.witnesses:
            self._custody.require_none(name)
        return tuple(people)

    def _require_subject(self, plan: Plan, subject: str) -> None:
        if plan.about is About.ISSUER:
            self._issuers.require(subject)
        elif plan.about is About.PARTNER:
            known = {key.owner for key in self._keys.known} | self._issuers.certificates.keys()
            require(
                subject in known - {SITE},
                f"{subject} is no registered issuer, and no vendor whose keys are here.",
            )
        require(
            (plan.about is About.SITE) == (subject == "site"),
            f"A plan about {plan.about.value} is not held for {subject}.",
        )

    def _require_used(self, plan: Plan, event: CeremonyBegun) -> None:
        """Require that the keys stand that the plan is about; a drill has every holder."""
        purposes = list(plan.used())
        expected = self.next_uses(plan, event.subject)
        if plan.named:
            expected += self._named_key(plan, event)
        require(
            event.uses == expected,
            f"The plan is about {', '.join(map(str, expected)) or 'no key'}.",
        )
        if any(step.action == "drill" for step in plan.steps):
            holders = self._custody.shares(expected[purposes.index(BACKUP_KEK)])
            if set(holders.values()) != set(event.custodians):
                raise Refused(
                    Control.CUSTODIANS,
                    f"A drill reads every share: {', '.join(holders.values())} hold them, and all "
                    "of them take part.",
                )

    def _named_key(self, plan: Plan, event: CeremonyBegun) -> tuple[KeyRef]:
        """Return the key that was named, which is one of an issuer or a vendor, or of a window."""
        require(bool(event.uses), "This plan is about a key: name it.")
        key = event.uses[-1]
        self._keys.require(key)
        row = purpose_of(key)
        if plan.named not in (FORMED, PARTNERS):
            require(
                key.purpose == plan.named, f"{key} is no {plan.named} key; this plan is for one."
            )
        elif plan.named == FORMED:
            require(
                row.formed, f"{key} is no master of an issuer or a vendor; this plan is for one."
            )
        else:
            require(row.partners, f"{key} is the site's own; this plan is not for it.")
        if event.subject not in (About.SITE, key.owner):
            raise Refused(
                Control.EXCHANGE,
                f"{key} is a key of {key.owner}, and this ceremony is for {event.subject}.",
            )
        return (key,)
