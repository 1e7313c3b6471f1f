"""`-o NAME`: one file under a name of the user's choice, resumed and skipped as any other."""

import subprocess
import sys
from pathlib import Path

from downloader.testserver import content
from downloader.testserver.launch import TestServer


def test_single_url_is_fetched_under_the_name_and_skipped_the_next_time(server: TestServer, tmp_path: Path) -> None:
    url = server.file(1, 1000)
    command = [sys.executable, "-m", "downloader", url, "-d", "out", "-o", "sub/my file.bin", "--content-disposition"]
    for told in ("1 done, 0 skipped", "0 done, 1 skipped"):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert told in done.stderr
        files = {path.relative_to(tmp_path / "out"): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert files == {Path("sub/my file.bin"): content.body(1, 0, 1000)}
