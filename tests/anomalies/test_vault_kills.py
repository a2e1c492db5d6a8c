"""A worker is killed between the put into the vault and the commit: no document stays unlocked, and none has two versions.

In a folder once at each moment; in S3, where `test_crash_steps` kills it too, fifty times in `make vault-lab`.
"""

import pathlib
from collections.abc import Collection

import pytest
from pytest_django.plugin import DjangoDbBlocker

from config import env
from config.embedded import services
from config.simulation import event_stream, outside_checker
from tests.anomalies import crash_points
from tests.anomalies.test_crash_steps import running, vault_url

__all__ = ["vault_url"]

VAULTS: dict[str, Collection[str]] = {"folder": crash_points.IN_FOLDER}
if env.text(name="VAULT_LAB"):
    VAULTS["s3"] = crash_points.IN_S3
KILLS_EACH = {"folder": 1, "s3": 10}


@pytest.mark.usefixtures("django_db_setup")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("vault", VAULTS)
def test_whenever_a_worker_is_killed_after_the_put_the_next_one_locks_what_it_left(
    vault: str,
    request: pytest.FixtureRequest,
    tmp_path: pathlib.Path,
    stack: services.Stack,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    fixture = request.getfixturevalue("vault_folder" if vault == "folder" else "vault_url")
    url = f"file://{fixture}" if vault == "folder" else fixture
    drawn = event_stream.draw(seed=7, count=12 * KILLS_EACH[vault], shuffled=False)
    with running(folder=tmp_path, vault_url=url, stack=stack, blocker=django_db_blocker) as program:
        said = program.do("receive", events=drawn.events)["said"]
        for name in VAULTS[vault]:
            for _ in range(KILLS_EACH[vault]):
                assert program.do("advance", at=name)["killed"], name
        program.do("continue")
        _, findings = outside_checker.check(
            database_url=stack.superuser_url,
            vault=url,
            mail=tmp_path / "mail",
            keys=drawn.keys,
            events={event["id"]: word for event, (_status, word) in zip(drawn.events, said, strict=True)},
        )
    assert findings == []
