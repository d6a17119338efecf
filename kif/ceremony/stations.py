"""A station is enrolled under its name, with the public key of its own."""

from __future__ import annotations

from functools import partial

from kif.ceremony.people import until_right
from kif.ceremony.scene import Scene
from kif.formats.sshkey import SshKey


def enrol_station(scene: Scene) -> None:
    """Have a station enrolled, whose key's fingerprint everyone compares."""
    if scene.running.carried:
        return scene.people.tell("The station was enrolled before the interruption.")
    stations = scene.desk.stations
    number = len(stations.all()) + 1

    def enrol() -> None:
        name, public_key = scene.people.station(number)
        mark = SshKey.parse(public_key).fingerprint
        scene.people.tell(f"The key of {name}: {mark}")
        scene.people.agree("Does 'ssh-keygen -l' show the same in the station itself?")
        stations.enrol(name, public_key)
        scene.people.tell(f"{name} is enrolled.")

    until_right(scene.people, enrol, partial(scene.desk.miss, f"station {number}"))
    return None
