"""Sections for single hosts: which section counts, how its values are checked, and what becomes of them."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import downloader
from downloader.core.http.messages import TransferPolicy
from downloader.core.limits.host_limits import HostAdaptiveSlots, HostSlots
from downloader.core.limits.host_table import HostTable, most_specific
from downloader.core.limits.pacing import PacedSlots
from downloader.core.limits.slots import Limits, Slots
from downloader.engine.rate_limiter import RateLimiter
from downloader.errors import PolicyError, UsageError
from downloader.runs import plan
from downloader.settings.config_files import ConfigFile
from downloader.settings.definitions import HostSettings, Settings
from downloader.settings.host_tables import KEYS, OWN_KEYS, host_pattern, read_keyword
from downloader.settings.layers import load
from downloader.strategies.registry import BUILT_IN, find

# --- which section counts


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org", "example.org"),
        ("example.org:80", "example.org"),
        ("example.org:8080", "example.org:8080"),
        ("a.example.org", "*.example.org"),
        ("b.a.example.org", "*.a.example.org"),
        ("c.b.a.example.org:1", "*.a.example.org"),
        ("d.example.org:9", "*.example.org:9"),
        ("d.example.org:8", "*.example.org"),
        ("notexample.org", None),
        ("org", None),
        ("example.org.evil", None),
        ("www.a.example.org", "www.a.example.org"),
        ("[::1]", "[::1]"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]:80", "[::1]"),
        ("[::2]", None),
        ("127.0.0.1:80", "127.0.0.1"),
        ("", None),
    ],
)
def test_the_most_specific_section_counts(host: str, expected: str | None) -> None:
    patterns = ["example.org", "example.org:8080", "*.example.org", "*.example.org:9", "*.a.example.org", "www.a.example.org"]
    patterns += ["[::1]", "[::1]:8080", "127.0.0.1"]
    assert most_specific(host, patterns) == expected
    table = pickle.loads(pickle.dumps(HostTable({pattern: pattern for pattern in patterns})))
    assert [table.get(host), table.get(host)] == [expected, expected]


def test_a_specific_section_without_a_value_hides_that_of_a_less_specific_one() -> None:
    table: HostTable[int] = HostTable({"*.example.org": 1, "a.example.org": None})
    assert (table.get("a.example.org"), table.get("b.example.org")) == (None, 1)


NAMES = st.lists(st.sampled_from(["a", "b", "cc"]), min_size=1, max_size=4).map(".".join)
PORTS = st.sampled_from(["", ":1", ":22"])
PATTERNS = st.builds("{}{}{}".format, st.sampled_from(["", "*."]), NAMES, PORTS)


def matches(pattern: str, host: str) -> bool:
    """The definition, in other words."""
    name, _, port = pattern.partition(":")
    host_name, _, host_port = host.partition(":")
    if port and port != host_port:
        return False
    return host_name.endswith(name[1:]) if name.startswith("*.") else host_name == name


@given(st.sets(PATTERNS, max_size=8), st.builds("{}{}".format, NAMES, PORTS))
def test_any_patterns(patterns: set[str], host: str) -> None:
    def rank(pattern: str) -> tuple[bool, int, bool]:
        return not pattern.startswith("*."), len(pattern.partition(":")[0]), ":" in pattern

    expected = max((pattern for pattern in patterns if matches(pattern, host)), key=rank, default=None)
    assert most_specific(host, patterns) == expected


def test_a_table_forgets_hosts_in_time() -> None:
    table = HostTable({"*.example": 1})
    for number in range(10_000):
        assert table.get(f"{number}.example") == 1
    assert len(pickle.dumps(table)) < 200_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example.ORG", "example.org"),
        ("*.Example.org", "*.example.org"),
        ("example.org:8080", "example.org:8080"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example:1", "*.xn--bcher-kva.example:1"),
        ("[::1]:80", "[::1]:80"),
        ("localhost", "localhost"),
    ],
)
def test_pattern(text: str, expected: str) -> None:
    assert host_pattern(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.", "*a.example", "a.*.example", "https://example.org", "example.org/", "me@example.org", "a b", "::1"),
        *("example.org:0", "example.org:99999", "example.org:x", "*.[::1]", "a,b", "a?b", "a#b", "..", "a\n"),
    ],
)
def test_no_pattern(text: str) -> None:
    with pytest.raises(UsageError, match="not a host"):
        host_pattern(text)


# --- how the values are checked


def read(folder: Path, text: str, trusted: bool = True) -> Settings:
    """The settings of a file with this text."""
    path = folder / "c.toml"
    path.write_text(text)
    return load({}, {}, ConfigFile(path, trusted)).settings


FULL = """
[host."Example.org"]
per-host = 2
limit-rate-per-host = "10k"
wait = "1m"
max-requests-per-second = 0.5
header = ["A: b"]
user-agent = "me"
user = "ada"
password-env = "P"
"""


def test_every_key(tmp_path: Path) -> None:
    (host,) = read(tmp_path, FULL).hosts
    assert host == HostSettings(
        pattern="example.org",
        per_host=2,
        limit_rate_per_host=10_000,
        wait=60.0,
        max_requests_per_second=0.5,
        header=("A: b",),
        user_agent="me",
        user="ada",
        password_env="P",
    )
    assert set(KEYS) > OWN_KEYS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("per-host = 0", '[host."a"] per-host (FILE): must be at least 1'),
        ('per-host = "auto"', "[host.\"a\"] per-host (FILE): expected a whole number, got 'auto'"),
        ("wait = -1", '[host."a"] wait (FILE): must be at least 0'),
        ('wait = "soon"', '[host."a"] wait (FILE): expected a time'),
        ("limit-rate-per-host = -1", '[host."a"] limit-rate-per-host (FILE): must be at least 0'),
        ('header = "A: s3cret"', '[host."a"] header (FILE): expected a list of texts'),
        ('header = ["s3cret"]', "[host.\"a\"] header (FILE): a header is not of the form 'Name: value'"),
        ('header = ["Authorization: s3cret"]', '[host."a"] header (FILE): Authorization is not read from this place'),
        ('password = "s3cret"', '[host."a"] password (FILE): secrets are not read from this place'),
        ('token = "s3cret"', '[host."a"] token (FILE): secrets are not read from this place'),
        ('user = "me:s3cret"\npassword-env = "P"', '[host."a"] user (FILE): a password is not read from this place'),
        ('user = "s3cret"', '[host."a"] (FILE): password-env is missing'),
        ('password-env = "s3cret"', '[host."a"] (FILE): user is missing'),
        ('bearer-env = "s3cret"\nnetrc = true', '[host."a"] (FILE): give one of user, bearer-env and netrc'),
        ("netrc = 1", '[host."a"] netrc (FILE): expected true or false, got 1'),
        ("per_host = 1", '[host."a"] per_host (FILE): unknown setting (did you mean per-host?)'),
        ("xyzzy = 1", '[host."a"] xyzzy (FILE): unknown setting (one of per-host, '),
        ("retries = 1", '[host."a"] retries (FILE): unknown setting'),
        ('[host."A"]\nwait = 1', '[host."A"] (FILE): [host."a"] names the same hosts'),
        ('[host."http://a/"]', "[host] (FILE): not a host: 'http://a/'"),
    ],
)
def test_a_wrong_section(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, f'[host."a"]\n{text}\n')
    assert str(caught.value).startswith(said.replace("FILE", str(tmp_path / "c.toml")))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["host = 1", "[host]\na = 1", "host = []"])
def test_no_sections(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="expected sections"):
        read(tmp_path, text)


@pytest.mark.parametrize("key", KEYS)
def test_a_foreign_file_may_limit_but_send_nothing(tmp_path: Path, key: str) -> None:
    values = {"header": '["A: s3cret"]', "netrc": "true", "user-agent": '"x"', "wait": "1"}
    text = values.get(key, '"s3cret"' if key in OWN_KEYS else "1")
    if key in OWN_KEYS:
        with pytest.raises(UsageError) as caught:
            read(tmp_path, f'[host."a"]\n{key} = {text}', trusted=False)
        assert f'sets {key} of [host."a"], which is not allowed' in caught.value.reason
        assert "s3cret" not in str(caught.value)
    else:
        assert len(read(tmp_path, f'[host."a"]\n{key} = {text}', trusted=False).hosts) == 1


def test_keyword() -> None:
    fetcher = downloader.Downloader(hosts={"A.example": {"per_host": 2, "limit_rate_per_host": "1M", "header": ["A: b"]}})
    assert fetcher.settings.hosts == (
        HostSettings(pattern="a.example", per_host=2, limit_rate_per_host=1_000_000, header=("A: b",)),
    )
    assert downloader.Downloader(hosts={}).settings.hosts == ()


@pytest.mark.parametrize(
    "value", [1, [], {"a": 1}, {1: {}}, "a", {"a": {"per_host": 0}}, {"a": {1: 2}}, {"a": {"password": "x"}}]
)
def test_wrong_keyword(value: Any) -> None:
    with pytest.raises(UsageError, match="host"):
        read_keyword(value)
    with pytest.raises(UsageError, match="host"):
        downloader.Downloader(hosts=value)


@pytest.mark.parametrize("name", ["host", "profile"])
def test_tables_of_the_file_are_no_keywords(name: str) -> None:
    with pytest.raises(UsageError, match="unknown setting"):
        downloader.Downloader(**{name: {}})  # type: ignore[arg-type]


# --- what becomes of them


def settings_for(**more: Any) -> Settings:
    """Settings with two sections."""
    hosts = {"few.example": {"per_host": 2}, "*.many.example": {"per_host": 30}, "plain.many.example": {"wait": 1}}
    return downloader.Downloader(hosts=hosts, **more).settings  # type: ignore[arg-type]


def taken(limits: Limits, host: str) -> int:
    """How many slots a host gets."""
    count = 0
    while limits.acquire(host):
        count += 1
    return count


@pytest.mark.parametrize(
    ("settings", "host", "expected"),
    [
        ({"jobs": 100}, "few.example", 2),
        ({"jobs": 100}, "few.example:8080", 2),
        ({"jobs": 100}, "a.many.example", 30),
        ({"jobs": 100}, "plain.many.example", 4),
        ({"jobs": 100}, "other.example", 4),
        ({"jobs": 100}, "localhost", 100),
        ({"jobs": 20}, "a.many.example", 20),
        ({"jobs": 100, "per_host": 5}, "a.many.example", 30),
        ({"jobs": 100, "per_host": 5}, "few.example", 2),
        ({"jobs": 100, "per_host": 5}, "other.example", 5),
        ({"jobs": 100, "aggressive": True}, "other.example", 100),
        ({"jobs": 100, "aggressive": True}, "few.example", 2),
        ({}, "few.example", 2),
        ({}, "a.many.example", 30),
        ({}, "other.example", 4),
        ({}, "localhost", 40),
    ],
)
def test_slots(settings: dict[str, Any], host: str, expected: int) -> None:
    limits = plan.limits_for(settings_for(**settings), find("multiplex").capabilities, settings.get("jobs", 256))
    assert isinstance(limits, HostSlots if settings else HostAdaptiveSlots)
    assert taken(limits, host) == expected
    for _ in range(expected):
        limits.release(host)
    assert taken(limits, host) == expected
    assert "jobs" in limits.explain()


def test_a_refusal_lowers_a_number_of_a_section_too() -> None:
    limits = plan.limits_for(settings_for(jobs=100), find("multiplex").capabilities, 100)
    limits.sample(0.0, 0)
    assert taken(limits, "a.many.example") == 30
    limits.settled("a.many.example", 1.0, 0.5, True)
    for _ in range(30):
        limits.release("a.many.example")
    assert taken(limits, "a.many.example") == 15


def test_pace() -> None:
    paced = PacedSlots(Slots(100, 100), 1.0, HostTable({"slow": 5.0, "quick": 0.0, "usual": None}))
    for host, gap in (("slow", 5.0), ("usual", 1.0), ("other", 1.0)):
        paced.begin(0.0)
        assert paced.acquire(host)
        paced.begin(gap - 0.01)
        assert not paced.acquire(host)
        paced.begin(gap)
        assert paced.acquire(host)
    assert taken(paced, "quick") == 94
    paced.slow_down("slow", 2.0)
    paced.slow_down("usual", 3.0)
    paced.begin(100.0)
    assert not paced.acquire("slow")  # all slots are taken
    paced.release("quick")
    paced.release("quick")
    assert paced.acquire("slow")
    assert paced.acquire("usual")
    paced.begin(104.0)
    assert not paced.acquire("slow")
    assert paced.acquire("usual") is False  # no slot is left
    paced.release("quick")
    assert paced.acquire("usual")


@pytest.mark.parametrize(
    ("usual", "section", "gap"),
    [
        ({}, {"wait": 2}, 2.0),
        ({"wait": 3}, {"wait": 2}, 2.0),
        ({"wait": 3}, {"wait": 0}, 0.0),
        ({"wait": 3}, {"max_requests_per_second": 10}, 3.0),
        ({"max_requests_per_second": 10}, {"wait": 0}, 0.1),
        ({"wait": 3}, {"wait": 0, "max_requests_per_second": 4}, 0.25),
        ({"wait": 3}, {"per_host": 1}, None),
    ],
)
def test_gap(usual: dict[str, Any], section: dict[str, Any], gap: float | None) -> None:
    settings = downloader.Downloader(hosts={"a": section}, **usual).settings  # type: ignore[arg-type]
    assert settings.gap_at(settings.hosts[0]) == gap


@pytest.mark.parametrize(
    ("total", "per_host", "host", "rate"),
    [
        (0, 0, "slow", 100),
        (0, 0, "other", 0),
        (0, 1000, "slow", 100),
        (0, 1000, "other", 1000),
        (0, 1000, "free", 0),
        (50, 0, "free", 50),
    ],
)
def test_rate(total: int, per_host: int, host: str, rate: int) -> None:
    limiter = RateLimiter(total, per_host, HostTable({"slow": 100, "free": 0}))
    wait = limiter.pay(f"http://{host}/a", 1000, 10.0)
    assert wait == pytest.approx(1000 / rate - 0.02 if rate else 0.0)


def policy_for(url: str, hosts: Any, monkeypatch: pytest.MonkeyPatch | None = None, **settings: Any) -> TransferPolicy:
    """The policy of an Attempt at this URL."""
    made = downloader.Downloader("/tmp", hosts=hosts, **settings).settings
    return plan.worker_config(made, find("multiplex").capabilities, 4).policy_for(url)


def test_a_run_without_sections_has_no_tables() -> None:
    for name in ("serial", "multiplex"):
        config = plan.worker_config(Settings(), find(name).capabilities, 4)
        assert (config.own_rates, config.own_policies, config.is_rate_limited) == (None, None, False)
        assert type(plan.limits_for(Settings(jobs=2), find(name).capabilities, 2)) is Slots
    assert plan.rate_limiter_for(Settings()) is None


def test_a_section_that_only_limits_has_no_policy() -> None:
    made = downloader.Downloader("/tmp", hosts={"a": {"per_host": 2}}).settings
    config = plan.worker_config(made, find("multiplex").capabilities, 4)
    assert config.own_policies is None
    assert pickle.loads(pickle.dumps(config)).policy == config.policy


def test_headers_of_a_section_replace_those_of_the_run_and_stay_at_their_origin() -> None:
    hosts = {"a": {"header": ["X-Key: k", "Accept: text/csv"], "user_agent": "mine"}}
    policy = policy_for("http://a/x", hosts, header=["Accept: b", "C: d"])
    assert policy.headers == ((["C", "d"][0], "d"), ("User-Agent", "mine"), ("X-Key", "k"), ("Accept", "text/csv"))
    assert policy.elsewhere is not None
    assert policy.elsewhere.headers == (("Accept", "b"), ("C", "d"), ("User-Agent", "mine"))
    usual = policy_for("http://b/x", hosts)
    assert usual.elsewhere is None
    assert ("X-Key", "k") not in usual.headers


def test_files_of_a_paced_host_are_not_split() -> None:
    hosts = {"a": {"wait": 1}}
    assert [policy_for(f"http://{host}/x", hosts).may_split for host in "ab"] == [False, True]
    assert policy_for("http://a/x", hosts, segments=4).may_split


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"user": "me", "password_env": "UNSET_P"}, "the environment variable UNSET_P is not set"),
        ({"bearer_env": "UNSET_T"}, "the environment variable UNSET_T contains no token"),
        ({"netrc": True}, "cannot read the netrc file"),
    ],
)
def test_missing_credentials_are_an_error_of_their_host_alone(
    section: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    policy = policy_for("http://a/x", {"a": section})
    assert policy.has_credentials
    with pytest.raises(PolicyError, match=said):
        policy.credentials.headers("http://a/x", 0.0, "http://a/x")
    assert policy.credentials.headers("http://me:pw@a/x", 0.0, "http://a/x") == (("Authorization", "Basic bWU6cHc="),)
    assert policy.credentials.headers("http://b/x", 0.0, "http://a/x") == ()
    assert not policy_for("http://b/x", {"a": section}).has_credentials


def test_credentials_of_a_section_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "s3cret")
    policy = policy_for("http://a/x", {"a": {"user": "me", "password_env": "P"}})
    assert policy.credentials.headers("http://a/x", 0.0) == (("Authorization", "Basic bWU6czNjcmV0"),)
    assert "bWU6czNjcmV0" not in repr(policy.credentials)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_strategy_gets_picklable_tables(name: str) -> None:
    hosts = {"a": {"wait": 1, "limit_rate_per_host": 5, "per_host": 2, "header": ["A: b"]}}
    made = downloader.Downloader("/tmp", hosts=hosts).settings  # type: ignore[arg-type]
    config = pickle.loads(pickle.dumps(plan.worker_config(made, find(name).capabilities, 2)))
    assert config.is_rate_limited
    assert config.own_rates.get("a") == 5
    assert ("A", "b") in config.policy_for("http://a/x").headers
