"""Which worker has which Attempts, and what follows when a worker dies: whatever happens, in any order, and in whole runs."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from downloader.core.limits.batches import MedianDuration
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.scheduling.dealing import GROUP_DIVISOR, Dealing, Parcel, Seat
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.errors import NetworkError, WorkerError

LOST, UNREPORTED, MAYBE, UNSTARTED = End.WORKER_LOST, End.UNREPORTED, End.MAYBE_STARTED, End.UNSTARTED


def attempt(key: int, file: int | None = None, partner: int | None = None) -> Attempt:
    """An Attempt at a file, which has the same number if there is no other."""
    file = key if file is None else file
    return Attempt(key, 1, f"http://h/{file}", f"http://h/{file}", str(file), same_process_as=partner)


def dealing_with(*slots: int) -> tuple[Dealing, list[Seat]]:
    """A Dealing with so many slots in each of its seats."""
    dealing, seats = Dealing(), [Seat(count) for count in slots]
    for seat in seats:
        dealing.join(seat)
    return dealing, seats


def lose(dealing: Dealing, seat: Seat, begun: Callable[[int], int | None] = lambda _: 0) -> dict[int, End]:
    """The worker of the seat dies, and another one takes its place. How each Attempt ended, by key."""
    outcomes = dealing.gone(seat, begun)
    dealing.join(seat)
    return {outcome.key: outcome.end for outcome in outcomes}


def running_in(seat: Seat) -> list[int]:
    """The keys of what the seat has."""
    return sorted(item.key for parcel in seat.parcels.values() for item in parcel)


# --- by hand


def test_a_batch_goes_to_the_seat_with_the_most_free_slots_and_is_sent_once() -> None:
    dealing, (small, large) = dealing_with(1, 2)
    batch = [attempt(1), attempt(2)]
    assert dealing.place(batch) == []
    assert dealing.to_send() == {large: [(1, batch)]}
    assert dealing.to_send() == {}
    assert dealing.place([attempt(3)]) == dealing.place([attempt(4)]) == []
    assert (running_in(small), running_in(large), dealing.running) == ([3], [1, 2, 4], 3)
    assert not dealing.has_room
    assert dealing.place([attempt(5), attempt(6)]) == [Outcome(5, UNSTARTED), Outcome(6, UNSTARTED)]
    assert not dealing.has(5)


def test_a_segment_goes_to_the_seat_that_has_the_file_or_nowhere() -> None:
    dealing, (first, second) = dealing_with(2, 3)
    dealing.place([attempt(1)])
    dealing.place([attempt(2, 1, partner=1)])
    dealing.place([attempt(3, 1, partner=2)])
    assert running_in(second) == [1, 2, 3]
    assert dealing.place([attempt(4, 1, partner=1)]) == [Outcome(4, UNSTARTED)]  # although the other seat has free slots
    assert first.room() == 2


def test_one_lost_worker_puts_no_file_into_quarantine() -> None:
    dealing, (seat, other) = dealing_with(4, 4)
    for key in range(8):
        dealing.place([attempt(key)])
    lost = running_in(seat)
    assert lose(dealing, seat) == dict.fromkeys(lost, UNREPORTED)
    for key in lost:
        assert dealing.was_lost(attempt(key))
        assert not dealing.is_suspect(attempt(key))
        dealing.place([attempt(key)])
    assert running_in(seat) == lost
    assert not any(dealing.was_lost(attempt(key)) for key in running_in(other))


def test_a_file_that_was_lost_alone_is_told_so_at_once_and_is_no_suspect_yet() -> None:
    dealing, (seat,) = dealing_with(4)
    dealing.place([attempt(1), attempt(2), attempt(3)])
    assert lose(dealing, seat, lambda _: 1) == {1: UNREPORTED, 2: LOST, 3: UNSTARTED}
    assert [dealing.is_suspect(attempt(key)) for key in (1, 2, 3)] == [False, False, False]
    assert [dealing.was_lost(attempt(key)) for key in (1, 2, 3)] == [False, True, False]


def test_a_worker_that_died_before_it_began_anything_is_not_the_fault_of_a_file() -> None:
    dealing, (seat,) = dealing_with(1)
    for _ in range(5):
        dealing.place([attempt(1)])
        assert lose(dealing, seat, lambda _: -1) == {1: UNSTARTED}
    assert not dealing.was_lost(attempt(1))


def test_where_it_is_not_known_what_was_begun_each_file_may_be_the_cause() -> None:
    dealing, (seat,) = dealing_with(2)
    dealing.place([attempt(1), attempt(2)])
    dealing.place([attempt(3)])
    assert lose(dealing, seat, lambda number: None if number else 0) == {1: MAYBE, 2: MAYBE, 3: UNREPORTED}
    assert all(dealing.was_lost(attempt(key)) for key in (1, 2, 3))
    dealing.place([attempt(1)])
    assert lose(dealing, seat, lambda _: None) == {1: LOST}


def test_segments_of_one_file_are_lost_alone() -> None:
    dealing, (seat,) = dealing_with(4)
    dealing.place([attempt(1)])
    dealing.place([attempt(2, 1, partner=1)])
    assert lose(dealing, seat) == {1: LOST, 2: LOST}


def test_suspects_run_in_groups_that_get_smaller_in_a_seat_of_their_own() -> None:
    dealing, (seat, other) = dealing_with(32, 32)
    dealing.place([attempt(100)])
    busy = next(one for one in (seat, other) if one.parcels)
    quarantine = next(one for one in (seat, other) if one is not busy)
    for _ in range(2):
        for key in range(20):
            dealing.place([attempt(key)])
        for victim in (busy, quarantine):
            lose(dealing, victim)
    for key in range(16):
        assert dealing.place([attempt(key)]) == []
    sizes = []
    for place in itertools.cycle((busy, quarantine)):
        dealing.to_send()
        if not place.parcels:
            continue
        group = running_in(place)
        sizes.append(len(group))
        ends = set(lose(dealing, place).values())
        assert ends == ({UNREPORTED} if len(group) > 1 else {LOST})
        for key in group:
            assert dealing.place([attempt(key)]) == []
        if len(group) == 1:
            break
    assert sizes[0] <= max(1, 20 // GROUP_DIVISOR)


def test_a_quarantine_that_is_reserved_gets_nothing_else_and_is_given_back() -> None:
    dealing, (first, second) = dealing_with(2, 2)
    for _ in range(2):
        dealing.place([attempt(1)])
        dealing.place([attempt(2)])
        for seat in (first, second):
            lose(dealing, seat)
    dealing.place([attempt(3)])  # no suspect
    assert dealing.place([attempt(1), attempt(4)]) == [Outcome(4, UNSTARTED)]  # not both at a time: they share one slot
    dealing.place([attempt(4)])
    dealing.place([attempt(5)])
    (normal,) = [seat for seat in (first, second) if seat.parcels]
    quarantine = second if normal is first else first
    assert running_in(normal) == [3, 4]
    assert dealing.to_send()[quarantine] == [(1, [attempt(1)])]
    assert not dealing.has_room
    assert dealing.reported(quarantine, 1, [Outcome(1, End.COMPLETE)]) == [Outcome(1, End.COMPLETE)]
    assert not dealing.was_lost(attempt(1))
    dealing.to_send()
    assert dealing.has_room


@pytest.mark.parametrize("end", [UNSTARTED, End.MUST_RESTART, End.SEGMENT_DONE, End.NAME_LEARNED, End.FAILED, End.INTERRUPTED])
def test_only_a_complete_file_is_no_suspect_any_more(end: End) -> None:
    dealing, (seat,) = dealing_with(1)
    for _ in range(2):
        dealing.place([attempt(1)])
        dealing.to_send()
        lose(dealing, seat)
    dealing.place([attempt(1)])
    dealing.to_send()
    assert dealing.reported(seat, 0, [Outcome(1, end)]) == [Outcome(1, end)]
    assert dealing.is_suspect(attempt(1))


def test_at_a_stop_suspects_that_wait_are_not_started() -> None:
    dealing, (seat,) = dealing_with(4)
    for _ in range(2):
        dealing.place([attempt(1)])
        dealing.place([attempt(2)])
        dealing.to_send()
        lose(dealing, seat)
    dealing.place([attempt(1), attempt(2)])
    assert dealing.busy
    assert dealing.withdraw() == [Outcome(1, UNSTARTED), Outcome(2, UNSTARTED)]
    assert dealing.withdraw() == []
    assert dealing.to_send() == {}
    assert not dealing.busy


# --- in any order

KEYS = st.integers(0, 30)
QUIET_ENDS = (End.FAILED, End.MUST_RESTART, UNSTARTED, End.SEGMENT_DONE)


class AnyOrder(RuleBasedStateMachine):
    """A Dealing, and what is known of it from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.dealing = Dealing()
        self.open: dict[int, Attempt] = {}  # placed and not settled
        self.sent: dict[Seat, dict[int, list[Attempt]]] = {}  # what each worker that is there was sent, and has not reported
        self.former: list[Seat] = []
        self.group_limit: dict[str, int] = {}

    def settle(self, outcomes: list[Outcome]) -> None:
        """Each Attempt is settled once."""
        for outcome in outcomes:
            del self.open[outcome.key]

    def of_file(self, item: Attempt) -> int:
        """How many Attempts at the file of this one are open."""
        return sum(other.path == item.path for other in self.open.values())

    @rule(slots=st.integers(1, 20))
    def join(self, slots: int) -> None:
        """One more worker."""
        seat = Seat(slots)
        self.sent[seat] = {}
        self.dealing.join(seat)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3, unique=True))
    def place(self, keys: list[int]) -> None:
        """A batch of files that are not open."""
        paths = {item.path for item in self.open.values()}
        batch = [attempt(key) for key in keys if key not in self.open and str(key) not in paths]
        if batch:
            self.give(batch)

    @precondition(lambda self: self.open)
    @rule(key=st.integers(31, 60), which=st.integers(0))
    def place_segment(self, key: int, which: int) -> None:
        """One more Attempt at a file that is open."""
        partner = list(self.open.values())[which % len(self.open)]
        if key not in self.open:
            self.give([attempt(key, int(partner.path), partner=partner.key)])

    def give(self, batch: list[Attempt]) -> None:
        """Place a batch."""
        self.open.update((item.key, item) for item in batch)
        self.settle(self.dealing.place(batch))

    @rule()
    def send(self) -> None:
        """The driver sends."""
        for seat, parcels in self.dealing.to_send().items():
            for number, batch in parcels:
                assert batch
                assert number not in self.sent[seat]
                self.sent[seat][number] = list(batch)
        for seat, had in self.sent.items():
            assert had == seat.parcels

    @rule(which=st.integers(0), number=st.integers(0, 19), keys=st.lists(KEYS), random=st.randoms(), whole=st.booleans())
    def report(self, which: int, number: int, keys: list[int], random: Random, whole: bool) -> None:
        """A worker reports: some of a parcel, in any order, repeatedly, and what nobody has asked for."""
        seats = [*self.sent, *self.former]
        if not seats:
            return
        seat = seats[which % len(seats)]
        had = self.sent.get(seat, {}).get(number, [])
        reported = [item for item in had if whole or random.random() < 0.5]
        placed = {item.key for item in seat.parcels.get(number, [])}  # perhaps not sent yet: no worker can report these
        strangers = [key for key in keys if key not in placed]
        outcomes = [Outcome(item.key, self.end_of(item, random), elapsed=random.random()) for item in reported]
        noise = [Outcome(key, End.COMPLETE) for key in strangers] + outcomes[:1]
        if not whole:
            outcomes = outcomes + noise
            random.shuffle(outcomes)
        valid = self.dealing.reported(seat, number, outcomes)
        assert sorted(outcome.key for outcome in valid) == sorted(item.key for item in reported)
        if had:
            self.sent[seat][number] = left = [item for item in had if item not in reported]
            if not left:
                del self.sent[seat][number]
        self.settle(valid)
        for item in reported:
            if not self.dealing.was_lost(item):
                self.group_limit.pop(item.path, None)

    def end_of(self, item: Attempt, random: Random) -> End:
        """One of the ends that this Attempt may have: the last one at a file may complete it."""
        return End.COMPLETE if self.of_file(item) == 1 and random.random() < 0.5 else random.choice(QUIET_ENDS)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0), random=st.randoms(), known=st.booleans(), again=st.booleans())
    def die(self, which: int, random: Random, known: bool, again: bool) -> None:
        """A worker dies at any moment; perhaps another one gets its seat."""
        self.send()
        seat = list(self.sent)[which % len(self.sent)]
        had = self.sent.pop(seat)
        begun = {number: random.randrange(-1, len(parcel)) if known else None for number, parcel in had.items()}
        lost: set[str] = set()
        for number, parcel in had.items():
            index = begun[number]
            lost |= {item.path for item in (parcel if index is None else parcel[index : index + 1] if index >= 0 else [])}
        outcomes = self.dealing.gone(seat, begun.__getitem__)
        assert sorted(outcome.key for outcome in outcomes) == sorted(item.key for parcel in had.values() for item in parcel)
        alone = {self.open[outcome.key].path for outcome in outcomes if outcome.end is LOST}
        assert alone == (lost if len(lost) == 1 else set())
        self.settle(outcomes)
        for path in lost:
            self.group_limit[path] = min(self.group_limit.get(path, 99), max(1, len(lost) // GROUP_DIVISOR))
        assert not seat.parcels
        assert seat.room() == seat.slots
        if again:
            self.dealing.join(seat)
            self.sent[seat] = {}
        else:
            self.former.append(seat)

    @rule()
    def withdraw(self) -> None:
        """A stop."""
        self.settle(self.dealing.withdraw())

    @invariant()
    def each_slot_is_free_or_has_one_parcel(self) -> None:
        """In each seat."""
        for seat in self.sent:
            assert sorted([*seat.free, *seat.parcels]) == list(range(seat.slots))

    @invariant()
    def each_open_attempt_is_in_one_place(self) -> None:
        """In a seat, or among the suspects that wait."""
        seated = [item.key for seat in self.sent for parcel in seat.parcels.values() for item in parcel]
        assert len(seated) == len(set(seated))
        assert {key for key in self.open if self.dealing.has(key)} == set(seated)
        assert set(seated) <= self.open.keys()
        assert all(self.dealing.is_suspect(item) for key, item in self.open.items() if key not in seated)
        assert self.dealing.busy == bool(self.open)

    @invariant()
    def suspects_share_their_seat_with_their_group_only(self) -> None:
        """And the group is as small as their losses want it."""
        quarantines = 0
        for seat in self.sent:
            items = [item for parcel in seat.parcels.values() for item in parcel]
            suspects = [item for item in items if self.dealing.is_suspect(item)]
            assert len(suspects) in (0, len(items))
            quarantines += bool(suspects)
            files = {item.path for item in suspects}
            assert all(len(files) <= self.group_limit[path] for path in files)
        assert quarantines <= 1

    @invariant()
    def segments_of_a_file_are_in_one_seat(self) -> None:
        """The worker has the file open."""
        seats = Counter(
            path for seat in self.sent for path in {item.path for parcel in seat.parcels.values() for item in parcel}
        )
        assert max(seats.values(), default=0) <= 1


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAnyOrder = AnyOrder.TestCase


# --- whole runs, in simulated time


class Farm:
    """Workers that run what they are dealt, in simulated time; a poisonous file kills its worker when it would be complete.

    ``kills``: times at which a worker is killed from outside.
    """

    def __init__(
        self, run: Scheduler, poison: set[str], seats: list[int], slots: Slots, random: Random, kills: int = 0
    ) -> None:
        self.run, self.poison, self.slots, self.random = run, poison, slots, random
        self.jobs = sum(seats)
        self.dealing = Dealing()
        self.now = 0.0
        self.results: list[Result] = []
        self.deaths = self.kills = 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.lives = Counter[Seat]()
        self.started: dict[Seat, dict[int, int]] = {}
        self.ended: dict[Seat, dict[int, list[Outcome]]] = {}
        self.unreported = 0  # Attempts that dead workers had begun
        for slots in seats:
            self.join(Seat(slots))
        for _ in range(kills):
            self.at(random.uniform(0, 20), self.kill_any)

    def at(self, seconds: float, call: Callable[[], None]) -> None:
        """Call this in so many seconds."""
        heapq.heappush(self.events, (self.now + seconds, next(self.order), call))

    def join(self, seat: Seat) -> None:
        """A worker."""
        self.started[seat], self.ended[seat] = {}, {}
        self.dealing.join(seat)

    def main(self) -> list[Result]:
        """Run to the end."""
        for _ in range(200_000):
            if self.run.finished:
                break
            self.deal()
            self.results += self.run.results()
            if self.events:
                self.now, _, call = heapq.heappop(self.events)
                call()
            elif not self.run.finished:
                assert self.run.wake_at is not None, "nothing runs, and yet the run is not finished"
                self.now = max(self.now, self.run.wake_at)
        assert self.run.finished
        assert not self.dealing.busy
        self.results += self.run.results()
        return self.results

    def deal(self) -> None:
        """As a driver does."""
        dealing, running = self.dealing, self.dealing.running
        while running < self.jobs and dealing.has_room:
            batch = self.run.take(self.now, dealing.batch_size(self.run.waiting, self.jobs))
            if not batch:
                break
            if refused := dealing.place(batch):
                self.settle(refused)
                break
            running += 1
        for seat, parcels in dealing.to_send().items():
            for parcel in parcels:
                self.begin(seat, parcel)
        assert sum(len(seat.parcels) for seat in dealing.seats) <= self.slots.in_flight

    def begin(self, seat: Seat, parcel: Parcel, index: int = 0) -> None:
        """A worker begins the next Attempt of a parcel."""
        number, batch = parcel
        life = self.lives[seat]
        self.started[seat][number] = index

        def end() -> None:
            if self.lives[seat] != life:
                return  # the worker has died meanwhile
            ended = self.ended[seat].setdefault(number, [])
            item = batch[index]
            end = self.end_of(item)
            if end is LOST:
                self.die(seat)
                return
            ended.append(Outcome(item.key, end, elapsed=0.001, size=100, error=RESET if end is End.FAILED else None))
            if index + 1 < len(batch):
                self.begin(seat, parcel, index + 1)
            else:
                del self.ended[seat][number], self.started[seat][number]
                self.settle(self.dealing.reported(seat, number, ended))

        self.at(self.random.expovariate(1.0), end)

    def end_of(self, item: Attempt) -> End:
        """How an Attempt ends."""
        if item.url not in self.poison:
            return End.COMPLETE
        if not item.from_scratch and self.random.random() < 0.3:
            return End.MUST_RESTART
        return LOST

    def die(self, seat: Seat) -> None:
        """The worker dies, and another one comes some time later, perhaps in its seat."""
        self.lives[seat] += 1
        self.deaths += 1
        started = self.started[seat]
        self.unreported += sum(index + 1 for index in started.values())
        outcomes = self.dealing.gone(seat, lambda number: started.get(number, -1))
        self.settle(outcomes)
        again = seat if self.random.random() < 0.5 else Seat(seat.slots)
        self.at(self.random.choice([0.0, 3.0]), lambda: self.join(again))

    def kill_any(self) -> None:
        """A user kills a worker."""
        if self.dealing.seats:
            self.kills += 1
            self.die(self.random.choice(self.dealing.seats))

    def settle(self, outcomes: list[Outcome]) -> None:
        """As a run does."""
        for outcome in outcomes:
            self.run.settle(outcome, self.now, 0.5)


RESET = NetworkError("reset")


def simulated(
    count: int, poison: set[int], seats: list[int], retries: int, random: Random, kills: int = 0
) -> tuple[Farm, dict[str, Result]]:
    """A whole run over so many files; the Result of each URL."""
    slots = Slots(sum(seats), random.randint(1, sum(seats)))
    listed = [Download(f"http://h/{number}") for number in range(count)]
    run = Scheduler(iter(listed), slots, RetryPolicy(retries=retries, wait=0.1))
    farm = Farm(run, {f"http://h/{number}" for number in poison}, seats, slots, random, kills)
    results = {result.url: result for result in farm.main()}
    assert len(results) == len(farm.results) == count
    return farm, results


SEATS = st.lists(st.integers(1, 70), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None)
@given(
    count=st.integers(1, 150),
    poison=st.sets(st.integers(0, 149), max_size=5),
    seats=SEATS,
    retries=st.integers(0, 3),
    random=st.randoms(use_true_random=False),
)
def test_only_files_that_kill_their_worker_fail(
    count: int, poison: set[int], seats: list[int], retries: int, random: Random
) -> None:
    farm, results = simulated(count, poison, seats, retries, random)
    failed = {url for url, result in results.items() if result.status is Status.FAILED}
    assert failed == farm.poison & results.keys()
    assert all(isinstance(results[url].error, WorkerError) for url in failed)
    # Each death is a loss of a poisonous file: until it is a suspect, then in groups of 8 and 1, then alone.
    allowed_alone = max(1, retries) + 1
    assert farm.deaths <= len(failed) * (2 + 2 + allowed_alone)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 150),
    poison=st.sets(st.integers(0, 149), max_size=2),
    seats=SEATS,
    kills=st.integers(0, 6),
    random=st.randoms(use_true_random=False),
)
def test_workers_that_are_killed_from_outside_cost_no_file(
    count: int, poison: set[int], seats: list[int], kills: int, random: Random
) -> None:
    """With as many retries as kills: a file may have been alone in its worker each time."""
    farm, results = simulated(count, poison, seats, max(1, kills), random, kills)
    assert {url for url, result in results.items() if result.status is Status.FAILED} == farm.poison & results.keys()


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2, 100), seats=SEATS, random=st.randoms(use_true_random=False))
def test_one_kill_from_outside_costs_no_file_even_without_retries(count: int, seats: list[int], random: Random) -> None:
    farm, results = simulated(count, set(), seats, 0, random, kills=1)
    assert {result.status for result in results.values()} == {Status.DONE}
    assert sum(result.attempts - 1 for result in results.values()) == farm.unreported


def test_attempts_that_never_began_are_not_counted() -> None:
    """10 files in one slot, of which the worker has ended two and begun one when it dies: these three are asked for again."""
    run = Scheduler(iter(Download(f"http://h/{number}") for number in range(10)), Slots(1, 1), RetryPolicy())
    dealing, (seat,) = dealing_with(1)
    dealing.place(run.take(0.0, 10))
    dealing.to_send()
    for outcome in dealing.gone(seat, lambda _: 2):
        run.settle(outcome, 1.0, 0.5)
    dealing.join(seat)
    while not run.finished:
        dealing.place(run.take(2.0, 10))
        for number, batch in dealing.to_send()[seat]:
            for outcome in dealing.reported(seat, number, [Outcome(item.key, End.COMPLETE) for item in batch]):
                run.settle(outcome, 3.0, 0.5)
    assert {result.url[-1]: result.attempts for result in run.results()} == {
        str(number): 2 if number < 3 else 1 for number in range(10)
    }


@pytest.mark.parametrize("retries", [0, 2])
def test_a_file_that_kills_its_worker_while_it_is_fetched_in_segments_fails_in_the_end(retries: int) -> None:
    url, total = "http://h/0", 1 << 26
    split = SplitPolicy(max_segments=4, min_size=1 << 20)
    run = Scheduler(iter([Download(url)]), Slots(8, 8), RetryPolicy(retries=retries, wait=0.0), split=split)
    dealing, (seat,) = dealing_with(8)
    now, deaths, segments = 0.0, 0, 0
    while not run.finished:
        assert deaths < 40
        now += 10.0
        while dealing.has_room and (batch := run.take(now)):
            assert dealing.place(batch) == []
            dealing.to_send()
            for parcel in list(seat.parcels.values()):
                run.segments.progress(parcel[0].key, parcel[0].segment.start, total, now)
        segments = max(segments, len(seat.parcels))
        dealing.to_send()
        deaths += 1
        for outcome in dealing.gone(seat, lambda _: 0):
            assert outcome.end is LOST
            run.settle(outcome, now, 0.5)
        dealing.join(seat)
    assert segments > 1
    (result,) = run.results()
    assert isinstance(result.error, WorkerError)


# --- how much is dealt at a time


def test_the_median_is_that_of_the_last_durations() -> None:
    median = MedianDuration(first=7.0)
    assert median.value == 7.0
    median.add(3.0)
    assert median.value == 3.0
    for seconds in (1.0, 2.0):
        median.add(seconds)
    assert median.value == 2.0
    for _ in range(MedianDuration.SAMPLES):
        median.add(9.0)
    assert median.value == 9.0


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=100))
def test_the_median_is_one_of_the_last_durations_in_the_middle(durations: list[float]) -> None:
    median = MedianDuration()
    for seconds in durations:
        median.add(seconds)
    last = sorted(durations[-MedianDuration.SAMPLES :])
    assert median.value == last[len(last) // 2]


def test_a_few_slow_files_among_fast_ones_do_not_make_batches_of_one() -> None:
    dealing, (seat,) = dealing_with(1)
    assert dealing.batch_size(10_000, 4) == 1  # nothing is known yet
    sizes = []
    for key in range(200):
        dealing.place([attempt(key)])
        dealing.reported(seat, 0, [Outcome(key, End.COMPLETE, elapsed=30.0 if key % 10 == 0 else 0.001)])
        sizes.append(dealing.batch_size(10_000, 4))
    assert sizes[2:] == [50] * len(sizes[2:])
