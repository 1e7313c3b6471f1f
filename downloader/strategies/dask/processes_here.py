"""Which processes of a cluster are on this machine: for `dl compare`, which counts what they use."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import dask
from distributed import Client

from downloader.errors import NetworkError
from downloader.strategies.dask.address import scheduler_address

_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
"""Together these identify where process IDs mean the same: one boot of one machine, and one container of it."""


class ProcessesHere(NamedTuple):
    """``here``: the process IDs of the scheduler and the workers on this machine. ``elsewhere``: the number of the others."""

    here: tuple[int, ...]
    elsewhere: int


def place_and_process() -> tuple[str, int]:
    """Where this process runs, and its ID. The place is empty on systems without ``/proc``."""
    with suppress(OSError):
        return f"{_BOOT.read_text().strip()} {os.readlink(_NAMESPACE)}", os.getpid()
    return "", os.getpid()


def processes_here(address: str, timeout: float = 15.0) -> ProcessesHere:
    """Ask the scheduler and each worker of a cluster where it is.

    ``address``: as in ``--cluster``. ``timeout``: seconds. Raises UsageError for a wrong address, NetworkError if nobody
    answers.
    """
    where = scheduler_address(address, dask.config.get("scheduler-address", None) or "")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is raised
    try:
        with Client(where, set_as_default=False, timeout=timeout) as client:  # type: ignore[no-untyped-call]
            scheduler = client.run_on_scheduler(place_and_process)
            answers = [scheduler, *client.run(place_and_process, on_error="return").values()]
    except OSError as error:
        what = f"no scheduler of Dask answers at {where} within {timeout:g} s"
        raise NetworkError(what, hint="see docs/cluster.md") from error
    place, _ = place_and_process()
    known = [answer for answer in answers if isinstance(answer, tuple)]
    here = tuple(process for its_place, process in known if place and its_place == place)
    return ProcessesHere(here, len(answers) - len(here))
