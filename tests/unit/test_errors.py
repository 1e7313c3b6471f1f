"""The error tree: what pickles, which exit code each class has, and what may be tried again."""

import copy
import itertools
import json
import pickle
import re

import pytest

from downloader import errors
from downloader.core.model import Result, Status
from downloader.core.report import Report
from downloader.errors import (
    RETRYABLE_STATUS,
    AuthError,
    DownloadError,
    FileInUse,
    FolderError,
    FolderFull,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    JournalDamaged,
    JournalUnavailable,
    NameNotFound,
    NetworkError,
    NoAnswer,
    PolicyError,
    ProtocolError,
    StorageError,
    StoreUnavailable,
    TLSError,
    TotalReached,
    Unwanted,
    UsageError,
    WorkerError,
    WrongPieces,
    exit_code,
)
from downloader.reports.summary import json_summary, summary

URL = "https://example.org/file.bin"


def tree(cls: type[DownloadError] = DownloadError) -> list[type[DownloadError]]:
    """The class and all that derive from it."""
    return [cls, *itertools.chain.from_iterable(tree(inner) for inner in cls.__subclasses__())]


PUBLIC = [cls for cls in tree() if not cls.__name__.startswith("_")]
WITH_STATUS = (AuthError, HTTPStatusError)


def example(cls: type[DownloadError]) -> DownloadError:
    """An instance with every constructor argument set."""
    if issubclass(cls, WITH_STATUS):
        return cls(503, URL, "do this", 7.5)
    if cls is FolderFull:
        return FolderFull("it went wrong", URL, "do this", 5000)
    return cls("it went wrong: 5", URL, "do this", "it went wrong")


def drawn(pattern: str) -> list[str]:
    """What follows the lines of the tree that the module's docstring draws."""
    assert errors.__doc__ is not None
    return re.findall(rf"[├└]── ({pattern})", errors.__doc__)


def drawn_codes() -> dict[str, int]:
    """Name and exit code of each class, where one is drawn."""
    return {name: int(code) for name, code in map(str.split, drawn(r"\w+ +\d+"))}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", PUBLIC)
def test_every_class_survives_pickling_with_all_it_holds(cls: type[DownloadError], protocol: int) -> None:
    before = example(cls)
    after = pickle.loads(pickle.dumps(before, protocol))
    assert type(after) is cls
    assert after.args == before.args
    assert str(after) == str(before)
    assert vars(after) == vars(before)
    assert after.retryable == before.retryable


@pytest.mark.parametrize("cls", PUBLIC)
def test_every_class_survives_copying(cls: type[DownloadError]) -> None:
    before = example(cls)
    after = copy.copy(before)
    assert (type(after), after.args, vars(after), str(after)) == (cls, before.args, vars(before), str(before))


def test_the_docstring_draws_every_class_directly_below_the_root() -> None:
    assert set(drawn_codes()) == {cls.__name__ for cls in PUBLIC} - {"DownloadError"} - {cls.__name__ for cls, _ in CASES}
    assert set(drawn(r"\w+")) <= {cls.__name__ for cls in PUBLIC}


@pytest.mark.parametrize(("name", "code"), sorted(drawn_codes().items()))
def test_each_class_has_the_exit_code_that_the_docstring_draws(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


CASES = [
    (NameNotFound, NetworkError),
    (NoAnswer, NetworkError),
    (FileInUse, StorageError),
    (FolderError, StorageError),
    (FolderFull, FolderError),
    (JournalUnavailable, StorageError),
    (StoreUnavailable, StorageError),
    (JournalDamaged, StorageError),
    (TotalReached, PolicyError),
    (Unwanted, PolicyError),
    (WrongPieces, IntegrityError),
]


@pytest.mark.parametrize(("cls", "case_of"), CASES)
def test_a_class_that_is_a_case_of_another_has_its_exit_code(cls: type[DownloadError], case_of: type[DownloadError]) -> None:
    assert issubclass(cls, case_of)
    assert cls.exit_code == case_of.exit_code


@pytest.mark.parametrize(
    ("classes", "code"),
    [
        ([], 0),
        ([NetworkError], 4),
        ([NetworkError, NameNotFound], 4),
        ([StorageError, FileInUse], 3),
        ([HTTPStatusError, HTTPStatusError], 8),
        ([NetworkError, IntegrityError], 1),
        ([WorkerError], 1),
        ([WorkerError, NetworkError], 1),
        ([Interrupted], 130),
        ([UsageError, StorageError, PolicyError, ProtocolError], 1),
    ],
)
def test_the_exit_code_is_the_classs_own_or_one_for_several(classes: list[type[DownloadError]], code: int) -> None:
    assert exit_code(classes) == code


def test_the_exit_code_does_not_depend_on_order() -> None:
    for classes in itertools.combinations(PUBLIC, 3):
        assert len({exit_code(order) for order in itertools.permutations(classes)}) == 1


def test_the_exit_code_of_a_report_is_independent_of_the_order() -> None:
    failures = [Result(URL, "a", Status.FAILED, error=example(cls)) for cls in (NetworkError, TLSError, NameNotFound)]
    codes = set()
    for order in itertools.permutations([*failures, Result(URL, "b", Status.DONE)]):
        report = Report()
        for result in order:
            report.add(result)
        codes.add(report.exit_code)
    assert codes == {1}


RETRYABLE = {NetworkError, NoAnswer, WorkerError, FileInUse, StoreUnavailable, WrongPieces}


@pytest.mark.parametrize("cls", [cls for cls in PUBLIC if cls is not HTTPStatusError])
def test_which_error_classes_are_retryable(cls: type[DownloadError]) -> None:
    assert example(cls).retryable is (cls in RETRYABLE)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529])
def test_a_status_that_may_pass_is_retryable(status: int) -> None:
    assert HTTPStatusError(status).retryable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 409, 410, 412, 416, 421, 431, 451, 501, 505, 507, 511, 530])
def test_a_status_that_stays_is_not_retryable(status: int) -> None:
    assert not HTTPStatusError(status).retryable


def test_retryable_statuses_survive_pickling() -> None:
    for status in range(400, 600):
        error = HTTPStatusError(status)
        assert error.retryable is pickle.loads(pickle.dumps(error)).retryable is (status in RETRYABLE_STATUS), status


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DownloadError("it broke"), "it broke"),
        (StorageError("disk full", URL), f"{URL}: disk full"),
        (StorageError("disk full", "", "free some space"), "disk full (free some space)"),
        (PolicyError("refused", URL, "allow it"), f"{URL}: refused (allow it)"),
        (HTTPStatusError(404, URL), f"{URL}: HTTP 404 Not Found"),
        (HTTPStatusError(799, URL), f"{URL}: HTTP 799 unknown status"),
        (AuthError(401, URL, "use --netrc"), f"{URL}: HTTP 401 Unauthorized (use --netrc)"),
    ],
)
def test_the_text_names_the_url_the_reason_and_what_to_do(error: DownloadError, text: str) -> None:
    assert str(error) == text


def test_a_status_error_holds_plain_values() -> None:
    error = HTTPStatusError(429, URL, "slow down", 12.0)
    assert (error.status, error.url, error.hint, error.retry_after) == (429, URL, "slow down", 12.0)
    assert error.reason == "HTTP 429 Too Many Requests"


def test_what_ended_the_run_decides_its_exit_code_and_stands_in_its_summary() -> None:
    report = Report(ended_by=TotalReached.after(5000), error_classes={Interrupted}, interrupted=True)
    assert report.exit_code == 10
    assert "stopped: the run has received more than 5000 bytes: --max-total (" in summary(report)
    assert json.loads(json_summary(report, {}))["ended_by"] == str(report.ended_by)
