"""A session that is lost in the middle: a sentence, nothing half done, and a new opening works."""

import subprocess
import sys
from pathlib import Path

RUN = """
import ctypes, sys
from pathlib import Path
from pkcs11 import ObjectClass
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm import softhsm
from kif.hsm.data import protect
from kif.hsm.derive import derive
from kif.hsm.functions import Functions
from kif.hsm.form import find_master, generate_master
from kif.hsm.key import Algorithm, generate
from kif.hsm.library import softhsm_library
from kif.hsm.provision import provision
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage

directory, pin = Path(sys.argv[1]), Secret(b"TEST-USER-PIN")
softhsm.use_directory(directory)
place = TokenPlace(softhsm_library(), "kif-lost", directory)
provision(place.library, place.label, Secret(b"TEST-SO-PIN"), pin)
token = Token.open(place, pin)
master = generate_master(token, "master", Algorithm.AES_256).key
batch = generate(token, Usage.BATCH_DATA, Algorithm.AES_256)
child = derive(master, bytes(range(32)), Algorithm.AES_256, Usage.CARD_DERIVATION)
slot = ctypes.c_ulong(token.session.token.slot.slot_id)
Functions(place.library).CloseAllSessions(slot)
for attempt in (
    lambda: derive(master, bytes(32), Algorithm.AES_256, Usage.PUBLIC_BLOCK),
    lambda: protect(token, batch, Secret(b"data"), b"context"),
    lambda: generate(token, Usage.CONTENT, Algorithm.AES_256),
    lambda: token.find("master", ObjectClass.SECRET_KEY),
    child.destroy,
):
    try:
        attempt()
    except DeviceFailed as lost:
        print(lost.control.value, lost.sentence)
try:
    token.close()
except DeviceFailed as lost:
    print(lost.control.value, lost.sentence)
with Token.open(place, pin) as again:
    again_master = find_master(again, "master", Algorithm.AES_256)
    derive(again_master, bytes(range(32)), Algorithm.AES_256, Usage.PUBLIC_BLOCK).destroy()
    print("opened again")
"""


def test_every_call_says_that_the_session_was_lost_and_a_new_one_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path / "token"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    *lost, last = done.stdout.splitlines()
    assert last == "opened again"
    assert len(lost) >= 5
    for line in lost:
        assert line.startswith("KIF-HSM-01 The session with the HSM was lost while ")
        assert "This call had no effect" in line
