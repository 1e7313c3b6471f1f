"""A server may end an HTTP/2 connection in the middle of a list (GOAWAY, RFC 9113 section 6.8): no file is lost by that."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.ports import free_port
from tests.support.processes import wait_until

NGINX = shutil.which("nginx")
REQUESTS = 7
FILES = 100
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    keepalive_requests {requests};
    server {{
        listen 127.0.0.1:{port} ssl http2; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
        root {folder}/files;
    }}
}}
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL and the folder of an nginx that ends each connection after a few requests."""
    if NGINX is None:
        pytest.skip("nginx is not installed here")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (folder / "files").mkdir()
    for number in range(FILES):
        (folder / "files" / f"{number}.bin").write_bytes(os.urandom(1000 + 700 * number))
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(str(folder / "cert.pem"), append=number > 0)
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, requests=REQUESTS))
    server = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL)
    pid = folder / "pid"
    wait_until(lambda: server.poll() is not None or (pid.exists() and pid.read_text()), "nginx does not start", timeout=20)
    if server.poll() is not None:
        pytest.skip("this nginx has no HTTP/2")
    yield f"https://127.0.0.1:{port}", folder
    server.terminate()
    server.wait(20)


@pytest.mark.parametrize("strategy", ["multiplex", "auto", pytest.param("hybrid", marks=pytest.mark.slow)])
def test_connections_that_end_in_the_middle_cost_no_file(strategy: str, impatient: tuple[str, Path], tmp_path: Path) -> None:
    url, served = impatient
    (served / "access.log").write_text("")
    (tmp_path / "urls.txt").write_text("".join(f"{url}/{number}.bin\n" for number in range(FILES)))
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-s", strategy, "--http2", "-r", "8"]
    command += ["--retry-wait", "0.01", "--cacert", str(served / "ca.pem")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for number in range(FILES):
        ours, theirs = tmp_path / "out" / f"{number}.bin", served / "files" / f"{number}.bin"
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest()
    assert (served / "access.log").read_text().count("HTTP/2.0") >= FILES
