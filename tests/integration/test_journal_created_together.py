"""Several processes that open the journal of one folder at the same moment: each gets it, and none takes it for foreign."""

import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
import sys
from downloader.storage.journal import default_path, open_journal
print("ready", flush=True)
sys.stdin.readline()
for root in sys.argv[1:]:
    open_journal(default_path(root)).close()
"""


@pytest.mark.slow
def test_a_new_journal_is_opened_by_several_processes(tmp_path: Path) -> None:
    roots = [tmp_path / str(number) for number in range(40)]
    for root in roots:
        root.mkdir()
    command = [sys.executable, "-c", OPEN, *map(str, roots)]
    opened = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in opened:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in opened:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [(process.communicate()[1], process.returncode) for process in opened] == [("", 0)] * 4
