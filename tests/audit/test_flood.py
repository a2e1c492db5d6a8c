"""The throttle: pure counting, nothing lost, nothing twice, and a bound on everything."""

from hypothesis import given
from hypothesis import strategies as st

from audit import flood


class StillClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


STEPS = st.lists(
    st.tuples(st.just("admit"), st.integers(0, 30))
    | st.tuples(st.just("wait"), st.integers(1, 70))
    | st.just(("due", 0)),
    max_size=200,
)


@given(STEPS)
def test_every_one_is_written_or_counted_exactly_once(steps: list[tuple[str, int]]) -> None:
    clock = StillClock()
    throttle: flood.Throttle[str] = flood.Throttle(window_s=60, single_max=3, crowd_max=5, clock=clock)
    came = written = reported = 0
    for step, number in steps:
        if step == "admit":
            came += 1
            written += throttle.admit(key=number, sample="one", crowd="crowd", crowd_sample=lambda: "crowd")
        elif step == "wait":
            clock.now += number
        else:
            reported += sum(window.counted for window in throttle.due())
        assert came == written + reported + throttle.counted()
        assert len(throttle._windows) <= throttle.crowd_max + 1
    reported += sum(window.counted for window in throttle.due(everything=True))
    assert came == written + reported
    assert throttle.counted() == 0


def test_a_window_lasts_as_long_as_it_says() -> None:
    clock = StillClock()
    throttle: flood.Throttle[str] = flood.Throttle(window_s=60, single_max=1, clock=clock)
    for _ in range(3):
        throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")
    clock.now = 59.9
    assert throttle.due() == []
    clock.now = 60.0
    assert [(window.sample, window.counted) for window in throttle.due()] == [("a", 2)]
    assert throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")


def test_what_could_not_be_written_is_added_to_what_came_since() -> None:
    throttle: flood.Throttle[str] = flood.Throttle(single_max=1)
    for _ in range(3):
        throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")
    taken = throttle.due(everything=True)
    for _ in range(3):
        throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")
    throttle.give_back(windows=taken)
    assert [window.counted for window in throttle.due(everything=True)] == [4]


def test_what_could_not_be_written_does_not_start_over_one_by_one() -> None:
    throttle: flood.Throttle[str] = flood.Throttle(single_max=1)
    for _ in range(3):
        throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")
    throttle.give_back(windows=throttle.due(everything=True))
    assert not throttle.admit(key="a", sample="a", crowd="c", crowd_sample=lambda: "c")
    assert throttle.counted() == 3
