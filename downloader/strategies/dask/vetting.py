"""Whether a worker of the cluster can work for this run: what its answer to `remote.hello` means. Pure."""

from collections.abc import Mapping

MOST_JOBS = 256
"""Attempts in flight in one worker at most."""

FILES_PER_JOB = 4
"""Open files that one Attempt in flight needs at most."""

RESERVED_FILES = 64
"""Open files of a worker that are left for Dask."""


def problem_of(answer: object, version: str, python: str) -> str:
    """Why this worker cannot be dealt to; empty if it can.

    Args:
        answer: what `remote.hello` returned, or the exception that Dask had instead.
        version: of this package, here.
        python: major and minor version of Python, here.
    """
    if isinstance(answer, TimeoutError):
        return "it does not answer"
    if isinstance(answer, BaseException) and "No module named 'downloader" in str(answer):  # Dask wraps it
        return "the package downloader is not installed there, or is another version"
    if isinstance(answer, BaseException):
        return f"{type(answer).__name__}: {answer}"
    if not isinstance(answer, Mapping):
        return "it has another version of downloader"
    if answer.get("version") != version:
        return f"it has downloader {answer.get('version')}, this is {version}"
    if answer.get("python") != python:
        return f"it has Python {answer.get('python')}, this is {python}"
    return str(answer.get("engine") or answer.get("folder") or answer.get("process") or "")


def jobs_of(answer: Mapping[str, object]) -> int:
    """How many Attempts the worker may have in flight."""
    open_files = answer.get("open_files")
    if not isinstance(open_files, int) or open_files <= 0:  # no limit
        return MOST_JOBS
    return max(1, min(MOST_JOBS, (open_files - min(RESERVED_FILES, open_files // 2)) // FILES_PER_JOB))
