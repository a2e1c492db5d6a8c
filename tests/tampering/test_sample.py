"""Each class of tampering once, and as many clean looks: `make tampering` does each forty times."""

import json
import pathlib
from collections.abc import Iterator

import pytest

from config.embedded import services
from tests.tampering import lab

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def tampering_lab(committed_db: None, stack: services.Stack, tmp_path: pathlib.Path) -> Iterator[lab.TamperingLab]:
    with lab.built(stack=stack, folder=tmp_path, seed=1) as built:
        yield built


def test_an_owner_of_the_database_changes_nothing_that_a_reader_with_a_checkpoint_does_not_see(
    tampering_lab: lab.TamperingLab,
) -> None:
    assert len(lab.names()) >= 25
    said = []
    for name in lab.names():
        said += [tampering_lab.fault(name=name, seed=1), tampering_lab.alarm()]
    assert "\n".join(fault for fault in said if fault) == ""


def test_a_stranger_types_the_command_with_a_url_that_only_reads_and_is_told_the_row(
    tampering_lab: lab.TamperingLab,
) -> None:
    sound = tampering_lab.command()
    assert (sound.returncode, json.loads(sound.stdout)["findings"]) == (0, 0)
    ((code, row),) = tampering_lab.owner.ask(do="tamper", seed=1, **{"class": "deleted"})["must_be_said"]
    answer = tampering_lab.command()
    first = json.loads(answer.stdout.splitlines()[0])
    assert (answer.returncode, first) == (2, {"finding": code, "row": row})
