"""The test server as a pytest fixture. In ``conftest.py``::

    pytest_plugins = ["downloader.testserver.fixture"]

and in a test::

    def test_it_arrives(download_server):
        url = download_server.file(1, size=1000, fail="503", share=0.5)
        assert fetch(url) == downloader.testserver.content.body(1, 0, 1000)
"""

from collections.abc import Iterator

import pytest

from downloader.testserver.launch import TestServer
from downloader.testserver.server_errors import NotInstalled


@pytest.fixture(scope="session")
def download_server() -> Iterator[TestServer]:
    """A running `TestServer`, shared by all tests. Its ``reset()`` resets the counters of the faults.

    If the server is not installed, only the tests that use this fixture fail.
    """
    try:
        server = TestServer()
    except NotInstalled as error:
        pytest.fail(f"{error}: pip install {' '.join(error.modules)}", pytrace=False)
    with server:
        yield server
