"""An S3 server (SeaweedFS, one process) on loopback, and what is in its buckets."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import S3Store

from tests.support.ports import free_port
from tests.support.processes import wait_until

KEY, SECRET = "test-key", "test-secret"
_SERVERS = ("master", "volume", "filer", "s3")


def weed_program() -> str | None:
    """The path of SeaweedFS, beside the interpreter or in PATH; None where it is not installed."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


class S3Server:
    """A running S3 server. ``url``: for ``--endpoint-url``. ``environment``: the variables with the credentials."""

    def __init__(self, s3_port: int, filer_port: int) -> None:
        self.url = f"http://127.0.0.1:{s3_port}"
        self._s3_port, self._filer_port = s3_port, filer_port
        self.environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        self._buckets = 0

    def new_bucket(self) -> str:
        """The name of a new bucket."""
        self._buckets += 1
        name = f"bucket{self._buckets}"
        assert self._ask("POST", f"/buckets/{name}/")[0] == 201
        return name

    def has_uploads(self, bucket: str) -> bool:
        """Whether parts of a multipart upload are in the bucket, which no listing of objects shows."""
        status, text = self._ask("GET", f"/buckets/{bucket}/.uploads/")
        return status == 200 and bool(json.loads(text)["Entries"])

    def is_up(self) -> bool:
        """Whether the server answers, and can store something."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._ask("PUT", "/ready", "x")[0] == 201 and _request(self._s3_port, "GET", "/", None)[0] == 403
        return False

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer of the filer, in which buckets are folders."""
        return _request(self._filer_port, method, path, body)

    def store(self, bucket: str) -> S3Store:
        """The bucket, as obstore sees it."""
        return S3Store(
            bucket,
            endpoint=self.url,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def objects(self, bucket: str) -> dict[str, bytes]:
        """The bytes of all objects in a bucket, by their names."""
        store = self.store(bucket)
        return {item["path"]: bytes(store.get(item["path"]).bytes()) for page in store.list() for item in page}


def _request(port: int, method: str, path: str, body: str | None) -> tuple[int, bytes]:
    """The status and the body of the answer of a server on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """An S3 server that keeps its data in ``folder``; it takes some seconds to start. Skips the test where it is missing."""
    program = weed_program()
    if program is None:
        pytest.skip("weed (SeaweedFS) is not installed")
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in _SERVERS}
    words = [program, "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3"]
    words += [f"-{name}.port={port}" for name, port in ports.items()]
    words += [f"-{name}.port.grpc={free_port()}" for name in _SERVERS]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", f"-s3.config={folder / 's3.json'}"]
    words += ["-s3.autoCreateBucket=false", "-master.telemetry=false", "-master.electionTimeout=1s"]
    words += ["-master.volumeSizeLimitMB=64", "-volume.max=5000"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        server = S3Server(ports["s3"], ports["filer"])
        wait_until(server.is_up, "the S3 server does not start", 60, unless=lambda: process.poll() is not None)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
