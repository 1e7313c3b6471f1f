"""What must be asked of a server before a Download of this run may start: robots.txt, then a checksum."""

from downloader.core.http.robots import product
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.scheduling.checksum_gate import ChecksumGate
from downloader.core.scheduling.gate import Gate
from downloader.core.scheduling.robots_gate import RobotsGate
from downloader.settings.definitions import Settings


def gates_for(settings: Settings, checksums: ChecksumList | None) -> list[Gate]:
    """The gates of a run, in their order. ``checksums``: counts the files without one."""
    gates: list[Gate] = []
    if settings.obey_robots:
        gates.append(RobotsGate(product(settings.user_agent or "downloader")))
    if settings.find_checksums and checksums is not None:
        gates.append(ChecksumGate(checksums))
    return gates
