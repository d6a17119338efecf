"""Five custodians at a real terminal, 3 of 5: a backup, a lost HSM, somebody replaced, a drill.

Their shares are in files, on printed sheets that are scanned, in words written by hand, and in a
token of a custodian's own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from kif.ceremony.genesis import hold_genesis
from kif.ceremony.plan import load_plan
from kif.formats.keyref import KeyRef
from kif.hsm.library import softhsm_library
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.oracle.home import Home
from tests.cli.kif import kif
from tests.cli.terminal import Terminal
from tests.owntoken import PIN as OWN_PIN
from tests.owntoken import make_own_token
from tests.site import OPERATORS, PLAN, TestSite, rehearsing_people

FIVE = [f"custodian-{number}" for number in range(1, 6)]
THREE = [f"operator-{number}" for number in range(1, 4)]
LP = """#!/bin/sh
cat > "$SHEETS/$(ls "$SHEETS" | wc -l).pdf"
"""
SECOND_SCREEN = re.compile(r"\x1b\[\?1049h(.*?)\x1b\[\?1049l", re.DOTALL)


class Room:
    """A terminal at which people of a site hold a ceremony; it knows where their secrets are."""

    def __init__(self, site: TestSite, folder: Path, *arguments: str) -> None:
        self.site, self.folder = site, folder
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "sheets").mkdir(exist_ok=True)
        (folder / "bin" / "lp").write_text(LP)
        (folder / "bin" / "lp").chmod(0o755)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "SHEETS": str(folder / "sheets")}
        program = [sys.executable, "-m", "kif.cli.main", "--home", str(site.home.path), "ceremony"]
        self.terminal = Terminal([*program, *arguments], environment)

    def open(self, purpose: str, names: tuple[str, ...]) -> None:
        """Open a sealed PIN."""
        for name in names:
            self.terminal.answer("name: ", name)
            self.terminal.answer("passphrase: ", self.passphrase(name, purpose))

    def passphrase(self, name: str, purpose: str) -> str:
        return self.site.people.passphrase(name, purpose).reveal().decode()

    def sign(self, names: list[str]) -> None:
        """Sign what is shown, one after another."""
        for name in names:
            self.terminal.expect(f"{name} signs this statement")
            self.terminal.answer("agent", str(self.site.people.key(name)))

    def choose(self, role: str, names: list[str]) -> None:
        """Say who takes part, where there is a choice."""
        for number, name in enumerate(names, start=1):
            self.terminal.answer(f"{role} {number}", name)

    def share_file(self, name: str, key: KeyRef) -> Path:
        return self.folder / f"{name}-{key.version}.share"

    def keep_in_file(self, name: str, key: KeyRef) -> None:
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, print, hand): ", "file")
        self.terminal.answer("of your own: ", str(self.share_file(name, key)))
        self.terminal.answer("passphrase: ", self.passphrase(name, str(key)))
        self.terminal.answer("again: ", self.passphrase(name, str(key)))

    def own_token(self, words: str, name: str) -> None:
        """Name a custodian's token, and give its PIN."""
        self.terminal.answer("PKCS#11 library of your token: ", str(softhsm_library()))
        self.terminal.answer("its directory (SoftHSM): ", str(self.folder / f"{name}-token"))
        self.terminal.answer("label of your token: ", name)
        self.terminal.answer("PIN: ", words)

    def keep_in_token(self, name: str) -> None:
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, print, hand): ", "token")
        self.own_token(OWN_PIN, name)

    def give_token(self, name: str, pin: str = OWN_PIN) -> None:
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, paper): ", "token")
        self.own_token(pin, name)

    def print_out(self, name: str) -> str:
        """Keep a share on a printed sheet; return what a scanner reads from it."""
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, print, hand): ", "print")
        before = len(list((self.folder / "sheets").iterdir()))
        self.terminal.answer("the usual one): ", "")
        self.terminal.expect("Read it back")
        pdf = pypdfium2.PdfDocument(self.folder / "sheets" / f"{before}.pdf")
        (found,) = zxingcpp.read_barcodes(pdf[0].render(scale=3).to_pil())
        self.terminal.answer("by a scanner: ", str(found.text))
        return str(found.text)

    def write_down(self, name: str) -> str:
        """Keep a share in words written by hand; return them."""
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, print, hand): ", "hand")
        self.terminal.expect("Enter, when they are written")
        shown = self.terminal.seen.rsplit("Four letters of each tell it.", 1)[1]
        words = " ".join(re.findall(r"[0-9]+ ([a-z]+)", shown))
        self.terminal.answer(": ", "")
        self.terminal.answer("by a scanner: ", words)
        return words

    def give_file(self, name: str, key: KeyRef, passphrase: str = "") -> None:
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, paper): ", "file")
        self.terminal.answer("file of the share: ", str(self.share_file(name, key)))
        self.terminal.answer("passphrase: ", passphrase or self.passphrase(name, str(key)))

    def give_paper(self, name: str, typed: str) -> None:
        self.terminal.expect(f"{name} alone: share")
        self.terminal.answer("(token, file, paper): ", "paper")
        self.terminal.answer("by a scanner: ", typed)

    def seal(self, names: list[str], purpose: str) -> None:
        for name in names:
            self.terminal.expect(f"{name} alone: choose a passphrase")
            self.terminal.answer("passphrase: ", self.passphrase(name, purpose))
            self.terminal.answer("again: ", self.passphrase(name, purpose))

    def bag(self, names: list[str], numbers: list[str]) -> None:
        """Close each custodian's bag."""
        for name, number in zip(names, numbers, strict=True):
            self.terminal.expect(f"{name}: put into a new bag")
            self.terminal.answer("number of the bag: ", number)
            self.terminal.answer("where it is kept: ", f"safe of {name}")

    def unbag(self, name: str, number: str) -> None:
        """Read the number of a bag that is to be opened."""
        self.terminal.expect(f"{name}: show that the bag")
        self.terminal.answer("number of the bag: ", number)

    def kill(self) -> None:
        """Kill -9, as a power cut does."""
        self.terminal.process.kill()
        self.terminal.process.wait(10)

    def end(self, words: str) -> str:
        """Wait for the end; return all that was seen."""
        self.terminal.expect(words)
        assert self.terminal.process.wait(20) == 0
        return self.terminal.seen


def changed(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Write a shipped plan for five custodians."""
    text = PLAN.with_name(f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    load_plan(path)
    return path


def listed(site: TestSite) -> dict[str, tuple[str, str]]:
    rows = kif(site.home.path, "key", "list", "--json").json()
    return {row["key"]: (row["state"], row["kcv"]) for row in rows}


@pytest.mark.control("KIF-CER-05", "KIF-CER-06", "KIF-CER-07", "KIF-HSM-11")
def test_five_custodians_back_up_lose_restore_replace_and_drill(tmp_path: Path) -> None:
    home, people = Home(tmp_path / "home"), rehearsing_people(tmp_path / "home")
    genesis = changed(tmp_path, "genesis", ("custodian: 3", "custodian: 5"))
    with home.alone():
        hold_genesis(home, load_plan(genesis), "five-custodians", people)
    site = TestSite(home, people)
    kek, folder = KeyRef("site", "backup-kek", 1), tmp_path
    seen = []

    # Backup: five shares on three kinds of media, killed in between, and mistakes on the way.
    plan = changed(
        folder, "backup", ("custodian: 3", "custodian: 5"), ("threshold: 2", "threshold: 3")
    )
    room = Room(site, folder, "run", str(plan))
    room.open(USER_PIN, OPERATORS)
    room.open(SO_PIN, ("custodian-1", "custodian-2"))
    room.sign([*FIVE, *OPERATORS])
    room.keep_in_file(FIVE[0], kek)
    room.print_out(FIVE[1])
    room.terminal.expect("custodian-3 alone: share")
    seen.append(room.terminal.seen)
    room.kill()
    room = Room(site, folder, "resume")
    room.open(USER_PIN, OPERATORS)
    room.open(SO_PIN, ("custodian-3", "custodian-5"))
    room.terminal.expect("The ceremony 'backup' goes on.")
    room.share_file(FIVE[0], kek).unlink()  # of the step that was interrupted
    room.keep_in_file(FIVE[0], kek)
    printed = {FIVE[1]: room.print_out(FIVE[1])}
    written = {FIVE[2]: room.write_down(FIVE[2])}
    printed[FIVE[3]] = room.print_out(FIVE[3])
    room.keep_in_file(FIVE[4], kek)
    room.terminal.expect("any 3 of 5 shares give it, fewer don't")
    room.choose("holder of a share", [FIVE[1], FIVE[2], FIVE[4]])
    room.give_paper(FIVE[1], printed[FIVE[3]])  # somebody else's sheet
    room.terminal.expect("This is share 4 of site/backup-kek/1; share 2 of")
    room.give_paper(FIVE[1], printed[FIVE[1]])
    words = written[FIVE[2]].split()
    room.give_paper(FIVE[2], " ".join([*words[:7], "zoology", *words[8:]]))
    room.terminal.expect("Word 8 is no word of the list.")
    room.give_paper(FIVE[2], " ".join([words[1], words[0], *words[2:]]))
    room.terminal.expect("Once more, please.")
    room.give_paper(FIVE[2], written[FIVE[2]])
    room.give_file(FIVE[4], kek, "a wrong passphrase")
    room.terminal.expect("The passphrase does not open")
    room.give_file(FIVE[4], kek)
    room.bag(FIVE, [f"A-{number}" for number in range(1, 6)])
    room.sign([*FIVE, *OPERATORS])
    seen.append(room.end("Active: site/backup-kek/1"))
    before = listed(site)

    # The HSM is lost; three of the five bring every master back in another one.
    shutil.rmtree(home.site / "token")
    plan = changed(folder, "restore", ("custodian: 3", "custodian: 5"))
    room = Room(site, folder, "run", str(plan))
    room.sign([*FIVE, *THREE])
    room.seal(THREE, USER_PIN)
    room.seal(FIVE, SO_PIN)
    room.choose("holder of a share", [FIVE[0], FIVE[2], FIVE[3]])
    room.give_file(FIVE[0], kek)
    room.terminal.expect("custodian-3 alone: share")
    seen.append(room.terminal.seen)
    room.kill()
    assert "stands at step 4 (restore)" in kif(home.path, "ceremony", "status").out
    room = Room(site, folder, "resume")
    room.open(USER_PIN, tuple(THREE[1:]))
    room.choose("holder of a share", [FIVE[0], FIVE[2], FIVE[3]])
    room.give_file(FIVE[0], kek)
    room.give_paper(FIVE[2], " ".join(word[:4] for word in words))  # four letters are enough
    room.give_paper(FIVE[3], printed[FIVE[3]])
    room.terminal.expect("restored from the backup, with the same check values")
    room.sign([*FIVE, *THREE])  # which key signs the log
    room.sign([*FIVE, *THREE])  # the end
    seen.append(room.end("Active: site/site-ca/2, site/envelope-recipient/2"))
    after = listed(site)
    assert after["site/data-protection/1"] == before["site/data-protection/1"]

    # custodian-2 leaves and custodian-6 comes: a new quorum, and a new seal.
    people.appoint("custodian", 6)
    stay, came = [FIVE[0], *FIVE[2:]], "custodian-6"
    plan = changed(
        folder,
        "replace-custodian",
        ("custodian: 2", "custodian: 4"),
        ("minutes: 30\n    threshold: 2", "minutes: 30\n    threshold: 3"),
    )
    room = Room(site, folder, "run", str(plan))
    room.open(USER_PIN, OPERATORS)
    room.open(SO_PIN, ("custodian-4", "custodian-5"))
    room.choose("custodian", stay)
    room.sign([*stay, *OPERATORS])
    room.terminal.answer("name: ", came)
    room.terminal.answer("public key file: ", str(people.key(came).with_suffix(".pub")))
    room.terminal.answer("or nobody): ", "manager-of-custodian-6")
    room.terminal.answer("who is released", "custodian-2")
    new = KeyRef("site", "backup-kek", 2)
    make_own_token(folder / f"{came}-token", came)
    for name in stay:
        room.keep_in_file(name, new)
    room.keep_in_token(came)
    room.choose("holder of a share", [came, FIVE[0], FIVE[4]])
    room.give_file(FIVE[0], new)
    room.give_file(FIVE[4], new)
    room.give_token(came, "TEST-9999")
    room.terminal.expect("The token did not accept the PIN.")
    room.give_token(came)
    room.seal([*stay, came], SO_PIN)
    room.terminal.expect("number of the bag: ")
    room.terminal.type("A-1")  # a bag is used once
    room.terminal.answer("where it is kept: ", "a safe")
    room.terminal.expect("The bag A-1 was used before, by custodian-1.")
    room.bag([*stay, came], [f"B-{number}" for number in range(1, 6)])
    room.sign([*stay, *OPERATORS, came])
    seen.append(room.end("Active: site/backup-kek/2"))

    # A drill of the new quorum: every share, and one of the old set is told.
    plan = changed(folder, "share-drill", ("custodian: 3", "custodian: 5"))
    room = Room(site, folder, "run", str(plan))
    room.open(USER_PIN, ("operator-2", "operator-3"))
    holders = [*stay, came]
    room.sign([*holders, "operator-2", "operator-3"])
    room.unbag(holders[0], "B-2")  # somebody else's
    room.terminal.expect("There is no closed bag B-2 of custodian-1")
    for number, name in enumerate(holders, start=1):
        room.unbag(name, f"B-{number}")
    room.terminal.expect(f"{FIVE[0]} alone: share")
    room.terminal.answer("(token, file, paper): ", "file")
    room.terminal.answer("file of the share: ", str(room.share_file(FIVE[0], kek)))
    room.terminal.answer("passphrase: ", room.passphrase(FIVE[0], str(kek)))
    room.terminal.expect("is share 1 of site/backup-kek/1; share 1 of site/backup-kek/2 is needed")
    for name in stay:
        room.give_file(name, new)
    room.give_token(came)
    room.terminal.expect("All 5 shares of site/backup-kek/2 are readable and right.")
    room.bag(holders, [f"C-{number}" for number in range(1, 6)])
    room.sign([*holders, "operator-2", "operator-3"])
    seen.append(room.end("The ceremony is closed."))

    quorums = {key: state for key, (state, _) in listed(site).items() if "backup-kek" in key}
    assert quorums == {"site/backup-kek/1": "destroyed", "site/backup-kek/2": "active"}
    kinds = [each["kind"] for each in kif(home.path, "log", "show", "--json").json()]
    assert kinds.count("step-missed") == 4 + 2 + 2
    assert kinds.count("ceremony-resumed") == 2
    assert kif(home.path, "log", "verify").code == 0
    told = "".join(seen)
    # What is secret was typed without echo; words were shown on the second screen alone.
    secrets = [*printed.values(), *written.values(), room.passphrase(FIVE[0], str(kek)), OWN_PIN]
    assert not [secret for secret in secrets if secret in told]
    first_screen = SECOND_SCREEN.sub("", told)
    assert "Four letters of each tell it." in told
    assert "Four letters of each tell it." not in first_screen
    for path in (path for path in home.path.rglob("*") if path.is_file()):
        content = path.read_bytes().upper()
        assert not [text for text in printed.values() if text[-64:].encode() in content]
