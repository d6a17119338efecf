"""The perso stations' desk: the three round trips, with every key inside the HSM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.dgi import Dgi, store_data
from kif.formats.error import DeviceFailed, Refused
from kif.formats.script import Group, Script
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.key import Key
from kif.hsm.library import calling
from kif.hsm.scp03 import Channel, static_keys
from kif.ledger.event import Boundary, Kind
from kif.oracle.desk import Desk, batch_row, job_event, job_row, job_view, step
from kif.oracle.interface import Claim, JobView, Segment
from kif.oracle.keys import CARD_MANAGER
from kif.store.engine import Transaction
from kif.store.models import CardJob
from kif.store.state import BatchState, JobState

_SELECT_BY_NAME = 0x04
_INSTALL_FOR_PERSONALIZATION = 0x20


@dataclass
class _Run:
    """What the oracle remembers of a card between round trips; a crash forgets it on purpose."""

    script: Script
    host_challenge: bytes
    channel: Channel | None = None
    commands: int = 0


@dataclass(frozen=True)
class Injection:
    """Implements :class:`kif.oracle.interface.ChipOracle`."""

    desk: Desk
    _runs: dict[int, _Run] = field(default_factory=dict)

    def claim(self, batch: str, station: str) -> Claim | None:
        """Take the next ready job of a released batch; None when there is none left."""
        with self.desk.store.transaction() as tx:
            row = _next(tx, batch)
            if row is None:
                return None
            step(row, JobState.CLAIMED)
            row.station = station
            self.desk.record(tx, job_event(Kind.JOB_CLAIMED, row, Boundary.HSM))
            job = row.id
        with calling("making a host challenge"):
            challenge = self.desk.keys.token.session.generate_random(scp03.CHALLENGE * 8)
        run = _Run(Script.decode(self.desk.script(job)), challenge)
        self._runs[job] = run
        domain = bytes.fromhex(run.script.security_domain)
        select_domain = Command(0x00, 0xA4, _SELECT_BY_NAME, 0x00, domain, 256).encode()
        update = scp03.initialize_update(run.script.key_version, challenge)
        return Claim(job, (select_domain, update))

    def open(self, job: int, response: bytes) -> Segment:
        """Check the answer to INITIALIZE UPDATE (with SW) and protect the script.

        1. Derive the card's keys, check its cryptogram; 2. build and protect every command; 3. the
        entry is durable; 4. only then does the segment leave.
        """
        run = self._run(job)
        if run.channel is not None:
            raise Refused(Control.JOB_STATE, f"The segment of job {job} has left already.")
        answer = scp03.InitializeUpdateResponse.decode(_data(response, "INITIALIZE UPDATE"))
        static = static_keys(self.desk.keys.card_manager, answer.diversification_data)
        run.channel = Channel.open(static, run.host_challenge, answer)
        try:
            commands = self._protected(run.channel, run.script)
            self._authorise(job, answer.diversification_data.hex().upper(), len(commands))
        except BaseException:
            self._forget(job)
            raise
        run.commands = len(commands)
        return Segment(job, commands)

    def finish(self, job: int, responses: Sequence[bytes]) -> JobView:
        """Check every response (with SW) of the segment and its R-MAC: PERSONALISED."""
        run = self._run(job)
        try:
            _check_all(run, responses)
        finally:
            self._forget(job)
        with self.desk.store.transaction() as tx:
            row = job_row(tx, job)
            step(row, JobState.PERSONALISED)
            self.desk.record(tx, job_event(Kind.INJECTION_DONE, row, Boundary.HSM))
            return job_view(row)

    def suspect(self, job: int, control: str, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        if job in self._runs:
            self._forget(job)
        return self.desk.suspect(job, control, sentence)

    def _run(self, job: int) -> _Run:
        if job not in self._runs:
            raise Refused(Control.JOB_STATE, f"Job {job} is not claimed here; claim it first.")
        return self._runs[job]

    def _forget(self, job: int) -> None:
        channel = self._runs.pop(job).channel
        if channel is not None:
            channel.close()

    def _protected(self, channel: Channel, script: Script) -> list[bytes]:
        first = channel.external_authenticate(script.security_level)
        groupings = [self._grouping(channel.dek, script, group) for group in script.groups]
        block = scp03.most_plain_data(script.security_level)
        commands = [_install(script.application), *store_data(groupings, block)]
        return [first, *(channel.protect(command) for command in commands)]

    def _grouping(self, dek: Key, script: Script, group: Group) -> Dgi:
        identifier = int(group.dgi, 16)
        if group.keys:
            masters = [self.desk.keys.emv[name] for name in group.keys]
            cryptogram = wrapped_icc_keys(dek, masters, script.pan, script.psn)
            return Dgi(identifier, cryptogram, encrypted=True)
        if group.check_values:
            masters = [self.desk.keys.emv[name] for name in group.check_values]
            return Dgi(identifier, icc_check_values(masters, script.pan, script.psn))
        return Dgi(identifier, bytes.fromhex(group.data or ""))

    def _authorise(self, job: int, serial: str, commands: int) -> None:
        with self.desk.store.transaction() as tx:
            row = job_row(tx, job)
            _refuse_second_use(tx, serial)
            step(row, JobState.PERSONALISING)
            row.card_serial = serial
            more: dict[str, str | int] = {"key": CARD_MANAGER, "commands": commands}
            event = job_event(Kind.INJECTION_AUTHORISED, row, Boundary.HSM, **more)
            self.desk.record(tx, event)


def _next(tx: Transaction, batch: str) -> CardJob | None:
    row = batch_row(tx, batch)
    if row.state is not BatchState.RELEASED:
        raise Refused(
            Control.BATCH_STATE,
            f"Batch {batch} is {row.state.value}; cards are made of a released batch only. Two "
            "operators release it with 'kif batch release'.",
        )
    ready = (CardJob.batch_id == batch) & (CardJob.state == JobState.PREPARED)
    return tx.session.scalars(select(CardJob).where(ready).order_by(CardJob.number)).first()


def _refuse_second_use(tx: Transaction, serial: str) -> None:
    if tx.session.scalars(select(CardJob).where(CardJob.card_serial == serial)).first():
        raise DeviceFailed(
            Control.CARD_ONCE,
            f"The card {serial} was used for another job before. No key was sent; put it in the "
            "reject box.",
        )


def _check_all(run: _Run, responses: Sequence[bytes]) -> None:
    if run.channel is None or len(responses) > run.commands:
        raise Refused(Control.JOB_STATE, "These answers do not belong to a segment of this job.")
    for number, raw in enumerate(responses):
        response = Response.decode(raw)
        if not response.ok:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"Command {number + 1} of {run.commands} was answered {response.sw:04X}, not 9000.",
            )
        if number:  # EXTERNAL AUTHENTICATE itself carries no R-MAC.
            run.channel.check(number - 1, response)
    if len(responses) < run.commands:
        raise DeviceFailed(
            Control.CARD_PRESENT,
            f"The card answered {len(responses)} of {run.commands} commands.",
        )


def _install(application: str) -> Command:
    """INSTALL [for personalization] (GPC 2.3.1, 11.5.2.3.6)."""
    aid = bytes.fromhex(application)
    data = bytes((0, 0, len(aid))) + aid + bytes(3)
    return Command(0x80, 0xE6, _INSTALL_FOR_PERSONALIZATION, 0x00, data)


def _data(raw: bytes, command: str) -> bytes:
    response = Response.decode(raw)
    if not response.ok:
        raise DeviceFailed(
            Control.CARD_STATUS, f"{command} was answered {response.sw:04X}, not 9000."
        )
    return response.data
