"""`make tampering`: each class of tampering forty times, each followed by a look at a log that nobody touched."""

import os
import pathlib
import random
import sys

import pytest

from config import progress
from config.embedded import services
from tests.tampering import lab

pytestmark = [pytest.mark.usefixtures("committed_db"), pytest.mark.timeout(7200)]
TIMES = int(os.environ.get("TIMES", "40"))
SEED = int(os.environ.get("SEED", "1"))


def test_every_tampering_is_said_with_its_class_and_row_and_no_clean_log_is_an_alarm(
    stack: services.Stack, tmp_path: pathlib.Path
) -> None:
    names, drawn = lab.names(), random.Random(SEED)
    unsaid, alarms = list[str](), list[str]()
    with (
        lab.built(stack=stack, folder=tmp_path, seed=SEED) as built,
        progress.progress(label="tamperings", total=TIMES * len(names)) as step,
    ):
        for _ in range(TIMES):
            for name in names:
                unsaid += filter(None, [built.fault(name=name, seed=drawn.randrange(2**32))])
                alarms += filter(None, [built.alarm()])
                step(note=f"{name}; {len(unsaid)} unsaid, {len(alarms)} alarms")
            built.go_on(drawn=drawn)
            alarms += filter(None, [built.alarm()])
    tampered, clean = TIMES * len(names), TIMES * (len(names) + 1)
    sys.stdout.write(
        f"\n{tampered} tamperings of {len(names)} classes, {tampered - len(unsaid)} said with class and row;"
        f" {clean} looks at a clean log, {len(alarms)} alarms (SEED={SEED})\n"
    )
    assert "\n".join([*unsaid, *alarms]) == ""
