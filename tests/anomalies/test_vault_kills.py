"""A worker is killed between the put into S3 and the commit: no document stays unlocked, and none has two versions.

Once at each moment; fifty times altogether in `make vault-lab`.
"""

import pathlib
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from config import env
from config.embedded import object_store, services
from config.simulation import event_stream
from documents.models import Document, Status
from documents.vault import s3_probe
from tests.anomalies import crash_points
from tests.anomalies.test_crash_steps import Program
from tests.services import database, objects
from tests.services.live import SAMPLES

KILLS_EACH = 10 if env.text(name="VAULT_LAB") else 1
BUCKET = "kills"


@pytest.fixture
def program(
    tmp_path: pathlib.Path,
    stack: services.Stack,
    s3_objects: objects.Objects,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Program]:
    """The process that is killed, whose vault is S3."""
    with django_db_blocker.unblock():
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=(tmp_path / "issuers.log").open("w"))
        database.connections.close_all()
    (tmp_path / "mail").mkdir()
    environment = {
        **stack.environment(),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LEASE_S": "2",
        "VAULT_URL": s3_objects.bucket(name=BUCKET),
        "AWS_ACCESS_KEY_ID": object_store.ACCESS,
        "AWS_SECRET_ACCESS_KEY": s3_objects.secret,
        "MAIL_URL": f"file://{tmp_path / 'mail'}",
    }
    started = Program(environment=environment, log=tmp_path / "program.log")
    yield started
    started.end()
    with django_db_blocker.unblock():
        database.restore(stack=stack)


@pytest.mark.timeout(200 + 100 * KILLS_EACH)
def test_whenever_a_worker_is_killed_after_the_put_the_next_one_locks_what_it_left(
    program: Program, s3_objects: objects.Objects, django_db_blocker: DjangoDbBlocker
) -> None:
    drawn = event_stream.draw(seed=7, count=12 * KILLS_EACH, shuffled=False)
    program.do("receive", events=drawn.events)
    killed = 0
    for name in crash_points.IN_S3:
        for _ in range(KILLS_EACH):
            answer = program.do("advance", at=name)
            assert answer["killed"], name
            killed += 1
    assert killed == KILLS_EACH * len(crash_points.IN_S3)
    program.do("continue")
    with django_db_blocker.unblock():
        states = set(Document.objects.values_list("status", flat=True))
        rows = dict(Document.objects.values_list("vault_key", "vault_version"))
        database.connections.close_all()
    assert states == {Status.LOCKED}
    pages = s3_objects.client().get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    listed = [(row["Key"], row["VersionId"]) for page in pages for row in page["Versions"]]
    assert sorted(row for row in listed if not row[0].startswith(s3_probe.PREFIX)) == sorted(rows.items())
