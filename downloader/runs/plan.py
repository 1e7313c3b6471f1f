"""What the settings mean for a run: each function builds one part of it, and refuses what cannot be done.

==================== =============================================================================
`worker_config`      what every worker process or thread is given: `client_options`, `transfer_policy`
`scheduler_for`      which Attempt starts next: `limits_for`, `retry_policy`, `split_policy`
`jobs_for`           how many Attempts may be in flight
`checksums_for`      the file of checksums
`check_supported`    what the strategy cannot do
==================== =============================================================================

All of it happens before anything starts.
"""

import os
import resource
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from downloader._version import __version__
from downloader.core.http.credentials import NO_CREDENTIALS, Credentials
from downloader.core.http.guards import NO_GUARDS, Guards, parse_types
from downloader.core.http.messages import TransferPolicy, replaced
from downloader.core.limits import public_hosts
from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.slots import Limits, Slots
from downloader.core.model import Download
from downloader.core.names.namer import Namer
from downloader.core.scheduling.retry import RetryPolicy, parse_statuses
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.engine.contract import Capabilities, WorkerConfig
from downloader.errors import UsageError
from downloader.settings.definitions import Settings
from downloader.sources.lists import read_checksums
from downloader.transports.base import READ_BYTES, ClientOptions, check_proxy, environment_proxies

if TYPE_CHECKING:
    from downloader.core.names.checksum_list import ChecksumList
    from downloader.engine.rate_limiter import RateLimiter
    from downloader.runs.own_hosts import OwnHosts

_RESERVED_FILES = 64
"""Open files that are left for anything but downloads."""

_MAX_PER_HOST = 256
"""In flight at one host at most, if the user gave no number."""

_MIN_READ_BYTES = 2048
_MIN_RECEIVE_BUFFER, _MAX_RECEIVE_BUFFER = 1 << 15, 1 << 20


def effective_settings(settings: Settings) -> Settings:
    """The settings, with ``segments=1`` where requests to one host are spaced: each segment would wait for its turn."""
    if (settings.gap or settings.obey_robots) and not settings.segments:
        return replace(settings, segments=1)
    return settings


def _own_hosts(settings: Settings) -> "OwnHosts | None":
    if not settings.hosts:
        return None
    from downloader.runs.own_hosts import OwnHosts  # here: few runs need it

    return OwnHosts(settings)


def check_supported(settings: Settings, capabilities: Capabilities) -> None:
    """Raises UsageError if the strategy does not support what the settings ask for."""
    wanted = settings.http_version
    if wanted != "auto" and wanted not in capabilities.http_versions:
        raise UsageError(f"{settings.strategy} does not support HTTP/{wanted}", hint="--strategy multiplex does")
    if settings.segments > 1 and not capabilities.segments:
        raise UsageError(f"{settings.strategy} does not split files", hint="--strategy multiplex splits them")
    own = _own_hosts(settings)
    if (_rate_limits(settings) or (own and own.rates)) and not capabilities.limit_rate:
        raise UsageError(f"{settings.strategy} cannot limit the rate", hint="--strategy multiplex can")
    if settings.process:
        from downloader.engine.attempt import postprocess

        postprocess.find(settings.process)
        if capabilities.fresh_main and settings.process.startswith("__main__:"):
            raise UsageError(f"{settings.strategy} runs in processes of its own", hint="put the function into a module")


def jobs_for(settings: Settings, capabilities: Capabilities) -> tuple[int, str]:
    """How many Attempts may be in flight, and a sentence for the user if that is less than the settings ask for."""
    wanted = settings.jobs or capabilities.most_jobs or capabilities.default_jobs
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    jobs_by_files = (
        max(1, (open_files - min(_RESERVED_FILES, open_files // 2)) // capabilities.files_per_job)
        if open_files != resource.RLIM_INFINITY and capabilities.files_per_job
        else wanted
    )
    jobs = min(wanted, jobs_by_files, capabilities.max_jobs or wanted)
    if jobs == jobs_by_files < wanted:
        return jobs, f"--jobs {wanted} lowered to {jobs}: the limit of open files is {open_files} (ulimit -n)"
    if jobs < wanted and settings.jobs:
        return jobs, f"--jobs {wanted} lowered to {jobs}: the maximum of {settings.strategy}"
    return jobs, ""


def checksums_for(settings: Settings) -> "ChecksumList | None":
    """The checksums, if the settings give or require any. Raises UsageError."""
    if not (settings.checksums or settings.require_checksums or settings.find_checksums):
        return None
    from downloader.core.names.checksum_list import ChecksumList  # here: few runs need it

    lines = read_checksums(settings.checksums) if settings.checksums else None
    return ChecksumList(lines, settings.checksums, settings.require_checksums, searched=settings.find_checksums)


def scheduler_for(
    settings: Settings,
    capabilities: Capabilities,
    jobs: int,
    source: Iterator[Download | None],
    checksums: "ChecksumList | None",
    namer: Namer,
) -> Scheduler:
    """The scheduler of a run. ``jobs``: Attempts in flight at most. Raises UsageError."""
    own = _own_hosts(settings)
    own_gaps = own.gaps if own else None
    return _scheduler_class(settings, checksums)(
        source,
        limits_for(settings, capabilities, jobs),
        retry_policy(settings),
        split=split_policy(settings),
        checksum_list=checksums,
        namer=namer,
        probe=namer.asks_server,
        fail_fast=settings.fail_fast,
        host_failures=settings.host_failures,
        wait_for_space=settings.on_full == "wait",
        window=capabilities.read_ahead,
        gap=settings.gap if settings.gap or settings.obey_robots or own_gaps is not None else None,
        own_gaps=own_gaps,
    )


def _scheduler_class(settings: Settings, checksums: "ChecksumList | None") -> Callable[..., Scheduler]:
    """What makes the scheduler, from its other arguments."""
    if not (settings.obey_robots or settings.find_checksums):
        return Scheduler
    from downloader.core.scheduling.gated_scheduler import GatedScheduler  # here: few runs need it
    from downloader.runs.gates import gates_for

    return partial(GatedScheduler, gates_for(settings, checksums))


def limits_for(settings: Settings, capabilities: Capabilities, jobs: int) -> Limits:
    """How many Attempts may be in flight, in total and per host.

    A number from the user is fixed; else the number adapts to what helps. A public host gets few, unless the user gave
    a number for each host, or chose --aggressive.
    """
    per_host = min(settings.per_host or _MAX_PER_HOST, jobs)
    public = 0 if settings.per_host or settings.aggressive else public_hosts.MAX_AT_PUBLIC_HOST
    own = _own_hosts(settings)
    fixed, adapting = (own and own.limit_classes()) or (Slots, AdaptiveSlots)
    if settings.jobs or capabilities.most_jobs is None:
        unreached = 4 * jobs  # a ceiling above the fixed number: these slots only limit public hosts
        adaptive = (
            adapting(ceiling=unreached, host_ceiling=per_host, start=unreached, public_ceiling=public) if public else None
        )
        return fixed(jobs, per_host, adaptive)
    return adapting(ceiling=jobs, host_ceiling=per_host, start=capabilities.default_jobs, public_ceiling=public)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Which failures are retried, and when. Raises UsageError."""
    statuses = parse_statuses(settings.retry_on)
    return RetryPolicy(settings.retries, settings.retry_wait, max_retry_after=settings.max_retry_after, retry_on=statuses)


def may_split(settings: Settings, capabilities: Capabilities) -> bool:
    """Whether the run may fetch a file in several Segments. Of a single file, `Transfer.splittable` says so."""
    return capabilities.segments and settings.segments != 1


def split_policy(settings: Settings) -> SplitPolicy:
    """Into how many Segments a file is split: a number from the user is fixed, else as many as help; few from a public host."""
    public = 0 if settings.segments or settings.aggressive else public_hosts.MAX_SEGMENTS_AT_PUBLIC_HOST
    return SplitPolicy(settings.segments, settings.min_segment_size, public)


def rate_limiter_for(settings: Settings) -> "RateLimiter | None":
    """The rate limiter of a run; None without a limit."""
    own = _own_hosts(settings)
    if not (_rate_limits(settings) or (own and own.rates)):
        return None
    from downloader.engine.rate_limiter import RateLimiter  # here: few runs need it

    return RateLimiter(settings.limit_rate, settings.limit_rate_per_host, own.rates if own else None)


def worker_config(
    settings: Settings, capabilities: Capabilities, jobs: int, traced: bool = False, timed: bool = False
) -> WorkerConfig:
    """What each worker is given, wherever it runs.

    ``traced``: Outcomes have a Trace. ``timed``: they have Timings. Raises UsageError.
    """
    client = client_options(settings, jobs)
    policy, own = transfer_policy(settings, capabilities), _own_hosts(settings)
    root, store = os.path.expanduser(settings.dir), None
    if ":/" in root:
        from downloader.runs.destination import object_store  # here: few runs need it

        root, store = object_store(settings)
    return WorkerConfig(
        root=root if os.path.isabs(root) else os.path.join(os.getcwd(), root),
        store=store,
        policy=policy,
        client=client,
        on_exists=settings.on_exists,
        mtime=settings.mtime,
        limit_rate=settings.limit_rate,
        limit_rate_per_host=settings.limit_rate_per_host,
        process=settings.process,
        digest=digest_for(settings),
        traced=traced,
        timed=timed,
        own_rates=own.rates if own else None,
        own_policies=own.policies(policy) if own else None,
        cluster=settings.cluster,
        max_total=settings.max_total,
    )


def digest_for(settings: Settings) -> str:
    """The algorithm whose digest of each file is recorded; empty: none. Raises UsageError."""
    if not settings.digest:
        return ""
    from downloader.core.digests import KNOWN, algorithm  # here: few runs need it

    try:
        name = algorithm(settings.digest)
    except UsageError as error:
        raise UsageError(f"--digest: {error.reason}", hint=error.hint) from None
    if "|" in name:
        raise UsageError(f"--digest: expected one algorithm, got {settings.digest!r}", hint=f"one of {KNOWN}")
    return name


def client_options(settings: Settings, connections: int) -> ClientOptions:
    """How a transport connects. Raises UsageError if the proxy is no URL, or a file of certificates cannot be used."""
    options = ClientOptions(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.low_speed_time,
        connections=connections,
        proxy=check_proxy(settings.proxy),
        proxies=() if settings.proxy else environment_proxies(),
        cacert=settings.cacert,
        cert=settings.cert,
        key=settings.key,
        insecure=settings.insecure,
        read_bytes=_read_bytes(settings),
        receive_buffer=_receive_buffer(settings),
        http_version="" if settings.http_version == "auto" else settings.http_version,
    )
    if settings.cacert or settings.cert:
        from downloader.transports.tls import tls_context

        tls_context(options)  # to raise now if a file cannot be used
    return options


def transfer_policy(settings: Settings, capabilities: Capabilities) -> TransferPolicy:
    """What is sent with each request, and which responses are accepted. Raises UsageError."""
    agent = settings.user_agent or f"downloader/{__version__}"
    return TransferPolicy(
        headers=replaced((("User-Agent", agent),), settings.header_pairs),
        credentials=_credentials(settings),
        max_redirects=settings.max_redirects,
        allow_downgrade=settings.allow_downgrade,
        timeout=settings.timeout,
        low_speed_limit=settings.low_speed_limit,
        low_speed_time=settings.low_speed_time,
        guards=guards_for(settings),
        may_split=may_split(settings, capabilities),
    )


def _credentials(settings: Settings) -> Credentials:
    if not (settings.netrc or settings.netrc_file or settings.cookies or settings.user or settings.bearer_env):
        return NO_CREDENTIALS
    from downloader.sources import credential_files  # here: few runs need it

    netrc = settings.netrc_file or (credential_files.default_netrc() if settings.netrc else "")
    return credential_files.load(netrc, settings.cookies, settings.user, settings.bearer_env)


def guards_for(settings: Settings) -> Guards:
    """Which sizes and types of files are accepted. Raises UsageError."""
    guards = Guards(settings.max_size, settings.min_size, parse_types(settings.expect_type))
    if 0 < guards.max_size < guards.min_size:
        raise UsageError("--min-size is larger than --max-size")
    return NO_GUARDS if guards == NO_GUARDS else guards


def _rate_limits(settings: Settings) -> list[int]:
    """The rate limits that are set, bytes a second."""
    return [rate for rate in (settings.limit_rate, settings.limit_rate_per_host) if rate]


def _receive_buffer(settings: Settings) -> int:
    """Bytes that the system buffers for each connection, few enough for a rate limit to hold on the network; 0: its default."""
    rates = _rate_limits(settings)
    return min(_MAX_RECEIVE_BUFFER, max(_MIN_RECEIVE_BUFFER, min(rates) // 20)) if rates else 0


def _read_bytes(settings: Settings) -> int:
    """Bytes to read at a time: few enough for a rate limit to hold within a fraction of a second."""
    own = _own_hosts(settings)
    limits = [own.read_bytes if own else READ_BYTES, *(rate // 200 for rate in _rate_limits(settings))]
    return max(_MIN_READ_BYTES, min(READ_BYTES, *limits))
