"""The manual page dl(1) is made from the options when the package is built. All else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Distribution, setup

MANUALS = "share/man/man1"


class InstallManual(Distribution().get_command_class("install_data")):
    """Puts the page among the data files of the wheel."""

    def run(self) -> None:
        """Install what is declared, and the page."""
        super().run()
        sys.path.insert(0, str(Path(__file__).parent))  # a build in isolation does not have it
        from downloader.cli.manual import page

        target = Path(self.install_dir) / MANUALS / "dl.1"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(), encoding="utf-8")
        self.outfiles.append(str(target))


setup(cmdclass={"install_data": InstallManual}, data_files=[(MANUALS, [])])
