"""The perso stations' desk: the three round trips, with every key inside the HSM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.dgi import Dgi, store_data
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.script import Group, Script
from kif.formats.state import JobState
from kif.hsm.cmac import CmacMaster
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.key import Key
from kif.hsm.library import calling
from kif.hsm.scp03 import Channel, static_keys
from kif.ledger.events.card import InjectionAuthorised, InjectionDone, JobClaimed
from kif.oracle.desk import Desk, mark_suspect, moved
from kif.oracle.group import Step
from kif.oracle.interface import Claim, JobRef, JobView, Segment

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
class Chip:
    """Implements :class:`kif.oracle.interface.ChipOracle`."""

    desk: Desk
    _runs: dict[JobRef, _Run] = field(default_factory=dict)

    def claim(self, batch: str, station: str) -> Claim | JobView | None:
        """Take the next ready job of a released batch; None when there is none left.

        A job whose data can't be opened, or is not what was released, is suspect now, and its view
        is returned: no card was touched for it, and the next claim gets the next job.
        """
        found = self.desk.record.write(partial(self._claim, batch, station))
        if found is None or isinstance(found, JobView):
            return found
        job, script = found
        with calling("making a host challenge"):
            challenge = self.desk.keys.token.session.generate_random(scp03.CHALLENGE * 8)
        run = _Run(script, challenge)
        self._runs[job] = run
        domain = bytes.fromhex(run.script.security_domain)
        select_domain = Command(0x00, 0xA4, _SELECT_BY_NAME, 0x00, domain, 256).encode()
        update = scp03.initialize_update(run.script.key_version, challenge)
        return Claim(job, (select_domain, update))

    def _claim(
        self, batch: str, station: str, step: Step
    ) -> tuple[JobRef, Script] | JobView | None:
        step.state.batches.require_released(batch, station, step.now)
        number = step.state.batches.open_jobs(batch).first(JobState.PREPARED)
        if number is None:
            return None
        job = JobRef(batch, number)
        try:
            clear = self.desk.script_at(step.state, step.session, job, JobState.PREPARED)
        except CheckFailed as fault:
            if fault.control is not Control.DATA_AT_REST:
                raise
            return mark_suspect(step, job, fault.control, fault.sentence)
        step.record(JobClaimed(step.by, batch, number, station))
        moved(step, job, station=station)
        return job, Script.decode(clear)

    def open(self, job: JobRef, response: bytes) -> Segment:
        """Check the answer to INITIALIZE UPDATE (with SW) and protect the script.

        1. Derive the card's keys, check its cryptogram; 2. build and protect every command; 3. the
        entry is durable; 4. only then does the segment leave.
        """
        run = self._run(job)
        if run.channel is not None:
            raise Refused(Control.JOB_STATE, f"The segment of {job} has left already.")
        answer = scp03.InitializeUpdateResponse.decode(_data(response, "INITIALIZE UPDATE"))
        static = static_keys(self._card_manager(job, run.script), answer.diversification_data)
        run.channel = Channel.open(static, run.host_challenge, answer)
        try:
            commands = self._protected(job, run.channel, run.script)
            self._authorise(job, answer.diversification_data.hex().upper(), len(commands))
        except BaseException:
            self._forget(job)
            raise
        run.commands = len(commands)
        return Segment(job, commands)

    def finish(self, job: JobRef, responses: Sequence[bytes]) -> JobView:
        """Check every response (with SW) of the segment and its R-MAC: PERSONALISED."""
        run = self._run(job)
        try:
            _check_all(run, responses)
        finally:
            self._forget(job)
        return self.desk.record.write(partial(_done, job))

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        if job in self._runs:
            self._forget(job)
        return self.desk.suspect(job, control, sentence)

    def _run(self, job: JobRef) -> _Run:
        if job not in self._runs:
            raise Refused(Control.JOB_STATE, f"{job} is not claimed here; claim it first.")
        return self._runs[job]

    def _forget(self, job: JobRef) -> None:
        channel = self._runs.pop(job).channel
        if channel is not None:
            channel.close()

    def _card_manager(self, job: JobRef, script: Script) -> CmacMaster:
        return self.desk.cmac_master(job.batch, KeyRef.parse(script.card_manager))

    def _protected(self, job: JobRef, channel: Channel, script: Script) -> list[bytes]:
        first = channel.external_authenticate(script.security_level)
        groupings = [self._grouping(job, channel.dek, script, group) for group in script.groups]
        block = scp03.most_plain_data(script.security_level)
        commands = [_install(script.application), *store_data(groupings, block)]
        return [first, *(channel.protect(command) for command in commands)]

    def _grouping(self, job: JobRef, dek: Key, script: Script, group: Group) -> Dgi:
        identifier = int(group.dgi, 16)
        diversification = bytes.fromhex(script.diversification)
        if group.keys:
            cryptogram = wrapped_icc_keys(dek, self._masters(job, group.keys), diversification)
            return Dgi(identifier, cryptogram, encrypted=True)
        if group.check_values:
            masters = self._masters(job, group.check_values)
            return Dgi(identifier, icc_check_values(masters, diversification))
        return Dgi(identifier, bytes.fromhex(group.data or ""))

    def _masters(self, job: JobRef, names: Sequence[str]) -> list[Key]:
        return [self.desk.master(job.batch, KeyRef.parse(name)) for name in names]

    def _authorise(self, job: JobRef, serial: str, commands: int) -> None:
        def work(step: Step) -> None:
            step.record(InjectionAuthorised(step.by, job.batch, job.number, serial, commands))
            moved(step, job, card_serial=serial)

        self.desk.record.write(work)


def _done(job: JobRef, step: Step) -> JobView:
    step.record(InjectionDone(step.by, job.batch, job.number))
    return moved(step, job)


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
