"""The probes of the deployment's vault: once a day on record; what one finds holds for every process."""

import datetime as dt
import io
import json
import pathlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event as LogEvent
from config.embedded import object_store
from documents import errors
from documents.emission import locking
from documents.models import Alert, Document, Event, EventStatus, ProbeExtent, Series, Status, VaultProbe
from documents.operations import checks, watch
from documents.resilience import clock
from documents.vault import (
    address,
    comparisons,
    full_probe,
    local_store,
    places,
    probes,
    s3_client,
    s3_full_probe,
    s3_probe,
    store,
)
from tests import factories
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force, objects

pytestmark = [pytest.mark.usefixtures("vault_folder"), pytest.mark.django_db]
ATTACK = errors.WormError(code="worm_bucket_misconfigured", values={"cause": "attack", "attack": "shorten"})


@pytest.fixture(autouse=True)
def _unknown() -> Iterator[None]:
    """Know nothing of probes before a test, and nothing of its probes after it."""
    probes.forget()
    probes._tried.clear()
    yield
    probes.forget()


def broken(**_given: object) -> store.Vault:
    """Open no store: what stands behind the address does not answer."""
    raise errors.WormError(code="worm_unavailable", values={"cause": "system", "doing": "open", "error": "gone"})


def rows() -> QuerySet[VaultProbe]:
    """Return the probes of the test's own vault."""
    return VaultProbe.objects.filter(vault_url=places.here())


def numbers() -> list[int]:
    """Return what the series give next."""
    return list(Series.objects.order_by("pk").values_list("next", flat=True))


def test_no_number_is_given_before_a_probe_has_passed_and_what_came_meanwhile_is_issued_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    telling.issuers()
    before = numbers()
    with monkeypatch.context() as patch:
        patch.setattr(local_store, "open_store", broken)
        answers = [telling.tell(making.order(f"ord_{place}")) for place in range(3)]
    assert [(answer.status, answer.body["status"]) for answer in answers] == [(202, "parked")] * 3
    assert (numbers(), Document.objects.count(), rows().count()) == (before, 0, 0)
    watch._probe(now=telling.NOW)
    telling.catch_up()
    assert set(Event.objects.values_list("status", flat=True)) == {"processed"}
    assert Document.objects.count() == 3


def test_a_store_that_lets_an_attack_through_has_never_been_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(**_given: object) -> store.Vault:
        raise ATTACK

    telling.issuers()
    with monkeypatch.context() as patch:
        patch.setattr(local_store, "open_store", weak)
        assert telling.tell(making.order("ord_1")).body["status"] == "parked"
    row = rows().get()
    assert (row.passed, row.code, row.values["attack"]) == (False, "worm_bucket_misconfigured", "shorten")
    watch._probe(now=row.probed_at)  # not due again yet
    alert = Alert.objects.get(dedup_key=watch.PROBE, resolved_at=None)
    assert (alert.severity, alert.code) == ("P1", "worm_bucket_misconfigured")


def test_a_later_outage_of_the_vault_stops_no_numbering(monkeypatch: pytest.MonkeyPatch) -> None:
    telling.issuers()
    assert telling.told([making.order("ord_1")]) == ["processed"]
    monkeypatch.setattr(local_store, "open_store", broken)
    store._opened.clear()
    assert telling.told([making.order("ord_2")]) == ["processed"]
    assert set(Document.objects.values_list("status", flat=True)) == {Status.ISSUED}


def test_a_probe_is_due_once_a_day_for_all_and_soon_again_after_one_that_failed() -> None:
    now = timezone.now()
    row = probes.probe(actor=log.SYSTEM, now=now)
    assert row is not None
    assert (row.passed, row.mode) == (True, store.open_vault().mode)
    assert row.attempts == store.open_vault().attempts
    assert probes.probe(actor=log.SYSTEM, now=now) is None
    assert not probes.is_due(now=row.probed_at + dt.timedelta(hours=23))
    assert probes.is_due(now=row.probed_at + dt.timedelta(hours=25))
    failed = probes.note(extent=ProbeExtent.DAILY, actor=log.SYSTEM, problem=ATTACK)
    assert not probes.is_due(now=failed.probed_at + dt.timedelta(seconds=50))
    assert probes.is_due(now=failed.probed_at + dt.timedelta(seconds=70))
    said = LogEvent.objects.filter(object_id__in=[row.public_id, failed.public_id]).order_by("id")
    assert list(said.values_list("object_id", "outcome")) == [(row.public_id, "ok"), (failed.public_id, "failed")]


@pytest.mark.parametrize("extent", ProbeExtent)
def test_what_one_process_finds_stops_the_locking_in_every_other_until_a_probe_passes(
    extent: ProbeExtent, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling.issuers()
    telling.told([making.order("ord_1"), making.order("ord_2")])
    first, second = Document.objects.order_by("pk")
    locking.advance(document_id=first.pk, now=timezone.now())
    with monkeypatch.context() as patch:
        patch.setattr(probes, "forget", lambda: None)  # what this process knows is as old as another's
        probes.note(extent=extent, actor=log.SYSTEM, problem=ATTACK)
    later_s = time.monotonic() + 2 * probes.KNOWN_FOR_S
    monkeypatch.setattr(probes.time, "monotonic", lambda: later_s)
    locking.advance(document_id=second.pk, now=timezone.now())
    second.refresh_from_db()
    assert (second.status, second.cause) == (Status.ISSUED, "worm_bucket_misconfigured")
    assert second.next_try_at is not None  # it locks by itself once the store holds
    probes.record(extent=extent, actor=log.SYSTEM)
    locking.advance(document_id=second.pk, now=second.next_try_at)
    second.refresh_from_db()
    assert second.status == Status.LOCKED


def test_while_one_thread_asks_the_database_the_others_go_on_with_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probes.prove(actor=log.SYSTEM, now=timezone.now())
    assert probes.is_proven()
    later_s = time.monotonic() + 2 * probes.KNOWN_FOR_S
    monkeypatch.setattr(probes.time, "monotonic", lambda: later_s)
    with probes._asking:  # another thread, whose database hangs
        assert probes.is_proven()
        probes.require_sound()


def test_an_alert_of_a_failed_probe_ends_with_one_that_passes() -> None:
    failed = probes.note(extent=ProbeExtent.DAILY, actor=log.SYSTEM, problem=ATTACK)
    watch._probe(now=failed.probed_at)
    watch._probe(now=failed.probed_at + dt.timedelta(seconds=1))
    assert Alert.objects.filter(dedup_key=watch.PROBE).count() == 1
    watch._probe(now=failed.probed_at + dt.timedelta(seconds=70))
    assert Alert.objects.get(dedup_key=watch.PROBE).resolved_at is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [(probes.AWAITED, "la primera prueba de la bóveda"), (comparisons.AWAITED, "la respuesta de la bóveda")],
)
def test_a_person_reads_in_words_that_an_event_waits_for_the_vault(name: str, words: str) -> None:
    event = factories.event()
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(status=EventStatus.PARKED, missing=[name])
    fina = center.client(member=center.everywhere(roles=["finance"]))
    for page in ("", f"{event.public_id}/"):
        shown = fina.get(f"{center.ADMIN}documents/event/{page}").content.decode()
        assert (words in shown, name in shown) == (True, False)


def test_another_address_has_to_be_proven_for_itself(settings: Settings, tmp_path: pathlib.Path) -> None:
    probes.prove(actor=log.SYSTEM, now=timezone.now())
    assert probes.is_proven()
    settings.VAULT_URL = f"file://{tmp_path / 'another'}"
    assert not probes.is_proven()


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "owner", "denials"])
def test_of_several_processes_at_once_one_probes() -> None:
    made: list[VaultProbe | None] = []

    def one() -> None:
        made.append(probes.probe(actor=log.SYSTEM, now=timezone.now()))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(row is not None for row in made) == rows().count() == 1


def test_the_clock_of_this_machine_is_not_taken_for_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    right = timezone.now()
    refused = ClientError(
        {"Error": {"Code": s3_client.SKEWED, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "GetObject"
    )
    assert s3_client._refusal(error=refused, doing="read", key="").values == {"cause": "skewed"}
    with pytest.raises(errors.WormError):
        s3_probe.check_clock(now=right + dt.timedelta(seconds=90))
    monkeypatch.setattr(clock, "clock_skew_s", lambda: 90.0)
    monkeypatch.setattr(timezone, "now", lambda: right + dt.timedelta(seconds=90))
    s3_probe.check_clock(now=right)  # as PostgreSQL's
    with pytest.raises(errors.WormError) as wrong:
        s3_probe.check_clock(now=right - dt.timedelta(seconds=90))
    assert wrong.value.values["cause"] == "store_clock"
    ours = s3_client._refusal(error=refused, doing="read", key="")
    assert ours.values == {"cause": "clock", "seconds": 90}

    def skewed() -> None:
        raise ours

    monkeypatch.setattr(store, "probe_again", skewed)
    with pytest.raises(errors.WormError):
        probes.record(extent=ProbeExtent.DAILY, actor=log.SYSTEM)
    assert not rows().exists()  # it says nothing of the store


# -- in full, on a bucket of its own --


@pytest.fixture
def canary(s3_vault: str, s3_objects: objects.Objects, settings: Settings) -> str:
    """A vault in S3, and a bucket of the same settings that holds no documents."""
    settings.VAULT_URL = s3_vault
    return s3_objects.bucket(name="canary-probes")


def told(*options: str) -> str:
    """Return what the command says."""
    out = io.StringIO()
    call_command("probe_vault", *options, stdout=out)
    return out.getvalue()


def test_in_full_every_attack_is_refused_and_said_with_its_age(
    canary: str, s3_objects: objects.Objects, tmp_path: pathlib.Path, settings: Settings
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"access": object_store.ACCESS, "secret": s3_objects.secret}))
    said = told("--canary", canary, "--credentials", str(keys))
    row = VaultProbe.objects.get(extent=ProbeExtent.FULL, vault_url=places.here())
    assert (row.passed, row.mode, row.probed_by) == (True, store.COMPLIANCE, "probe_vault")
    locks = ("delete-version", "delete-bypassing", "delete-in-bulk", "remove-lock", "shorten", "weaken")
    assert {row.attempts[attack] for attack in (*locks, "suspend-versioning")} <= {store.REFUSED, store.BY_POLICY}
    assert {row.attempts[attack] for attack in ("overwrite", "delete-marker", "lifecycle-rule")} <= {
        store.KEPT,
        store.REFUSED,
        store.BY_POLICY,
    }
    assert all(f"{attack} " in said for attack in row.attempts)
    age = checks._probes()["full"]  # what /readyz says, in the transaction of this test
    assert (age["passed"], 0 <= int(str(age["age_s"])) < 60) == (True, True)
    told("--canary", canary)  # its own objects do not stand in its way, nor does it need other keys
    settings.VAULT_CANARY_URL = canary
    full_probe.probe_if_due(actor=log.SYSTEM, now=timezone.now())
    assert VaultProbe.objects.filter(extent=ProbeExtent.FULL, vault_url=places.here()).count() == 2


def test_a_bucket_in_use_or_set_otherwise_is_not_probed(
    canary: str, s3_objects: objects.Objects, settings: Settings
) -> None:
    client = s3_objects.client()
    name = address.bucket(url=canary).name
    with pytest.raises(CommandError, match="not made in a bucket with documents"):
        told("--canary", settings.VAULT_URL)
    object_store.make_bucket(
        endpoint=s3_objects.endpoint,
        secret=s3_objects.secret,
        name=(plain := "plain-probes"),
        locking=False,
    )
    with pytest.raises(CommandError):
        told("--canary", canary.replace(name, plain))
    used = s3_objects.bucket(name="used-probes")
    client.put_object(Bucket="used-probes", Key="es/2026/a.pdf", Body=b"a document")
    with pytest.raises(CommandError, match="not made in a bucket with documents"):
        told("--canary", used)
    with pytest.raises(CommandError, match="--canary"):
        told("--canary", "file:///tmp")
    with pytest.raises(CommandError, match="VAULT_CANARY_URL"):
        told()
    assert not VaultProbe.objects.filter(extent=ProbeExtent.FULL, vault_url=places.here()).exists()


def test_wrong_keys_are_no_probe(canary: str, tmp_path: pathlib.Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"access": "nobody", "secret": "nothing"}))
    with pytest.raises(CommandError):
        told("--canary", canary, "--credentials", str(keys))
    keys.write_text("[]")
    with pytest.raises(CommandError, match="JSON"):
        told("--canary", canary, "--credentials", str(keys))
    assert not VaultProbe.objects.filter(extent=ProbeExtent.FULL, vault_url=places.here()).exists()


@pytest.mark.parametrize("attack", ["shorten", "delete-version", "suspend-versioning", "overwrite", "lifecycle-rule"])
def test_an_attack_that_goes_through_is_named_and_stops_the_locking(
    canary: str, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = s3_full_probe._became

    def weak(*, attempt: Callable[[], object]) -> str:
        answer = real(attempt=attempt)
        return store.ALLOWED if next(answers) == attack else answer

    if attack in {"overwrite", "lifecycle-rule"}:  # the version is not what it was
        monkeypatch.setattr(s3_full_probe, "_require_kept", failing(attack=attack))
    else:
        order = ["delete-version", "delete-bypassing", "delete-in-bulk", "remove-lock", "shorten", "weaken"]
        answers = iter([*order, "suspend-versioning", *[""] * 10])
        monkeypatch.setattr(s3_full_probe, "_became", weak)
    with pytest.raises(CommandError, match=attack):
        told("--canary", canary)
    with pytest.raises(errors.WormError):
        probes.require_sound()


def failing(*, attack: str) -> object:
    """Return a look at the version that finds it changed by one attack."""

    def require_kept(**given: object) -> None:
        if given["attack"] == attack:
            raise s3_full_probe._misconfigured(cause="attack", attack=attack)

    return require_kept
