"""Which workers of the cluster take part in a run: each is asked what it has, and opened if it can work.

A worker that lacks the package, has another version of it, or does not see the folder is not used, and the user is told why.
"""

import pickle
import platform
import uuid
from contextlib import ExitStack

from downloader._version import __version__
from downloader.engine.contract import Run
from downloader.engine.log import LOG
from downloader.errors import DownloadError, UsageError
from downloader.strategies.dask import remote
from downloader.strategies.dask.cluster_worker import ClusterWorker
from downloader.strategies.dask.link import Link, News
from downloader.strategies.dask.marker import marker_in, remove_left_markers
from downloader.strategies.dask.messages import Engagement
from downloader.strategies.dask.vetting import jobs_of, problem_of

REPORT_SECONDS = 0.02
"""Seconds from one report of a worker to the next."""

REPORT_SECONDS_EACH = 0.002
"""For each worker of the cluster, so that the scheduler can forward the reports of many workers."""


HELLO_SECONDS = 60.0
"""How long a worker may take to import the module of ``--process``."""

AGAIN_SECONDS = 30.0
"""After so many seconds, a worker that did not answer is asked again."""


class Recruiting:
    """The workers that were asked, and what became of them.

    ``ever``: whether any worker could be used.
    """

    def __init__(self, run: Run, link: Link, lease: float) -> None:
        self._run = run
        self._link = link
        self._lease = lease
        config = run.context.config
        self._folder = config.root if config.store is None else ""
        self._names: dict[str, str] = {}  # of workers that are asked, or take part, by their addresses
        self._asked: dict[str, ExitStack] = {}  # with the marker of each worker that has not answered
        self._opened: dict[str, ClusterWorker] = {}  # that have not answered yet, by the identity of their opening
        self._problems: dict[str, str] = {}
        self._silent: dict[str, str] = {}  # the names of workers that did not answer, by their addresses
        self._again_at = 0.0
        self.ever = False

    def begin(self) -> None:
        """Ask all workers that there are. Raises UsageError where there are none, and StorageError, NetworkError."""
        names = self._link.workers()
        if not names:
            hint = "start some: dask worker ADDRESS; or see docs/cluster.md"
            raise UsageError(f"the cluster at {self._link.address} has no workers", hint=hint)
        if self._folder:
            remove_left_markers(self._folder)
        for address, name in names.items():
            self.vet(address, name)

    @property
    def busy(self) -> bool:
        """Whether any worker was asked and has not answered."""
        return bool(self._asked or self._opened)

    def nobody(self) -> DownloadError:
        """The error of a run for which no worker can be used."""
        reasons = sorted(set(self._problems.values()))
        more = f"; and {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
        what = f"no worker of the cluster can be used: {'; '.join(reasons[:3])}{more}"
        return UsageError(what, hint="see docs/cluster.md")

    def forget(self, address: str) -> None:
        """The worker has left the cluster, or is given up. It may be asked again."""
        self._names.pop(address, None)
        self._silent.pop(address, None)

    def vet(self, address: str, name: str = "") -> None:
        """Ask a worker that does not take part yet. Raises StorageError."""
        if address in self._names or address in self._asked or self._run.stopping:
            return
        self._names[address] = name or address
        folder, process, marker = self._folder, self._run.context.config.process, ExitStack()
        path, token = marker.enter_context(marker_in(folder)) if folder else ("", "")
        self._asked[address] = marker
        self._link.begin("hello", address, address, remote.hello, folder, path, token, process, seconds=HELLO_SECONDS)

    def ask_again(self, now: float) -> None:
        """Ask the workers that did not answer, now and then. ``now``: monotonic seconds."""
        if now < self._again_at:
            return
        self._again_at = now + AGAIN_SECONDS
        silent, self._silent = self._silent, {}
        for address, name in silent.items():
            self.vet(address, name)

    def close(self) -> None:
        """Remove the markers of workers that have not answered."""
        for marker in self._asked.values():
            marker.close()

    def handle(self, item: News) -> ClusterWorker | None:
        """A worker is new, or has answered. Returns a worker that takes part from now on."""
        if item.kind == "joined":
            self.vet(item.about)
        elif item.kind == "hello":
            self._asked.pop(item.about).close()
            problem = problem_of(item.value, __version__, ".".join(platform.python_version_tuple()[:2]))
            if problem:
                if isinstance(item.value, TimeoutError):
                    self._silent[item.about] = self._names.get(item.about, item.about)
                self._refuse(item.about, problem)
            else:
                self._open(item.about, item.value)
        elif item.kind == "opened":
            worker = self._opened.pop(item.about)
            if item.value == "":
                worker.heard = item.at
                self.ever = True
                jobs = worker.seat.slots
                LOG.info("dask: the worker %s (%s) takes part, up to %d files at once", worker.name, worker.address, jobs)
                return worker
            self._refuse(worker.address, str(item.value))
        return None

    def _open(self, address: str, answer: dict[str, object]) -> None:
        run, jobs = uuid.uuid4().hex, min(jobs_of(answer), self._run.jobs)
        context = self._run.context
        seconds = max(REPORT_SECONDS, REPORT_SECONDS_EACH * len(self._names))
        engagement = Engagement(run, context.config, context.folder.was_empty, jobs, self._lease, seconds)
        data = pickle.dumps(engagement, protocol=pickle.HIGHEST_PROTOCOL)
        name = str(answer.get("name") or self._names.get(address, address))
        self._opened[run] = ClusterWorker(address, name, run, jobs)
        self._link.begin("opened", run, address, remote.open_engine, data)

    def _refuse(self, address: str, problem: str) -> None:
        name = self._names.pop(address, address)
        self._problems[address] = problem
        LOG.warning("dask: the worker %s is not used: %s", name, problem)
