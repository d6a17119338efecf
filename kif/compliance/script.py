"""The script of a ceremony: its plan on paper, with boxes to tick and lines to sign on."""

from __future__ import annotations

from collections.abc import Iterator

from kif.compliance.document import (
    Code,
    Document,
    Heading,
    Paragraph,
    Part,
    Signatures,
    Table,
    Ticks,
    in_groups,
)
from kif.formats.words import aloud
from kif.ledger.plan import Plan, Step

_COPIES = (
    "One copy for everyone who takes part. Write in ink; strike out and initial what is wrong."
)


def script_of(plan: Plan) -> Document:
    """Return the script that the people in the room tick off, step by step."""
    return Document(
        f"Script of the ceremony '{plan.ceremony}'",
        f"{plan.purpose} By {plan.author}, reviewed by {plan.approver}. {_COPIES}",
        list(_parts(plan)),
    )


def _parts(plan: Plan) -> Iterator[Part]:
    yield Paragraph("SHA-256 of the plan. It is the same on the screen, or nobody signs:")
    yield Code(in_groups(plan.digest))
    yield Paragraph(f"Read aloud: {aloud(plan.digest)}")
    yield Table(
        ("date", "place", "site, issuer or vendor", "begins", "ends"), (("", "", "", "", ""),)
    )
    people = [
        f"{role.value} {number}"
        for role, count in plan.roles.items()
        for number in range(1, count + 1)
    ]
    new = [step.values["role"] for step in plan.steps if step.action == "appoint-person"]
    people += [f"the new {role}" for role in new]
    yield Heading("Who takes part")
    heads = ("role", "name                          ", "identity paper seen by", "signature       ")
    yield Table(heads, [(each, "", "", "") for each in people])
    if plan.materials:
        yield Heading("What is in the room")
        yield Ticks([f"{each.count} × {each.what}; numbers: " for each in plan.materials])
    yield Heading("It follows")
    yield Paragraph("; ".join(plan.clauses) + ".")
    for number, step in enumerate(plan.steps, start=1):
        yield from _step(number, step)
    yield Heading("Deviations")
    yield Table(("step", "what and why", "signed by", "and by"), [("", "", "", "")] * 3)
    yield Heading("The end of the record")
    yield Table(("size of the log", "root (SHA-256)"), (("", ""),))
    yield Signatures(people)


def _step(number: int, step: Step) -> Iterator[Part]:
    yield Heading(f"Step {number}: {step.action} ({step.who.value}, {step.minutes} minutes)")
    yield Paragraph(step.text)
    items = [step.does.does]
    taken = [f"{name} {_shown(value)}" for name, value in step.values.items() if value]
    if taken:
        items.append(f"As the plan says: {'; '.join(taken)}.")
    if step.checks:
        items.append(f"Compared: {step.checks}")
    yield Ticks(items)
    if step.clauses:
        yield Paragraph(f"Clauses: {'; '.join(step.clauses)}.")


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
