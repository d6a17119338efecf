"""The last sessions with a card: its security domains, opened with the issuer's keys and closed.

What can't be undone comes last: a card becomes SECURED once every other check was passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kif.formats import scp03
from kif.formats.apdu import Response
from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed
from kif.formats.keyref import KeyRef
from kif.formats.lifecycle import CardState, get_status, life_cycle, set_status
from kif.formats.putkey import AES, TDEA
from kif.formats.script import KeyedDomain, Script, SecureChannel
from kif.oracle.recipe import KEY_LIST, Instruction, SizeOf, key_list, selection
from kif.oracle.run import check_all
from kif.oracle.securechannel import Answer, Channel, decoded

_NOT_FOUND = 0x6A88
_SELECTING = 4
"""How many commands a selection has."""
Opens = Callable[[KeyRef, bytes, Answer, bytes], Channel]
"""Opens a channel with keys of the card, by their master, challenge, answer and AID."""
_STATES = (CardState.OP_READY, CardState.INITIALIZED, CardState.SECURED)


def _domains(script: Script) -> tuple[KeyedDomain, ...]:
    """Return each domain of a card that has keys of the issuer, that of the card itself last."""
    own = script.application_domain
    return (script.issuer_domain,) if own is None else (own, script.issuer_domain)


@dataclass
class Domain:
    """A finished card's security domains, from their selection to the card's end."""

    script: Script
    challenge: bytes
    _channel: Channel | None = None
    _sent: tuple[Instruction, ...] = ()

    def selection(self) -> tuple[bytes, ...]:
        """Return SELECT, GET DATA of its keys, and INITIALIZE UPDATE under two key versions.

        Under the vendor's and the issuer's; that for each domain. No session begins but in the last
        one.
        """
        commands: list[bytes] = []
        for domain in _domains(self.script):
            versions = (self.script.key_version, domain.version)
            commands += (selection(domain.name), KEY_LIST.encode())
            commands += (scp03.initialize_update(each, self.challenge) for each in versions)
        return tuple(commands)

    def open(
        self, opens: Opens, size_of: SizeOf, chip: bytes, answers: Sequence[bytes]
    ) -> tuple[bytes, ...]:
        """Judge the answers to it; return the commands by which the card becomes SECURED.

        ``chip`` is the serial on record, ten bytes. Raises ``CheckFailed`` (CARD_KEYS): the
        vendor's keys are there still, or the issuer's are not, or others are besides.
        """
        domains = _domains(self.script)
        count = _SELECTING * len(domains)
        if len(answers) != count:
            raise DeviceFailed(
                Control.CARD_PRESENT,
                f"The security domain answered {len(answers)} of {count} commands.",
            )
        for at, domain in enumerate(domains):
            self.close()
            told = answers[_SELECTING * at : _SELECTING * (at + 1)]
            self._channel = channel = self._proved(domain, opens, chip, told)
            self._require_no_others(domain, size_of, told)
        first = channel.external_authenticate(self.script.security_level)
        self._sent = self._securing(size_of)
        return (first, *(channel.protect(each.command) for each in self._sent))

    def _proved(
        self, domain: KeyedDomain, opens: Opens, chip: bytes, answers: Sequence[bytes]
    ) -> Channel:
        """Return the channel that a domain's answers give, which prove that it has the keys."""
        found = self._opened(answers)
        if found.diversification_data != chip or found.key_version != domain.version:
            raise _not_ours("it is another card, or has another version of them")
        try:
            return opens(domain.master, self.challenge, found, domain.name)
        except DeviceFailed as fault:
            if fault.control is not Control.CARD_CRYPTOGRAM:
                raise
            raise _not_ours("its cryptogram is not the one that they give") from fault

    def require_secured(self, answers: Sequence[bytes]) -> None:
        """Require every answer, and that the card says SECURED. Raises ``CheckFailed``."""
        if self._channel is None:
            raise CheckFailed(Control.CARD_SECURED, "Nothing was asked of the security domain.")
        *_, last = check_all(self._channel, self._sent, answers)
        if life_cycle(last) != CardState.SECURED:
            raise CheckFailed(Control.CARD_SECURED, "The card does not say that it is SECURED.")

    def close(self) -> None:
        """Destroy the channel's keys."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _opened(self, answers: Sequence[bytes]) -> Answer:
        selected, _, vendors, ours = map(Response.decode, answers)
        if not selected.ok:
            raise CheckFailed(Control.CARD_KEYS, f"SELECT was answered {selected.sw:04X}.")
        if vendors.sw != _NOT_FOUND:
            raise CheckFailed(
                Control.CARD_KEYS,
                f"The vendor's keys were answered {vendors.sw:04X}, not {_NOT_FOUND:04X}: they are "
                "in the card still.",
            )
        if not ours.ok:
            raise _not_ours(f"they were answered {ours.sw:04X}")
        return decoded(self.script, ours.data)

    def _require_no_others(
        self, domain: KeyedDomain, size_of: SizeOf, answers: Sequence[bytes]
    ) -> None:
        answer = Response.decode(answers[1])
        if (answer.sw, answer.data) != (0x9000, self._keys(domain, size_of).answer):
            whose = "card" if domain == self.script.issuer_domain else "application"
            raise CheckFailed(
                Control.CARD_KEYS,
                f"The {whose}'s security domain does not have the issuer's keys and no others: GET "
                f"DATA of its keys was answered otherwise ({answer.sw:04X}).",
            )

    def _keys(self, domain: KeyedDomain, size_of: SizeOf) -> Instruction:
        kind = TDEA if self.script.secure_channel is SecureChannel.SCP02 else AES
        return key_list(domain.version, size_of(domain.master), kind)

    def _securing(self, size_of: SizeOf) -> tuple[Instruction, ...]:
        """Return the list of keys, each transition from the delivered state, and GET STATUS.

        The list was judged before, in clear; here the card itself vouches for it.
        """
        ahead = _STATES[_STATES.index(CardState[self.script.life_cycle]) + 1 :]
        return (
            self._keys(self.script.issuer_domain, size_of),
            *(Instruction(set_status(state)) for state in ahead),
            Instruction(get_status()),
        )


def _not_ours(why: str) -> CheckFailed:
    return CheckFailed(Control.CARD_KEYS, f"The card does not open with the issuer's keys: {why}.")
