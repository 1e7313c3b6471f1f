"""A picture of a study as PNG, for a slide or a README: the elapsed times of each scenario, and the most informative timelines.

An installed Chromium or Chrome renders the charts of the page without a window, so no second drawing code and no further
package is needed. The picture always has the light theme, and the browser uses no network.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from downloader.compare import page
from downloader.compare.measurements import Study
from downloader.errors import DownloadError, StorageError, UsageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
PAGE_WIDTH = 1600
"""The width of the picture in CSS pixels."""
SCALE = 2
"""Pixels of the file for each CSS pixel."""
BROWSER_TIMEOUT = 120.0
"""Seconds after which the browser is killed."""


def check() -> None:
    """Raises UsageError if the browser, or a package of the page, is not installed. Fast: call it before the measurement."""
    page.check()
    if browser() is None:
        hint = "install one (Debian and Ubuntu: apt install chromium), or write a page with --html"
        raise UsageError("a picture needs Chromium or Chrome", hint=hint)


def browser() -> str | None:
    """The path of the first installed browser of BROWSERS; None if there is none."""
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None and sys.platform == "darwin":
        path = next((path for path in MAC_BROWSERS if Path(path).exists()), None)
    return path


def write(study: Study, path: str | Path) -> None:
    """Write the picture to this file.

    Raises UsageError (see `check`), StorageError, and DownloadError if the browser fails.
    """
    check()
    target = Path(path)
    try:
        # beside the target: a sandboxed browser (snap, flatpak) can read the user's folders, but not the temporary folder
        with tempfile.TemporaryDirectory(prefix="dl-picture-", dir=target.absolute().parent) as folder:
            source, picture = Path(folder, "still.html"), Path(folder, "still.png")
            source.write_text(page.render_still(study), encoding="utf-8")
            height = _height(_run(folder, "--dump-dom", f"--window-size={PAGE_WIDTH},1000", source.as_uri()))
            output = _run(folder, f"--screenshot={picture}", f"--window-size={PAGE_WIDTH},{height}", source.as_uri())
            if not picture.exists():
                raise _failed(output)
            picture.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="choose another file with --png") from None


def _run(folder: str, *words: str) -> str:
    """Run the browser. Returns its standard error and its standard output."""
    flags = [
        "--headless",
        "--no-sandbox",  # the page is trusted, and root and most containers cannot use the sandbox
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        f"--force-device-scale-factor={SCALE}",
        f"--user-data-dir={folder}/profile",
    ]
    try:
        done = subprocess.run(  # noqa: S603
            [str(browser()), *flags, *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BROWSER_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"the browser took longer than {BROWSER_TIMEOUT:.0f} s") from None
    return f"{done.stderr}\n{done.stdout}"


def _height(document: str) -> int:
    match = re.search(r'data-height="(\d+)"', document)
    if match is None:
        raise _failed(document)
    return int(match[1])


def _failed(output: str) -> DownloadError:
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "no output")
    return DownloadError(
        f"{Path(str(browser())).name} took no picture: {last[:200]}", hint="--html writes the same charts as a page"
    )
