"""The file by which a worker shows that it has the folder of the run, and what is left of it when its client is killed."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from downloader.errors import StorageError
from downloader.strategies.dask.marker import ELSEWHERE_SECONDS, marker_in, remove_left_markers

CLIENT = """
import sys, time
from downloader.strategies.dask.marker import marker_in
with marker_in(sys.argv[1]) as (path, _):
    print(path, flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["", ".downloader"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where the markers of a run in ``tmp_path`` are: without a journal, and with one."""
    folder: Path = tmp_path / request.param
    folder.mkdir(exist_ok=True)
    return folder


def written(place: Path, content: str, name: str) -> Path:
    path = place / name
    path.write_text(content)
    return path


def test_a_marker_is_there_until_the_worker_has_answered(tmp_path: Path, place: Path) -> None:
    with marker_in(str(tmp_path)) as (path, content):
        assert Path(path).parent == place
        assert Path(path).read_text() == content
        remove_left_markers(str(tmp_path))  # as another client does
        assert Path(path).exists()
    assert not Path(path).exists()


def test_the_marker_of_a_killed_client_is_removed(tmp_path: Path, place: Path) -> None:
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    with client.stdout:
        path = Path(client.stdout.readline().strip())
    assert path.exists()
    client.kill()
    client.wait()
    remove_left_markers(str(tmp_path))
    assert not path.exists()


def test_the_marker_of_another_machine_is_removed_when_it_is_old(tmp_path: Path, place: Path) -> None:
    path = written(place, f"{'0' * 32} not-{socket.gethostname()}", ".dl-cluster-000000000000")
    remove_left_markers(str(tmp_path))
    assert path.exists()
    old = time.time() - ELSEWHERE_SECONDS - 60
    os.utime(path, (old, old))
    remove_left_markers(str(tmp_path))
    assert not path.exists()


def test_what_is_no_marker_stays(tmp_path: Path, place: Path) -> None:
    ours = f"{'0' * 32} {socket.gethostname()}"
    written(place, ours, ".dl-cluster-notes")
    written(place, "", ".dl-cluster-000000000001")
    target = written(place, ours, "target")
    (place / ".dl-cluster-000000000000").symlink_to(target)
    os.mkfifo(place / ".dl-cluster-000000000002")
    (place / ".dl-cluster-000000000003").mkdir()
    before = sorted(os.listdir(place))
    remove_left_markers(str(tmp_path))
    assert sorted(os.listdir(place)) == before
    remove_left_markers(str(tmp_path / "nowhere"))


def test_a_marker_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write to .*nowhere"), marker_in(str(tmp_path / "nowhere")):
        pass
