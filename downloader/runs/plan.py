"""What settings mean for a run: how many at once, what workers are told, what is refused. Checked before anything starts."""

import resource
from pathlib import Path

from downloader._version import __version__
from downloader.core.http.guards import NO_GUARDS, Guards, parse_types
from downloader.core.http.messages import TransferPolicy, replaced
from downloader.core.limits import public_hosts as hosts
from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.slots import Limits, Slots
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.engine.attempt import postprocess as processing
from downloader.engine.contract import Capabilities, WorkerConfig
from downloader.errors import UsageError
from downloader.settings.definitions import Settings
from downloader.sources import credential_files as credentials
from downloader.sources.lists import read_sums
from downloader.transports.base import CHUNK, ClientOptions, check_proxy, environment_proxies

_SPARE_FILES = 64
_PER_HOST = 256


def jobs_for(settings: Settings, capabilities: Capabilities) -> tuple[int, str]:
    """How many may be in flight in all, and a word about it where it is less than was asked for."""
    wanted = settings.jobs or capabilities.most_jobs or capabilities.default_jobs
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = (
        max(1, (soft - min(_SPARE_FILES, soft // 2)) // capabilities.files_per_job)
        if soft != resource.RLIM_INFINITY
        else wanted
    )
    jobs = min(wanted, files, capabilities.max_jobs or wanted)
    if jobs == files < wanted:
        return jobs, f"--jobs {wanted} lowered to {jobs}: the limit of open files is {soft} (ulimit -n)"
    if jobs < wanted and settings.jobs:
        return jobs, f"--jobs {wanted} lowered to {jobs}: the maximum of {settings.strategy}"
    return jobs, ""


def check_able(settings: Settings, able: Capabilities) -> None:
    """Raises UsageError where the strategy cannot do what was asked for."""
    wanted = settings.http_version
    if wanted != "auto" and wanted not in able.http_versions:
        raise UsageError(f"{settings.strategy} does not support HTTP/{wanted}", hint="--strategy multiplex does")
    if settings.segments > 1 and not able.segments:
        raise UsageError(f"{settings.strategy} does not split files", hint="--strategy multiplex splits them")
    if (settings.limit_rate or settings.limit_rate_per_host) and not able.limit_rate:
        raise UsageError(f"{settings.strategy} cannot limit the rate", hint="--strategy multiplex can")
    if settings.process:
        processing.find(settings.process)
        if able.fresh_main and settings.process.startswith("__main__:"):
            raise UsageError(f"{settings.strategy} runs in processes of its own", hint="put the function into a module")


def sums_for(settings: Settings) -> ChecksumList | None:
    """The checksums that were given, where any were given or are required. Raises UsageError."""
    if not settings.checksums:
        return ChecksumList(required=True) if settings.require_checksums else None
    return ChecksumList(read_sums(settings.checksums), settings.checksums, settings.require_checksums)


def cut_dirs_of(settings: Settings) -> int | None:
    """How many folders of a URL's path are left out; None: all, and the host. Raises UsageError."""
    if settings.cut_dirs and not settings.keep_paths:
        raise UsageError("--cut-dirs needs --keep-paths")
    return settings.cut_dirs if settings.keep_paths else None


def guards_for(settings: Settings) -> Guards:
    """What is refused. Raises UsageError."""
    guards = Guards(settings.max_size, settings.min_size, parse_types(settings.expect_type))
    if 0 < guards.max_size < guards.min_size:
        raise UsageError("--min-size is larger than --max-size")
    return NO_GUARDS if guards == NO_GUARDS else guards


def limits_for(settings: Settings, capabilities: Capabilities, jobs: int) -> Limits:
    """How many may be in flight: a number that was given stays, else it is found out; few at a public host."""
    per_host = min(settings.per_host or _PER_HOST, jobs)
    public = 0 if settings.per_host or settings.aggressive else hosts.MOST
    if settings.jobs or capabilities.most_jobs is None:
        never = 4 * jobs  # in all, so that this alone decides nothing but how many a public host gets
        few = AdaptiveSlots(ceiling=never, host_ceiling=per_host, start=never, public=public) if public else None
        return Slots(jobs, per_host, few)
    return AdaptiveSlots(ceiling=jobs, host_ceiling=per_host, start=capabilities.default_jobs, public=public)


def may_split(settings: Settings, able: Capabilities) -> bool:
    """Whether the run may fetch a file in several Segments. Of a single file, `Transfer.splittable` says so."""
    return able.segments and settings.segments != 1


def split_policy(settings: Settings) -> SplitPolicy:
    """How many Segments of a file: a number that was given stays, else as many as help; few from a public host."""
    public = 0 if settings.segments or settings.aggressive else hosts.MOST_SEGMENTS
    return SplitPolicy(settings.segments, settings.min_segment_size, public)


def worker_config(settings: Settings, able: Capabilities, jobs: int, traced: bool = False) -> WorkerConfig:
    """What workers are told, from what the user set. Raises UsageError for files and values that cannot be used."""
    netrc = settings.netrc_file or (credentials.default_netrc() if settings.netrc else "")
    client = ClientOptions(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.low_speed_time,
        connections=jobs,
        proxy=check_proxy(settings.proxy),
        proxies=() if settings.proxy else environment_proxies(),
        cacert=settings.cacert,
        cert=settings.cert,
        key=settings.key,
        insecure=settings.insecure,
        chunk=_chunk(settings),
        receive_buffer=_receive_buffer(settings),
        http_version="" if settings.http_version == "auto" else settings.http_version,
    )
    if settings.cacert or settings.cert:
        from downloader.transports.tls import tls_context

        tls_context(client)  # so that a file that cannot be used is told now
    agent = settings.user_agent or f"downloader/{__version__}"
    return WorkerConfig(
        root=str(Path(settings.dir).expanduser().absolute()),
        policy=TransferPolicy(
            headers=replaced((("User-Agent", agent),), settings.header_pairs),
            credentials=credentials.load(netrc, settings.cookies, settings.user, settings.bearer_env),
            max_redirects=settings.max_redirects,
            allow_downgrade=settings.allow_downgrade,
            timeout=settings.timeout,
            low_speed_limit=settings.low_speed_limit,
            low_speed_time=settings.low_speed_time,
            guards=guards_for(settings),
            may_split=may_split(settings, able),
        ),
        client=client,
        on_exists=settings.on_exists,
        mtime=settings.mtime,
        limit_rate=settings.limit_rate,
        limit_rate_per_host=settings.limit_rate_per_host,
        process=settings.process,
        traced=traced,
    )


def _rates(settings: Settings) -> list[int]:
    """The limits to the rate that were given, bytes a second."""
    return [rate for rate in (settings.limit_rate, settings.limit_rate_per_host) if rate]


def _receive_buffer(settings: Settings) -> int:
    """Bytes that the system may hold for each connection, so that a limit to the rate holds on the wire; 0: any number."""
    rates = _rates(settings)
    return min(1 << 20, max(1 << 15, min(rates) // 20)) if rates else 0


def _chunk(settings: Settings) -> int:
    """Bytes to read at a time: little enough that a limit to the rate is kept within a fraction of a second."""
    return max(2048, min([CHUNK, *(rate // 200 for rate in _rates(settings))]))
