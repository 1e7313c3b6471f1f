"""Describes the machine of a comparison: processor, memory, system, and the versions of the programs and libraries."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from downloader._version import __version__
from downloader.compare.measurements import Machine
from downloader.engine.processors import cores

LIBRARIES = ("requests", "urllib3", "httpx", "httpx-aiohttp", "aiohttp", "pycurl", "gevent", "granian")


def machine(server: str, files: str, peers: Mapping[str, str]) -> Machine:
    """This machine and the current time.

    ``server``: the kind of test server, or empty. ``files``: the folder of the downloaded files. ``peers``: the versions of
    the peers, by name.
    """
    return Machine(
        when=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.platform(),
        processor=_processor(),
        cores=cores(),
        memory=_memory(),
        server=server,
        files=files,
        libraries=_libraries(),
        peers=dict(peers),
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    """The size of the memory in bytes; 0 where the system does not report it."""
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


def _libraries() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    with suppress(ImportError):
        import pycurl  # its version string contains the version of libcurl

        parts = (part.partition("/") for part in pycurl.version.split())
        versions |= {name: version for name, _, version in parts if name == "libcurl"}
    return versions
