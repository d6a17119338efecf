"""The terminal's questions: people at a ceremony, and the operators who open the token."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from kif.ceremony.credential import sign
from kif.ceremony.destination import Destination
from kif.ceremony.people import Appointment, Component
from kif.ceremony.seal import SHORTEST, holders, unseal
from kif.ceremony.share import read_share, write_share
from kif.console.writing import (
    ask_written,
    digit_rows,
    read_back,
    send_to_printer,
    show_aside,
    write_by_hand,
)
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.text import is_name
from kif.hsm.custodian import CustodianToken
from kif.hsm.handover import Handover
from kif.hsm.token import TokenPlace
from kif.ledger.approval import fingerprint
from kif.ledger.events.custody import Medium


class TerminalPeople:
    """Implements :class:`kif.ceremony.people.People` by asking at the terminal."""

    def __init__(self) -> None:
        self._keys: dict[str, Path] = {}
        """The key file that each person signed with last."""

    def appoint(self, role: str, number: int) -> Appointment:
        """Ask for name and public key file, until both are what they should be."""
        click.echo(f"\n{role.capitalize()} {number}")
        name = _name("  name")
        path, line = _public_key()
        self._keys[name] = path.with_suffix("")
        manager = _name("  reports to (a name, or nobody)")
        return Appointment(name, role, line, None if manager == "nobody" else manager)

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        """Show the statement and have ssh-keygen sign it."""
        click.echo(f"\n{person} signs this statement for {namespace}:\n  {statement.decode()}")
        while True:
            key = click.prompt(
                "  private key file, or public key file when the key is in the agent",
                type=click.Path(path_type=Path, exists=True),
                default=self._keys.get(person),
            )
            try:
                signature = sign(key, namespace, statement)
            except BadInput as wrong:
                click.echo(f"  {wrong.sentence} Try again, or end the ceremony with Ctrl-C.")
            else:
                self._keys[person] = key
                return signature

    def present(self, role: str, names: Sequence[str], count: int) -> Sequence[str]:
        """Ask for the names, where there is a choice."""
        if len(names) == count:
            return names
        click.echo(f"\nThe {role}s are {', '.join(names)}; {count} of them take part.")
        chosen: list[str] = []
        while len(chosen) < count:
            name = click.prompt(f"  {role} {len(chosen) + 1}", type=click.Choice(list(names)))
            if name not in chosen:
                chosen.append(name)
        return chosen

    def leaving(self, role: str, names: Sequence[str]) -> str:
        """Ask for the name."""
        click.echo(f"\nThe {role}s who take no part here are {', '.join(names)}.")
        return str(click.prompt("  who is released", type=click.Choice(list(names))))

    def station(self, number: int) -> tuple[str, str]:
        """Ask for name and public key file."""
        click.echo(f"\nStation {number}")
        name = _name("  name")
        return name, _public_key()[1]

    def bag(self, person: str, what: str, count: int) -> tuple[str, str]:
        """Ask for number and place."""
        click.echo(f"\n{person}: put into a new bag, before everyone's eyes: {what}.")
        return _name("  number of the bag"), _name("  where it is kept")

    def unbag(self, person: str, newest: str) -> str:
        """Ask for the number, which is not shown: it is read from the bag."""
        click.echo(f"\n{person}: show that the bag and its seal are whole.")
        return _name("  number of the bag")

    def key_block(self, key: KeyRef) -> str:
        """Ask for the file."""
        return _read_file(f"\nThe key block of {key}.", "  file of the block").strip()

    def recipient(self, key: KeyRef) -> str:
        """Ask for the file."""
        return _read_file(f"\nThe public key that {key} leaves to.", "  file, PEM")

    def issuer_certificate(self, key: KeyRef) -> str:
        """Ask for the file."""
        return _read_file(f"\nThe scheme's certificate of {key}.", "  file")

    def agree(self, question: str) -> None:
        """Ask for yes or no."""
        if not click.confirm(f"  {question}"):
            raise Refused(Control.CEREMONY, "It was not agreed to. Nothing was done.")

    def reason(self) -> str:
        """Ask for a sentence."""
        return str(click.prompt("  reason, for the record"))

    def component(self, person: str, key: KeyRef, number: int) -> Component:
        """Ask for the component without echo; then clear the screen."""
        click.echo(f"\n{person} alone: component {number} of {key}. Everyone else looks away.")
        typed = click.prompt("  component, hex (not shown)", hide_input=True)
        try:
            value = Secret(bytes.fromhex(typed))
        except ValueError:
            raise BadInput(
                Control.COMPONENT,
                f"The component is not hexadecimal, two digits a byte ({len(typed)} characters "
                "were typed). It was not entered.",
            ) from None
        check = click.prompt("  check value on the sheet, hex")
        click.clear()
        return Component(value, check)

    def give_component(
        self, person: str, key: KeyRef, number: int, component: Secret, kcv: Kcv
    ) -> None:
        """Print the sheet, or have it written by hand; it is read back. Then clear the screen."""
        click.echo(f"\n{person} alone: component {number} of {key}. Everyone else looks away.")
        way = click.prompt("  put it on a sheet by", type=click.Choice(["print", "hand"]))
        if way == "print":
            from kif.console.sheet import ComponentSheet

            send_to_printer(ComponentSheet(person, key, number, kcv).to_pdf(component))
        else:
            show_aside(f"Write this down. Its check value is {kcv}.", digit_rows(component))
        typed = click.prompt("  read it back from the sheet, hex (not shown)", hide_input=True)
        click.clear()
        if "".join(typed.split()).upper() != component.reveal().hex().upper():
            raise BadInput(
                Control.COMPONENT,
                "What was read back is not the component that was given. Destroy the sheet; "
                "another component is drawn.",
            )

    def give_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> Medium:
        """Ask what to keep the share on; from paper it is read back. Then clear the screen."""
        click.echo(f"\n{person} alone: share {number} of {key}. Everyone else looks away.")
        ways = click.Choice(["token", "file", "print", "hand"])
        way = click.prompt("  keep it in a", type=ways)
        if way == "token":
            made = ask_token().make(handover.label, handover.recipient())
            handover.receive(made)
            return Medium.TOKEN
        share, kcv = handover.draw()
        if way == "file":
            path = click.prompt(
                "  new file on a medium of your own", type=click.Path(path_type=Path)
            )
            write_share(path, key, number, share, self.passphrase(person, str(key)))
            click.clear()
            return Medium.FILE
        if way == "print":
            from kif.console.sheet import ShareSheet  # which takes as long as a short command

            send_to_printer(ShareSheet(person, key, number, kcv).to_pdf(share))
        else:
            write_by_hand(share)
        read_back(key, number, share)
        click.clear()
        return Medium.PAPER

    def take_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> None:
        """Ask for the token, for the file and its passphrase, or for the words."""
        click.echo(f"\n{person} alone: share {number} of {key}.")
        way = click.prompt("  it is on", type=click.Choice(["token", "file", "paper"]))
        if way == "token":
            handover.receive(ask_token().hand_over(handover.label, handover.recipient()))
        elif way == "paper":
            handover.enter(ask_written(key, number))
        else:
            path = click.prompt("  file of the share", type=click.Path(path_type=Path))
            typed = click.prompt("  passphrase", hide_input=True)
            handover.enter(read_share(path, key, number, Secret.of_text(typed)))

    def passphrase(self, person: str, purpose: str) -> Secret:
        """Ask for a new passphrase, twice."""
        click.echo(
            f"\n{person} alone: choose a passphrase of at least {SHORTEST} characters ({purpose})."
        )
        while True:
            typed = click.prompt("  passphrase", hide_input=True, confirmation_prompt="  again")
            if len(typed) >= SHORTEST:
                return Secret.of_text(typed)
            click.echo(f"  It has {len(typed)} characters; choose one of at least {SHORTEST}.")

    def unlock(self, purpose: str, holders: Sequence[str], count: int) -> Mapping[str, Secret]:
        """Ask so many of them for their passphrases."""
        click.echo(f"\n{count} of these open the seal ({purpose}): {', '.join(holders)}.")
        return dict(_holder() for _ in range(count))

    def tell(self, text: str) -> None:
        """Print it."""
        click.echo(text)


def _public_key() -> tuple[Path, str]:
    """Ask for an OpenSSH public key file until it is one; return its path and its line."""
    while True:
        path = click.prompt(
            "  OpenSSH public key file", type=click.Path(path_type=Path, exists=True)
        )
        try:
            line = path.read_text(errors="replace").strip()
            fingerprint(line)
        except (BadInput, OSError) as wrong:
            click.echo(f"  {getattr(wrong, 'sentence', 'It is not a file.')} Try again.")
        else:
            return path, line


def ask_token() -> CustodianToken:
    """Ask for a custodian's own token, and its PIN without echo."""
    library = click.prompt(
        "  PKCS#11 library of your token", type=click.Path(path_type=Path, exists=True)
    )
    directory = None
    if library.name.startswith("libsofthsm"):
        directory = click.prompt("  its directory (SoftHSM)", type=click.Path(path_type=Path))
    label = str(click.prompt("  label of your token"))
    pin = Secret.of_text(click.prompt("  PIN", hide_input=True))
    return CustodianToken(TokenPlace(library, label, directory), pin)


def _read_file(what: str, asked: str) -> str:
    """Ask for a file of text; return what is in it. Raises ``BadInput`` (USAGE)."""
    click.echo(what)
    path = click.prompt(asked, type=click.Path(path_type=Path, exists=True, dir_okay=False))
    try:
        return str(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        raise BadInput(Control.USAGE, f"{path} can't be read as text.") from None


def _name(asked: str) -> str:
    """Ask until what is typed is a name."""
    while not is_name(name := str(click.prompt(asked))):
        click.echo("  A name has 1 to 64 letters (A to Z), digits, spaces and . _ @ -.")
    return name


@dataclass(frozen=True)
class OpenedPin:
    """A PIN, and the people who opened it."""

    pin: Secret
    by: tuple[str, ...]


def ask_pin(seal: Path, purpose: str, to: Destination | None) -> OpenedPin:
    """Have its holders open a PIN for where it goes: at the terminal, or two lines for each."""
    given = ask_holders(seal, purpose)
    return OpenedPin(unseal(seal, purpose, given, to), tuple(given))


def ask_holders(seal: Path, purpose: str) -> dict[str, Secret]:
    """Ask as many people as it takes for their names and passphrases."""
    names, threshold = holders(seal, purpose)
    click.echo(f"{threshold} of {', '.join(names)} open the token.", err=True)
    return dict(_holder() for _ in range(threshold))


def _holder() -> tuple[str, Secret]:
    if sys.stdin.isatty():
        name = click.prompt("name", err=True)
        return name, Secret.of_text(click.prompt("passphrase", hide_input=True, err=True))
    name, passphrase = sys.stdin.readline(), sys.stdin.readline()
    if not passphrase:
        raise BadInput(
            Control.SEAL,
            "Without a terminal, the token is opened by lines on standard input: a name and its "
            "passphrase, then another name and passphrase, for as many people as it takes.",
        )
    return name.strip(), Secret.of_text(passphrase.rstrip("\n"))
