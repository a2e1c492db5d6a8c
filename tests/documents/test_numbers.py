"""The watch over the series: a gap and a number that would come twice are named, and resolved when they are over."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from audit.models import Event
from documents.models import Alert, Document, Series
from documents.operations import numbers
from tests import factories
from tests.services import force, rivals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "_counted", {})
    monkeypatch.setattr(numbers, "_last", {})


def the_series(*, documents: int = 3) -> Series:
    for _ in range(documents):
        made = factories.document()
    return Series.objects.get(pk=made.series_id)


def alerts() -> list[tuple[str, str, str]]:
    return list(Alert.objects.filter(resolved_at=None).values_list("code", "severity", "object_id").order_by("code"))


def test_series_whose_numbers_all_have_their_documents_raise_nothing() -> None:
    the_series()
    assert numbers.look() == []
    assert alerts() == []


def test_a_number_without_a_document_is_one_p1_until_it_is_over() -> None:
    series = the_series()
    numbers.look()
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") + 2)
    for _ in range(3):
        assert numbers.look() == [f"number_gap:{series.code}"]
    assert alerts() == [("number_gap", "P1", series.code)]
    values = Alert.objects.get(code="number_gap").values
    assert (values["count"], values["first"], values["last"]) == (2, 4, 5)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") - 2)
    assert numbers.look() == []
    assert alerts() == []


def test_a_range_that_runs_low_is_one_p2_until_it_is_longer() -> None:
    series = the_series(documents=8)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=10)
    assert numbers.look() == []
    factories.document()
    for _ in range(3):
        assert numbers.look() == [f"series_range_low:{series.code}"]
    assert alerts() == [("series_range_low", "P2", series.code)]
    assert Alert.objects.get().values == {"series": series.code, "left": 1}
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=20)
    assert numbers.look() == []
    assert alerts() == []


@pytest.mark.parametrize("over", [{"year": 2025}, {"valid_until": "2025-12-31"}])
def test_a_range_that_no_number_is_taken_from_any_more_may_be_used_up(over: dict[str, object]) -> None:
    series = the_series()
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=3, **over)
    assert numbers.look() == []


def test_a_gap_is_still_seen_after_more_numbers_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    series = the_series(documents=1)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") + 1)
    factories.document()
    assert numbers.look() == [f"number_gap:{series.code}"]
    monkeypatch.setattr(numbers, "_counted", {})  # another process
    assert numbers.look() == [f"number_gap:{series.code}"]


def test_a_series_that_was_set_back_is_named_before_it_gives_a_number_again() -> None:
    series = the_series()
    numbers.look()
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") - 1)
    assert numbers.look() == [f"number_duplicate:{series.code}"]
    assert alerts() == [("number_duplicate", "P1", series.code)]


@pytest.mark.parametrize(("took_s", "named"), [(0.01, True), (0.5, True), (2.0, False)])
def test_a_document_that_was_deleted_is_missed_a_minute_later_unless_counting_all_takes_long(
    monkeypatch: pytest.MonkeyPatch, took_s: float, named: bool
) -> None:
    series = the_series()
    numbers.look()
    connection.check_constraints()  # as COMMIT does: with the document its key is without its reason
    with force.by_force():
        Document.objects.filter(series=series, sequence=2)._raw_delete("default")
    monkeypatch.setitem(numbers._last, "took", took_s)
    for moment in ("look", "afresh"):
        monkeypatch.setitem(numbers._last, moment, numbers._last[moment] - 60)
    assert numbers.look(every_s=60) == ([f"number_gap:{series.code}"] if named else [])


def test_a_database_that_was_put_back_whole_is_counted_afresh_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series = the_series()
    monkeypatch.setattr(numbers, "_counted", {series.pk: 900})  # as it was before the restore
    assert numbers.look() == []
    assert alerts() == []


def test_a_look_counts_only_what_is_new_and_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    the_series()
    asked: list[tuple[int, int]] = []
    documents = numbers._documents

    def counting(*, series: numbers._Series, start: int, end: int) -> int:
        asked.append((start, end))
        return documents(series=series, start=start, end=end)

    monkeypatch.setattr(numbers, "_documents", counting)
    numbers.look(every_s=60)
    numbers.look(every_s=60)
    assert asked == [(1, 3)]
    factories.document()
    numbers.look()
    assert asked == [(1, 3), (4, 4)]


def move(series: Series, *, to: int) -> str:
    out = io.StringIO()
    call_command("move_series", series.code, "--next", str(to), "--reason", "restored beside a newer vault", stdout=out)
    return out.getvalue()


def test_a_series_moves_past_numbers_given_elsewhere_on_record_and_that_is_no_gap() -> None:
    series = the_series()
    assert "6 saltados" in move(series, to=10)
    event = Event.objects.get(action="series.moved", object_id=series.code)
    assert (event.code, event.actor_id, event.channel) == ("4-9", "move_series", "command")
    assert factories.document().sequence == 10
    assert numbers.look() == []
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") + 1)
    assert numbers.look() == [f"number_gap:{series.code}"]


@pytest.mark.django_db(transaction=True)
def test_a_series_that_is_moved_while_it_is_looked_at_has_no_number_twice() -> None:
    series = the_series()
    with rivals.overtaken(after="FROM documents_series", by=lambda: move(series, to=10)):
        assert numbers.look() == []
    assert numbers.look() == []
    assert alerts() == []


@pytest.mark.parametrize("to", [-1, 3, 4])
def test_a_series_never_moves_back(to: int) -> None:
    series = the_series()
    with pytest.raises(CommandError, match="gives 4 next"):
        move(series, to=to)
    series.refresh_from_db()
    assert series.next == 4


def test_a_series_does_not_move_past_its_authorised_range_and_an_unknown_one_not_at_all() -> None:
    series = the_series()
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=5)
    with pytest.raises(CommandError, match="goes up to 5"):
        move(series, to=7)
    with pytest.raises(CommandError, match="No series has the code"):
        call_command("move_series", "ZZZ", "--next", "9", "--reason", "no such series")
