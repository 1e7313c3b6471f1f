"""What the sections ``[host."example.org"]`` of the settings mean for a run: tables of numbers and of policies by host."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from downloader.core.http.credentials import NO_CREDENTIALS, Credentials
from downloader.core.http.messages import TransferPolicy, replaced
from downloader.core.limits.host_limits import HostAdaptiveSlots, HostSlots
from downloader.core.limits.host_table import HostTable
from downloader.core.limits.slots import Limits
from downloader.errors import UsageError
from downloader.settings.definitions import HostSettings, Settings, parse_header
from downloader.transports.base import READ_BYTES

Value = TypeVar("Value")


MIN_READ_BYTES = 16_384
"""Bytes that are read at a time at least, although a host is slow: smaller reads would cost time at all other hosts, too."""


class OwnHosts:
    """The hosts that have a section. A table is None where no section sets anything for it: then nothing is looked up.

    ``numbers``: Attempts in flight at a host, at most. ``rates``: bytes a second from a host; 0: no limit. ``gaps``: seconds
    from one start at a host to the next.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.numbers = self._table(lambda host: host.per_host)
        self.rates = self._table(lambda host: host.limit_rate_per_host)
        self.gaps = self._table(settings.gap_at)

    @property
    def read_bytes(self) -> int:
        """Bytes to read at a time at most, so that the rates hold within a fraction of a second."""
        rates = [host.limit_rate_per_host for host in self._settings.hosts if host.limit_rate_per_host]
        return max(MIN_READ_BYTES, min(rates) // 200) if rates else READ_BYTES

    def limit_classes(self) -> tuple[Callable[..., Limits], Callable[..., Limits]] | None:
        """What takes the place of `Slots` and of `AdaptiveSlots`; None: nothing."""
        if self.numbers is None:
            return None
        return partial(HostSlots, own_numbers=self.numbers), partial(HostAdaptiveSlots, own_numbers=self.numbers)

    def policies(self, usual: TransferPolicy) -> HostTable[TransferPolicy] | None:
        """What is sent to some hosts, instead of the ``usual`` headers and credentials."""
        return self._table(lambda host: _policy(self._settings, host, usual))

    def _table(self, value: Callable[[HostSettings], Value | None]) -> HostTable[Value] | None:
        values = {host.pattern: value(host) for host in self._settings.hosts}
        return HostTable(values) if any(item is not None for item in values.values()) else None


def _policy(settings: Settings, host: HostSettings, usual: TransferPolicy) -> TransferPolicy | None:
    """The policy of a section; None if it differs from the usual one in nothing.

    After a redirect to another origin, the headers and credentials of the section are not sent any more.
    """
    may_split = usual.may_split and not (settings.gap_at(host) and not settings.segments)
    if not (host.header or host.user_agent or host.has_credentials or may_split != usual.may_split):
        return None
    agent = (("User-Agent", host.user_agent),) if host.user_agent else ()
    everywhere = replaced(usual.headers, agent)
    credentials, elsewhere = usual.credentials, usual.credentials
    if host.has_credentials:
        credentials = _credentials(host, usual.credentials)
        elsewhere = replace(usual.credentials, authorization="")  # not even after a redirect back to this host
    return replace(
        usual,
        headers=replaced(everywhere, tuple(parse_header(text) for text in host.header)),
        credentials=credentials,
        may_split=may_split,
        elsewhere=replace(usual, headers=everywhere, credentials=elsewhere, may_split=may_split),
    )


def _credentials(host: HostSettings, usual: Credentials) -> Credentials:
    """The credentials of a section. Where they cannot be read, each request to these hosts fails, and says why.

    Nothing fails before that: the list of this run may have no URL of these hosts.
    """
    from downloader.sources import credential_files  # here: few runs need it

    try:
        if host.netrc:
            return replace(credential_files.load(credential_files.default_netrc(), ""), cookies=usual.cookies)
        if not (host.user or host.bearer_env):
            return replace(usual, netrc=())
        authorization = credential_files.authorization(host.user, host.password_env, host.bearer_env)
    except UsageError as error:
        return replace(NO_CREDENTIALS, cookies=usual.cookies, problem=f'[host."{host.pattern}"]: {error.reason}')
    return Credentials(cookies=usual.cookies, authorization=authorization)
