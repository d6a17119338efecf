"""Cards that are kept: a simulated card's memory in a file, so that it can be put in again.

The file has the card's keys in clear, which are TEST keys, like everything of a simulated card.
"""

from __future__ import annotations

import json
from pathlib import Path

from kif.formats.control import Control
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT
from kif.formats.error import BadInput
from kif.formats.lifecycle import CardState
from kif.formats.scp03 import Options
from kif.simulator.card import Card
from kif.simulator.directory import Directory
from kif.simulator.emv import EmvApplication
from kif.simulator.keyset import KeySets
from kif.simulator.vendor import VENDORS

_FORM = "kif-test-card-3"


def keep(card: Card, path: Path) -> None:
    """Write a card's memory, for this user alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fields = {
        "vendor": card.vendor.name,
        "serial": card.serial.hex(),
        "options": card.options.i,
        "life_cycle": card.registry.state.name,
        "applications": [aid.hex() for aid in card.registry.applications],
        "domains": {aid.hex(): keys.memory() for aid, keys in card.registry.domains.items()},
        "owners": {aid.hex(): owner.hex() for aid, owner in card.registry.owners.items()},
        "packages": {
            package.hex(): [module.hex() for module in modules]
            for package, modules in card.registry.code.packages.items()
        },
        "application": card.application.memory(),
        "directory": card.directory.memory(),
        "proximity": card.proximity.memory(),
    }
    partial = path.with_suffix(".partial")
    partial.touch(0o600)
    partial.write_text(json.dumps({_FORM: fields}, indent=1) + "\n")
    partial.replace(path)


def take(path: Path) -> Card:
    """Return the card whose memory lies in a file. Raises ``BadInput`` (BYTES)."""
    try:
        fields = json.loads(path.read_bytes())[_FORM]
        card = Card(vendor=VENDORS[fields["vendor"]], options=Options(int(fields["options"])))
        card.serial = bytes.fromhex(fields["serial"])
        card.registry.state = CardState[fields["life_cycle"]]
        card.registry.applications = [bytes.fromhex(aid) for aid in fields["applications"]]
        card.registry.domains = {
            bytes.fromhex(aid): KeySets.of(keys) for aid, keys in fields["domains"].items()
        }
        card.registry.owners = {
            bytes.fromhex(aid): bytes.fromhex(owner) for aid, owner in fields["owners"].items()
        }
        card.registry.code.packages = {
            bytes.fromhex(package): [bytes.fromhex(module) for module in modules]
            for package, modules in fields["packages"].items()
        }
        card.application = EmvApplication.of(fields["application"], card.opens)
        card.directory = Directory.of(PAYMENT_SYSTEM_ENVIRONMENT, fields["directory"])
        card.proximity = Directory.of(PROXIMITY_ENVIRONMENT, fields["proximity"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            Control.BYTES, f"{path} is not a card that 'kif simulate --keep' has kept."
        ) from None
    return card
