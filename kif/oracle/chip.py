"""The perso stations' desk: a station relays, the oracle decides, every key stays inside the HSM.

A job's round trips are told apart by the number of the segment that is answered, so that one whose
answer was lost can be repeated: it gets the same bytes, and nothing is protected twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, DeviceFailed, KifError, Refused
from kif.formats.script import Script
from kif.formats.state import JobState
from kif.formats.text import for_the_record
from kif.ledger.events.card import (
    CardRejected,
    InjectionAuthorised,
    InjectionDone,
    JobClaimed,
)
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import Claim, Done, JobRef, JobView, Lease, Segment
from kif.oracle.recipe import Material, sessions
from kif.oracle.rows import mark_suspect, moved, take_back, withdraw
from kif.oracle.run import Run, check_all, opened, require_card
from kif.oracle.securechannel import Channel, decoded, delivery_of, open_channel

LEASE = timedelta(minutes=10)
"""How long a station holds a card."""
_REMEMBERED = 256
"""Answers that are kept for a station which asks again."""
_CARD_FAULTS = frozenset(
    {
        Control.CARD_CRYPTOGRAM,
        Control.CARD_PRESENT,
        Control.CARD_STATUS,
        Control.CARD_RESPONSE_MAC,
        Control.CARD_ONCE,
        Control.CARD_PROFILE,
        Control.CARD_KEYS,
        Control.CARD_DELIVERED,
        Control.BYTES,
    }
)
_LAPSED = "The lease of {station} ended while this card was {state}. Nobody can say what it holds."


Answer = TypeVar("Answer", Segment, Done)


@dataclass(frozen=True)
class Chip:
    """Implements :class:`kif.oracle.interface.ChipOracle`."""

    desk: Desk
    code: Callable[[str], bytes]
    """Gives a load file's data block by its SHA-256 (hex)."""
    _runs: OrderedDict[JobRef, Run] = field(default_factory=OrderedDict)
    _claims: OrderedDict[tuple[str, str], Claim | JobView | None] = field(
        default_factory=OrderedDict
    )

    def claim(self, batch: str, station: str, request: str) -> Claim | JobView | None:
        """Take the next ready job of a released batch; None when there is none left.

        A job whose data can't be opened, or is not what was released, is suspect now, and its view
        is returned: no card was touched for it, and the next claim gets the next job.
        """
        key = (station, request)
        if key not in self._claims:
            self._claims[key] = self._claimed(batch, station)
            _shorten(self._claims)
        return self._claims[key]

    def _claimed(self, batch: str, station: str) -> Claim | JobView | None:
        found = self.desk.record.write(partial(self._claim, batch, station))
        if found is None or isinstance(found, JobView):
            return found
        lease, script = found
        ahead, challenge = sessions(script), self.desk.challenge(script)
        segment = Segment(1, ahead[0].opening(script, challenge))
        self._runs[lease.job] = Run(lease, script, challenge, ahead, segment)
        return Claim(lease, segment)

    def _claim(self, batch: str, station: str, step: Step) -> tuple[Lease, Script] | JobView | None:
        terms = step.state.batches.require_released(batch, station, step.now)
        step.state.stations.require(station)
        self._take_back(step, batch)
        number = step.state.batches.open_jobs(batch).first(JobState.PREPARED)
        if number is None:
            return None
        job = JobRef(batch, number)
        try:
            clear = self.desk.script_at(step.state, step.connection, job, JobState.PREPARED)
        except CheckFailed as fault:
            if fault.control is not Control.DATA_AT_REST:
                raise
            return mark_suspect(step, job, fault.control, fault.sentence)
        until = min(step.now + LEASE, terms.expires)
        step.record(JobClaimed(step.by, batch, number, station, until))
        moved(step, job, station=station)
        return Lease(job, station, until), Script.decode(clear)

    def _take_back(self, step: Step, batch: str) -> None:
        """Take back what stations hold beyond their leases: ready again, or suspect."""
        jobs = step.state.batches.open_jobs(batch)
        for number in jobs.lapsed(step.now):
            job, station = JobRef(batch, number), jobs.holder(number).station
            if job in self._runs:
                self._runs[job].close()
            told = _LAPSED.format(station=station, state=jobs.state(number).value)
            take_back(step, job, Control.LEASE, told)

    def next(self, lease: Lease, number: int, responses: Sequence[bytes]) -> Segment | Done:
        """Take the card's answers to a segment; say what comes next."""
        run, answers = self._run(lease), tuple(responses)
        with run.lock:
            if run.done is not None:
                return _again(run, number, run.segment.number, answers, run.done)
            if number == run.segment.number - 1:
                return _again(run, number, number, answers, run.segment)
            if number != run.segment.number:
                raise Refused(
                    Control.JOB_STATE, f"{lease.job} has no segment {number} to be answered."
                )
            if run.channel is None:
                return self._open(run, answers)
            return self._go_on(run, run.channel, answers)

    def give_up(self, lease: Lease, control: Control, sentence: str) -> Done:
        """Say that the card, or the reader, gave no answer: SUSPECT once a key has left.

        Before that the job is ready again; the blank is rejected, unless it was the reader.
        """
        run = self._run(lease)
        with run.lock:
            if run.done is not None:
                return run.done
            fault, run.answered = DeviceFailed(control, sentence), ()
            if run.serial:
                return self._suspect(run, fault)
            if control is Control.READER:
                return self._withdraw(run)
            return self._reject(run, fault)

    def _open(self, run: Run, answers: tuple[bytes, ...]) -> Segment | Done:
        """Check the answer to INITIALIZE UPDATE and protect what is sent in the session.

        1. The card is of the script's profile, and the one that had a session before; 2. derive its
        keys, check its cryptogram; 3. build and protect every command; 4. the entry is durable;
        5. only then does the segment leave.
        """
        try:
            *told, last = opened(run, answers)
            found = decoded(run.script, last)
            require_card(run, found, told)
            session = run.sessions[0]
            opening = (run.lease.job.batch, run.script, session.master, run.challenge, found)
            run.channel = open_channel(self.desk, *opening, session.aid)
            commands = self._protected(run, run.channel, found.diversification_data)
            if not run.serial:
                self._authorise(run, found.diversification_data.hex().upper(), len(commands))
        except KifError as fault:
            run.close()
            if fault.control in _CARD_FAULTS:
                run.answered = answers
                return self._suspect(run, fault) if run.serial else self._reject(run, fault)
            raise
        except BaseException:
            run.close()
            raise
        run.serial = found.diversification_data
        return _next(run, answers, commands)

    def _protected(self, run: Run, channel: Channel, serial: bytes) -> tuple[bytes, ...]:
        batch, script = run.lease.job.batch, run.script
        master = partial(self.desk.master, batch)
        delivery = delivery_of(self.desk, batch, script, channel)
        signer = partial(self.desk.signer, batch)
        pins = partial(self.desk.pin_storage, batch)
        run.card = Material(script, delivery, master, signer, pins, self.code, serial)
        first, *ahead = run.sessions[0].parts
        run.sent, run.ahead, run.checked = first(run.card), tuple(ahead), None
        opening = channel.external_authenticate(script.security_level)
        return (opening, *(channel.protect(each.command) for each in run.sent))

    def _authorise(self, run: Run, serial: str, commands: int) -> None:
        job = run.lease.job

        def work(step: Step) -> None:
            step.record(InjectionAuthorised(step.by, job.batch, job.number, serial, commands))
            moved(step, job, card_serial=serial)

        self.desk.record.write(work)

    def _go_on(self, run: Run, channel: Channel, answers: tuple[bytes, ...]) -> Segment | Done:
        """Check every answer and its R-MAC: what comes next, PERSONALISED, or SUSPECT."""
        try:
            told = check_all(channel, run.sent, answers, run.checked)
            if run.card is not None and run.ahead:
                return self._next_part(run, channel, run.card, answers, told[-1])
        except (DeviceFailed, BadInput) as fault:
            if fault.control not in _CARD_FAULTS:
                raise
            done = self._suspect(run, fault)
            run.answered = answers
            return done
        if run.sessions[1:]:
            return self._next_session(run, answers)
        run.answered = answers
        return self._ended(run, Done(self.desk.record.write(partial(_done, run.lease.job))))

    def _next_part(
        self,
        run: Run,
        channel: Channel,
        card: Material,
        answers: tuple[bytes, ...],
        told: bytes,
    ) -> Segment:
        """Make what depends on the card's last answer, and protect it."""
        part, *ahead = run.ahead
        card.answered = told
        sent = part(card)
        run.checked = (run.checked or 0) + len(run.sent)
        run.sent, run.ahead = sent, tuple(ahead)
        return _next(run, answers, tuple(channel.protect(each.command) for each in sent))

    def _next_session(self, run: Run, answers: tuple[bytes, ...]) -> Segment:
        challenge = self.desk.challenge(run.script)
        run.close()
        run.challenge, run.sessions = challenge, run.sessions[1:]
        return _next(run, answers, run.sessions[0].opening(run.script, challenge))

    def _reject(self, run: Run, fault: KifError) -> Done:
        """Record that a blank failed before any key left; its job is ready again."""
        job, station = run.lease.job, run.lease.station
        reason = for_the_record(fault.sentence)

        def work(step: Step) -> JobView:
            event = CardRejected(step.by, job.batch, job.number, station, fault.control, reason)
            step.record(event)
            return moved(step, job, station=None)

        view = self.desk.record.write(work)
        return self._ended(run, Done(view, rejected=f"{fault.sentence} [{fault.control.value}]"))

    def _withdraw(self, run: Run) -> Done:
        """Give a job back for which no key left, by no fault of its card."""
        job = run.lease.job
        return self._ended(run, Done(self.desk.record.write(lambda step: withdraw(step, job))))

    def _suspect(self, run: Run, fault: KifError) -> Done:
        return self._ended(
            run, Done(self.desk.suspect(run.lease.job, fault.control, fault.sentence))
        )

    def _ended(self, run: Run, done: Done) -> Done:
        run.close()
        run.done = done
        self._runs.move_to_end(run.lease.job)
        while len(self._runs) > _REMEMBERED and next(iter(self._runs.values())).done:
            self._runs.popitem(last=False)
        return done

    def _run(self, lease: Lease) -> Run:
        run = self._runs.get(lease.job)
        if run is None or run.lease != lease:
            raise Refused(
                Control.LEASE, f"{lease.job} is not held by {lease.station} here; claim it first."
            )
        return run


def _next(run: Run, answers: tuple[bytes, ...], commands: tuple[bytes, ...]) -> Segment:
    """Give the run its next segment."""
    run.answered, run.segment = answers, Segment(run.segment.number + 1, commands)
    return run.segment


def _again(run: Run, number: int, last: int, answers: tuple[bytes, ...], given: Answer) -> Answer:
    """Return what was given before for the same answers of the card to the same segment."""
    if (number, answers) != (last, run.answered):
        raise Refused(
            Control.JOB_STATE,
            f"Segment {number} of {run.lease.job} was answered otherwise before. Nothing was done.",
        )
    return given


def _shorten(claims: OrderedDict[tuple[str, str], Claim | JobView | None]) -> None:
    while len(claims) > _REMEMBERED:
        claims.popitem(last=False)


def _done(job: JobRef, step: Step) -> JobView:
    step.record(InjectionDone(step.by, job.batch, job.number))
    return moved(step, job)
