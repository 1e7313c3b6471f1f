"""A still of a study for a slide or a README: elapsed time in each scenario, and the most telling timelines, as PNG.

The picture is the page's own charts, taken by an installed Chromium or Chrome without a window: no second way of drawing,
and no package beyond those of the page. It is light whatever the system prefers, and reaches no network.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from downloader.compare import page
from downloader.compare.results import Study
from downloader.errors import DownloadError, StorageError, UsageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
WIDTH = 1600
"""Of the picture, in CSS pixels."""
SCALE = 2
"""Pixels of the file for each of those."""
PATIENCE = 120.0
"""Seconds that the browser may take."""


def check() -> None:
    """Raises UsageError where what a picture is made with is not installed. Cheap: to be called before anything is measured."""
    page.check()
    if browser() is None:
        hint = "install one (Debian and Ubuntu: apt install chromium), or write a page with --html"
        raise UsageError("a picture needs Chromium or Chrome", hint=hint)


def browser() -> str | None:
    """The installed browser that pictures are taken with."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and sys.platform == "darwin":
        found = next((path for path in MAC_BROWSERS if Path(path).exists()), None)
    return found


def write(study: Study, path: str | Path) -> None:
    """Write the picture to this file.

    Raises UsageError (see `check`), StorageError, and DownloadError where the browser fails.
    """
    check()
    target = Path(path)
    try:
        # beside the target: a browser in a package of its own may see the user's folders, but no others
        with tempfile.TemporaryDirectory(prefix="dl-picture-", dir=target.absolute().parent) as folder:
            source, taken = Path(folder, "still.html"), Path(folder, "still.png")
            source.write_text(page.render_still(study), encoding="utf-8")
            height = _height(_run(folder, "--dump-dom", f"--window-size={WIDTH},1000", source.as_uri()))
            said = _run(folder, f"--screenshot={taken}", f"--window-size={WIDTH},{height}", source.as_uri())
            if not taken.exists():
                raise _failed(said)
            taken.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="choose another file with --png") from None


def _run(folder: str, *words: str) -> str:
    """What the browser wrote to both of its outputs."""
    flags = [
        "--headless",
        "--no-sandbox",  # the page is our own, and a sandbox is refused to root and in most containers
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
            [str(browser()), *flags, *words], capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"it took longer than {PATIENCE:.0f} s") from None
    return f"{done.stderr}\n{done.stdout}"


def _height(document: str) -> int:
    found = re.search(r'data-height="(\d+)"', document)
    if found is None:
        raise _failed(document)
    return int(found[1])


def _failed(said: str) -> DownloadError:
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return DownloadError(
        f"{Path(str(browser())).name} took no picture: {last[:200]}", hint="--html writes the same charts as a page"
    )
