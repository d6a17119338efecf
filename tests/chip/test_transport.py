"""The client of the card transport, against a small real server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kif.chip.transport import Transport
from kif.formats.error import DeviceFailed


@contextmanager
def serving(path: Path, *answers: bytes) -> Iterator[list[str]]:
    """Serve these answers, one a request, then hang up."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    heard.append(connection.recv(100).decode())
                    for byte in answer:
                        connection.sendall(bytes((byte,)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heard
        thread.join(5)


def test_cards_are_fed_and_stacked(tmp_path: Path) -> None:
    with serving(tmp_path / "s", b"OK\n", b"OK\n", b"OK\n", b"EMPTY\n") as heard:
        belt = Transport.connect(tmp_path / "s")
        assert belt.feed()
        belt.stack(good=True)
        belt.stack(good=False)
        assert not belt.feed()
        belt.close()
    assert heard == ["FEED\n", "STACK GOOD\n", "STACK REJECT\n", "FEED\n"]


@pytest.mark.control("KIF-CHIP-01")
@pytest.mark.parametrize(
    ("answer", "words"), [(b"ERROR jammed\n", "jammed"), (b"", "no answer"), (b"OK", "refused")]
)
def test_other_answers_are_sentences(tmp_path: Path, answer: bytes, words: str) -> None:
    with serving(tmp_path / "s", answer):
        belt = Transport.connect(tmp_path / "s")
        if answer == b"OK":
            assert belt.feed()  # a last line may lack its end
        else:
            with pytest.raises(DeviceFailed, match=words):
                belt.feed()
        belt.close()


@pytest.mark.control("KIF-CHIP-01")
def test_a_machine_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceFailed, match=r"does not answer at .*nowhere"):
        Transport.connect(tmp_path / "nowhere")
