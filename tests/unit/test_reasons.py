"""The sentences: each is said where the figures support it, and left out where they do not."""

import pytest
from msgspec.structs import replace

from downloader.compare import reasons
from downloader.compare.measurements import AttemptSpan, Bound, Comparison, Machine, Measure, Point, ResultRow, Study, Sweep
from downloader.compare.scenarios import C_WORK, PYTHON_WORK, SCENARIOS, Scenario

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
HERE = Machine("2026-01-01T00:00:00Z", "1", "3.11", "Linux", "a processor", 2, 8 << 30, "built-in", "/dev/shm")


def row(name: str, elapsed: float, **about: object) -> ResultRow:
    """Three runs of a strategy, within 1 % of `elapsed`, with these figures in each."""
    figures = {"user": 0.1, "system": 0.0, "peak": 1, "files": 10, "bytes": 1000, "failures": 0} | about
    runs = [Measure(elapsed=elapsed * factor, **figures) for factor in (0.99, 1, 1.01)]  # type: ignore[arg-type]
    return ResultRow(name, 0, runs=runs, low=elapsed * 0.99, high=elapsed * 1.01, confidence=0.75)


def wide(item: ResultRow, width: float) -> ResultRow:
    """The same with runs that differ by this part of the median."""
    times = [item.elapsed * (1 + part) for part in (-width / 2, 0, width / 2)]
    item.runs = [replace(run, elapsed=time) for run, time in zip(item.runs, times, strict=True)]
    item.low, item.high = times[0], times[-1]
    return item


def peer(name: str, elapsed: float, how: str = "defaults", **about: object) -> ResultRow:
    """Three runs of another program."""
    found = row(name, elapsed, **about)
    found.peer, found.how = True, how
    return found


def traced(item: ResultRow, *stretches: tuple[float, float, float], end: str = "complete") -> ResultRow:
    """The same with a traced run: (started, head, ended) of each Attempt."""
    item.stretches = [AttemptSpan(f"{n}.bin", 1, "task", *times, end=end) for n, times in enumerate(stretches)]
    item.traced = item.elapsed
    return item


def comparison(name: str, *rows: ResultRow, **about: object) -> Comparison:
    """A scenario by name, with these rows."""
    return Comparison(BY_NAME[name], list(rows), **about)  # type: ignore[arg-type]


def one_by_one(start: float, head: float, body: float, files: int) -> list[tuple[float, float, float]]:
    """Attempts one after the other."""
    each = head + body
    return [(start + n * each, start + n * each + head, start + (n + 1) * each) for n in range(files)]


def all_at_once(start: float, head: float, body: float, files: int) -> list[tuple[float, float, float]]:
    """Attempts side by side."""
    return [(start, start + head, start + head + body)] * files


class TestWho:
    """The first sentence."""

    def test_fastest_is_named_with_its_time_and_how_much_faster_than_serial(self) -> None:
        said = reasons.explain(comparison("latency", row("serial", 2.0), row("async", 0.4), row("multiplex", 0.25)))
        assert said[0] == "multiplex was fastest: 0.25 s, 8.0 times as fast as serial (2.00 s)."

    def test_strategies_within_the_noise_are_level_and_none_is_named(self) -> None:
        rows = row("serial", 2.0), row("auto", 0.252), row("multiplex", 0.25), row("async", 0.3)
        assert reasons.explain(comparison("latency", *rows))[0] == (
            "Level: multiplex and auto, 0.25 s, at least 7.9 times as fast as serial (2.00 s)."
        )

    def test_strategies_that_are_all_alike_have_no_winner(self) -> None:
        said = reasons.explain(comparison("large", row("serial", 1.0), row("async", 1.01)))
        assert said == ["Level: serial and async. No strategy can be told from the fastest."]

    def test_serial_may_win(self) -> None:
        assert reasons.explain(comparison("startup", row("serial", 0.2), row("async", 0.3))) == ["serial was fastest: 0.20 s."]

    @pytest.mark.parametrize("runs", [1, 2])
    def test_few_runs_prove_nothing(self, runs: int) -> None:
        rows = row("serial", 2.0), row("threads", 1.0), row("auto", 0.5)
        for item in rows:
            item.runs[runs:] = []
            item.low, item.high = item.runs[0].elapsed, item.runs[-1].elapsed
        assert reasons.explain(comparison("latency", *rows)) == []
        assert advice(comparison("latency", *rows)) == []

    def test_what_other_programs_did_is_not_told_of_a_strategy(self) -> None:
        rows = row("serial", 4.99, others=0.62), row("threads", 3.0, others=0.62), row("processes", 8.17, others=0.62)
        assert reasons.explain(comparison("cpu", *rows)) == []
        assert advice(comparison("cpu", *rows)) == []
        calm = row("serial", 4.99, others=0.02), row("threads", 3.0, others=0.02), row("processes", 8.17, others=0.3)
        assert reasons.explain(comparison("cpu", *calm)) == []  # of all runs together it is too much
        calm = row("serial", 4.99, others=0.02), row("threads", 3.0, others=0.02), row("processes", 8.17, others=0.05)
        assert reasons.explain(comparison("cpu", *calm)) == [
            "threads was fastest: 3.00 s, 1.7 times as fast as serial (4.99 s)."
        ]

    def test_differences_within_the_noise_are_not_reported(self) -> None:
        noisy = wide(row("serial", 2.0), 0.35)
        rows = noisy, row("threads", 1.6), row("async", 1.3)
        assert reasons.explain(comparison("latency", *rows)) == [
            "Level: async and threads, 1.30 to 1.60 s."  # apart from each other by 23 %
        ]
        assert advice(comparison("latency", *rows)) == ["Use --strategy async: nothing was known to be faster in latency."]
        noisy = wide(row("serial", 2.0), 0.6)
        rows = noisy, row("threads", 1.6), row("async", 1.3)
        assert reasons.explain(comparison("latency", *rows)) == [
            "Level: async, threads and serial. No strategy can be told from the fastest."
        ]
        assert advice(comparison("latency", *rows)) == []

    @pytest.mark.parametrize(
        "rows",
        [
            [],
            [row("serial", 1.0)],
            [row("serial", 1.0), ResultRow("async", 0)],
            [row("serial", 1.0), row("async", 0.5, failures=1)],
            [row("serial", 1.0, failures=3), row("async", 0.5, failures=1)],
            [row("serial", 0.0), row("async", 0.0)],
            [row("serial", 1.0), peer("curl", 0.1)],
        ],
        ids=["no rows", "one row", "one ran", "one without a failure", "all failed", "no time at all", "a peer is no strategy"],
    )
    def test_nothing_is_said_where_there_is_nothing_to_compare(self, rows: list[ResultRow]) -> None:
        assert reasons.explain(comparison("latency", *rows)) == []


class TestWhy:
    """What follows it."""

    def test_waiting_is_done_at_once(self) -> None:
        serial = traced(row("serial", 2.2), *one_by_one(0.1, 0.049, 0.001, 40))
        wall = traced(row("async", 0.2), *all_at_once(0.1, 0.049, 0.001, 40))
        assert reasons.explain(comparison("latency", serial, wall))[1] == (
            "serial spent 98 % of its requests' time waiting for first bytes, with 1.0 in flight on average; async had 40."
        )

    def test_waiting_that_decided_nothing_is_not_blamed(self) -> None:
        serial = traced(row("serial", 0.2), *one_by_one(0.1, 0.0001, 0.002, 40))
        wall = traced(row("async", 0.15), *all_at_once(0.1, 0.001, 0.03, 40))
        assert not any("waiting" in text for text in reasons.explain(comparison("latency", serial, wall)))

    def test_start(self) -> None:
        late = traced(row("processes", 0.9), *one_by_one(0.6, 0.01, 0.01, 10))
        early = traced(row("multiplex", 0.3), *one_by_one(0.15, 0.01, 0.01, 5))
        assert reasons.explain(comparison("latency", late, early))[1] == (
            "processes sent its first request after 0.60 s, multiplex after 0.15 s: "
            "the difference is 50 % of what processes took."
        )

    def test_start_that_is_a_small_part_is_not_told(self) -> None:
        late = traced(row("processes", 9.0), *one_by_one(0.6, 0.4, 0.4, 10))
        early = traced(row("multiplex", 0.3), *one_by_one(0.15, 0.01, 0.01, 5))
        assert not any("first request" in text for text in reasons.explain(comparison("latency", late, early)))

    def test_traced_run_that_went_otherwise_proves_nothing(self) -> None:
        late = traced(row("processes", 0.45), *one_by_one(0.8, 0.01, 0.01, 1))
        early = traced(row("multiplex", 0.3), *one_by_one(0.15, 0.01, 0.01, 5))
        late.traced = 0.85
        assert reasons.explain(comparison("startup", late, early)) == ["multiplex was fastest: 0.30 s."]

    def test_cost_of_a_file(self) -> None:
        dear, cheap = row("threads", 1.2, user=0.96, files=1500), row("multiplex", 0.3, user=0.105, files=1500)
        assert reasons.explain(comparison("small", dear, cheap))[1] == (
            "multiplex used 70 µs of CPU for each file, start included, and threads 640 µs."
        )

    def test_cost_of_one_file_is_that_of_the_start(self) -> None:
        dear, cheap = row("hybrid", 0.5, user=0.6), row("multiplex", 0.2, user=0.15)
        assert reasons.explain(comparison("startup", dear, cheap))[1] == (
            "hybrid used 0.60 s of CPU on one file, multiplex 0.15 s: the price of its start."
        )

    def test_cores(self) -> None:
        both, one = row("hybrid", 1.0, user=1.7), row("multiplex", 1.5, user=1.35)
        assert reasons.explain(comparison("large", both, one))[1] == (
            "hybrid kept 1.7 cores busy, multiplex 0.9; the first took 1.00 s, the second 1.50 s."
        )

    @pytest.mark.parametrize(
        ("name", "cpu", "said"),
        [
            (
                "cpu",
                2.0,
                "threads kept 1.0 cores busy and processes 1.9: pure Python holds the GIL, which each process has for itself.",
            ),
            ("cpu", 3.4, "processes kept 1.9 cores busy, multiplex 0.1; the first took 1.00 s, the second 3.00 s."),
            ("cpu-native", 3.4, "threads kept 1.7 cores busy in one process: C that releases the GIL runs side by side."),
            ("cpu-native", 2.0, "processes kept 1.9 cores busy, threads 1.0; the first took 1.00 s, the second 2.00 s."),
        ],
    )
    def test_work_on_each_file(self, name: str, cpu: float, said: str) -> None:
        rows = row("threads", 2.0, user=cpu), row("processes", 1.0, user=1.9), row("multiplex", 3.0, user=0.3)
        assert reasons.explain(comparison(name, *rows))[1] == said
        assert {"cpu": PYTHON_WORK, "cpu-native": C_WORK}[name] == BY_NAME[name].process

    def test_faults(self) -> None:
        serial = traced(row("serial", 4.0), (0.2, 0.2, 1.2), (1.2, 1.2, 2.2), end="failed")
        serial.stretches += [AttemptSpan(f"{n}.bin", 2, "task", 3.0 + n / 4, 3.1 + n / 4, 3.25 + n / 4) for n in range(4)]
        wall = traced(row("async", 1.0), *all_at_once(0.2, 0.1, 0.1, 4))
        assert reasons.explain(comparison("flaky", serial, wall))[1] == (
            "2 of 6 attempts failed under serial, which spent 2.80 s in these or with nothing in flight; "
            "async had 4.0 on average."
        )

    def test_faults_that_cost_little(self) -> None:
        serial = traced(row("serial", 2.0), *one_by_one(0.2, 0.01, 0.1, 15))
        serial.stretches.append(AttemptSpan("15.bin", 1, "task", 1.85, 0, 1.851, "failed"))
        wall = traced(row("async", 1.0), *all_at_once(0.2, 0.1, 0.1, 15))
        assert (
            reasons.explain(comparison("flaky", serial, wall))[1] == "1 of 16 attempts failed under serial, and cost it little."
        )

    def test_split(self) -> None:
        whole = traced(row("serial", 4.2), (0.2, 0.2, 4.2))
        pieces = traced(row("multiplex", 0.7), *all_at_once(0.2, 0.0, 0.5, 8))
        pieces.stretches = [replace(item, file="0.bin", segment=n) for n, item in enumerate(pieces.stretches)]
        assert reasons.explain(comparison("capped", whole, pieces))[1] == (
            "multiplex fetched 1 file in 8 pieces, 8.0 at once on average, each on a capped connection; "
            "serial used one for each file."
        )

    def test_ideal_client(self) -> None:
        start = traced(row("multiplex", 0.25), *all_at_once(0.15, 0.05, 0.01, 4))
        other = traced(row("async", 0.26), *all_at_once(0.15, 0.05, 0.01, 4))
        other.low = other.high = 0.3
        made = comparison("latency", start, other, bound=Bound(0.05, latency=0.05))
        assert reasons.explain(made)[1] == (
            "multiplex took 0.25 s and an ideal client takes 50 ms: 0.15 s went by before the first request."
        )
        near = comparison("latency", start, other, bound=Bound(0.22, latency=0.22))
        assert (
            reasons.explain(near)[1] == "multiplex took 0.25 s and an ideal client takes 0.22 s: there is little left to gain."
        )

    def test_context_switches(self) -> None:
        rows = row("threads", 1.2, files=1500, voluntary=18_000), row("multiplex", 1.0, files=1500, voluntary=450)
        assert reasons.explain(comparison("small", *rows))[1] == (
            "threads was switched in or out 12 times for each file, multiplex 0.30."
        )

    def test_no_more_than_three(self) -> None:
        late = traced(row("processes", 4.0, files=1500, user=6.0, voluntary=18_000), *one_by_one(1.2, 0.01, 0.01, 100))
        early = traced(row("multiplex", 1.0, files=1500, user=0.9), *one_by_one(0.15, 0.004, 0.004, 100))
        assert len(reasons.explain(comparison("small", late, early))) == 3

    def test_own_list_has_no_bound_and_no_character(self) -> None:
        own = Scenario("your list", "urls.txt", "", 40, 0)
        serial = traced(row("serial", 2.2), *one_by_one(0.1, 0.049, 0.001, 40))
        wall = traced(row("async", 0.2), *all_at_once(0.1, 0.049, 0.001, 40))
        said = reasons.explain(Comparison(own, [serial, wall], own=True))
        assert [text.split()[0] for text in said] == ["async", "serial"]


def advice(*comparisons: Comparison, sweeps: tuple[Sweep, ...] = ()) -> list[str]:
    return reasons.advise(Study(HERE, list(comparisons), list(sweeps)))


class TestAdvice:
    """What to use on this machine."""

    def test_default_that_is_fastest_or_close_is_kept(self) -> None:
        first = comparison("latency", row("async", 0.3), row("auto", 0.2))
        second = comparison("small", row("async", 0.19), row("auto", 0.2))
        assert advice(first, second) == ["Keep the default: auto was the fastest, or close to it, in latency and small."]

    def test_exceptions_are_named(self) -> None:
        fine = [comparison(name, row("async", 0.3), row("auto", 0.2)) for name in ("latency", "small", "mixed", "tls")]
        assert advice(*fine, comparison("cpu", row("processes", 0.5), row("auto", 1.0))) == [
            "Keep the default, auto, but not in cpu.",
            "In cpu, --strategy processes took 0.50 s, auto 1.00 s, 2.0 times as long.",
        ]

    def test_of_a_single_scenario_no_rule_is_made(self) -> None:
        assert advice(comparison("cpu", row("processes", 0.5), row("auto", 1.0))) == [
            "In cpu, --strategy processes took 0.50 s, auto 1.00 s, 2.0 times as long."
        ]

    def test_default_that_fails_is_an_exception(self) -> None:
        fine = [comparison(name, row("async", 0.3), row("auto", 0.2)) for name in ("latency", "small")]
        failed = comparison("flaky", row("async", 0.5), row("threads", 0.8), row("auto", 0.3, failures=1))
        assert advice(*fine, failed)[:2] == [
            "Keep the default, auto, but not in flaky.",
            "In flaky, --strategy async took 0.50 s, and files failed under auto.",
        ]

    def test_default_that_is_mostly_slower_is_not_kept(self) -> None:
        worse = [comparison(name, row("async", 0.2), row("auto", 0.4)) for name in ("latency", "small")]
        assert advice(*worse) == [
            "auto, the default, was not the best choice in latency and small.",
            "Use --strategy async: it was the fastest in latency and small.",
        ]

    def test_without_the_default_the_nearest_to_the_fastest_is_named(self) -> None:
        first = comparison("latency", row("async", 0.2), row("threads", 0.24), row("hybrid", 0.9))
        second = comparison("small", row("async", 0.9), row("threads", 0.3), row("hybrid", 0.25))
        assert advice(first, second) == [
            "Use --strategy threads: it took at most 1.2 times as long as the fastest in latency and small."
        ]

    def test_noise_is_no_reason_to_keep_the_default_nor_to_leave_it(self) -> None:
        rows = row("async", 0.21), wide(row("auto", 0.3), 0.5)
        assert advice(comparison("latency", *rows)) == []
        assert advice(comparison("latency", *rows, row("serial", 2.0))) == []

    @pytest.mark.parametrize(
        ("times", "said"),
        [
            (
                [1.0, 0.5, 0.31, 0.3],
                "In latency, 16 jobs were enough for async: 0.31 s, and no less than 0.30 s with up to 64.",
            ),
            ([1.0, 0.3, 0.5, 0.6], "In latency, 4 jobs were enough for async: 0.30 s, and no less than 0.30 s with up to 64."),
            ([1.0, 0.5, 0.4, 0.3], "In latency, more jobs helped async up to 40, as many as there are files: 0.30 s."),
        ],
    )
    def test_jobs(self, times: list[float], said: str) -> None:
        points = [
            Point(jobs, [row("threads", 2.0), row("async", time), row("gevent", 0.1, failures=1)])
            for jobs, time in zip((1, 4, 16, 64), times, strict=True)
        ]
        assert advice(sweeps=(Sweep("jobs", BY_NAME["latency"], points),)) == [said]
        noisy = [Point(point.value, [wide(item, 3.0) for item in point.rows]) for point in points[:2]]
        assert advice(sweeps=(Sweep("jobs", BY_NAME["latency"], noisy),)) == []
        assert advice(sweeps=(Sweep("files", BY_NAME["latency"], points),)) == []
        assert advice(sweeps=(Sweep("jobs", BY_NAME["latency"], points[:1]),)) == []
        assert advice(sweeps=(Sweep("jobs", BY_NAME["latency"], []),)) == []

    def test_what_is_slower_than_serial_is_to_be_avoided(self) -> None:
        rows = row("serial", 0.3), row("processes", 0.9), row("auto", 0.2), row("hybrid", 0.6), row("async", 0.31)
        assert advice(comparison("startup", *rows))[1:] == [
            "Avoid hybrid and processes for lists like startup: 0.60 s and 0.90 s, and 0.30 s under serial."
        ]

    def test_peer_that_was_faster_is_told_honestly(self) -> None:
        auto = traced(row("auto", 0.25), *all_at_once(0.15, 0.05, 0.01, 4))
        rows = auto, row("async", 0.4), peer("curl", 0.1), peer("aria2c", 0.09, "-j 40"), peer("wget2", 0.01, failures=40)
        assert advice(comparison("latency", *rows))[1:] == [
            "In latency, aria2c (-j 40) took 90 ms; our fastest, auto, 0.25 s, of which 0.15 s passed before its first request."
        ]
        auto.stretches = []
        assert advice(comparison("latency", *rows))[1:] == ["In latency, aria2c (-j 40) took 90 ms; our fastest, auto, 0.25 s."]

    def test_peers_that_were_not_faster_are_told_too(self) -> None:
        rows = row("auto", 0.25), row("async", 0.4), peer("curl", 0.3)
        assert advice(comparison("latency", *rows))[1:] == ["No other program was as fast as the fastest strategy in latency."]
        level = row("auto", 0.25), row("async", 0.4), peer("curl", 0.249)
        assert advice(comparison("latency", *level))[1:] == []

    def test_many_are_counted(self) -> None:
        names = ("small", "latency", "large", "mixed", "tls")
        made = [comparison(name, row("auto", 0.2), row("async", 0.4), peer("curl", 0.1)) for name in names]
        said = advice(*made)
        assert said[0].endswith("in 5 scenarios.")
        assert len(said) == 5
        assert said[-1] == "In 2 more scenarios, another program was the fastest too."

    def test_failures_of_some_strategies_are_told(self) -> None:
        some = comparison("latency", row("auto", 0.2), row("async", 0.1, failures=1))
        every = comparison("flaky", row("auto", 0.2, failures=2), row("async", 0.1, failures=1))
        own = Comparison(BY_NAME["small"], some.rows, own=True)
        assert advice(some) == ["Files failed under async in latency: see the errors there."]
        assert advice(comparison("latency", row("auto", 0.2, failures=1), row("async", 0.3), row("threads", 0.4))) == [
            "In latency, --strategy async took 0.30 s, and files failed under auto.",
            "Files failed under auto in latency: see the errors there.",
        ]
        assert advice(every) == []
        assert advice(own) == []

    def test_nothing_measured_nothing_said(self) -> None:
        assert advice() == []
        assert advice(comparison("latency")) == []
        assert advice(comparison("large", row("auto", 1.0))) == []
