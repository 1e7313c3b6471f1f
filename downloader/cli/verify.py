"""`dl verify`: compares the files on the disk with what is known of them, or writes their digests as a sums file."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click
from click.shell_completion import CompletionItem

from downloader.cli.options import GroupedOption
from downloader.cli.status import journal_option
from downloader.cli.verify_printer import JsonPrinter, TextPrinter, as_json_text
from downloader.cli.verify_progress import LeftOut, Total, progress
from downloader.core.amounts import duration, size
from downloader.core.names.locations import check_is_folder
from downloader.errors import IntegrityError, StorageError, UsageError
from downloader.inventory.expected_files import RecordKind, from_journal, from_report, from_sums, kind_of
from downloader.inventory.file_check import ExpectedFile, FileState
from downloader.inventory.folder_check import FolderCheck
from downloader.inventory.sums_file import algorithm_in_name, base_folder, check_algorithm
from downloader.inventory.sums_writer import FolderDigests
from downloader.storage.journal import default_path
from downloader.storage.journal_counts import count_urls
from downloader.storage.journal_reader import JournalReader
from downloader.storage.replaced_file import replaced_file


def command() -> click.Command:
    """`dl verify [OPTIONS] [DIR|REPORT|SUMSFILE]`."""

    def files(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem[str]]:
        return [CompletionItem(text, type="file")]

    return click.Command(
        "verify",
        callback=_verify,
        params=[
            click.Argument(["records"], metavar="[DIR|REPORT|SUMSFILE]", default=".", shell_complete=files),
            GroupedOption(
                ["--dir", "folder"],
                metavar="DIR",
                default="",
                help="the folder of the files, for a report or a sums file  [where the report or sums file is]",
            ),
            journal_option(),
            click.Option(["--extra"], is_flag=True, help="also list the files in the folder that nothing knows"),
            GroupedOption(
                ["--write", "sums"],
                metavar="FILE",
                default="",
                help="compute the digests of all files in DIR, and write them to FILE for `sha256sum -c`; - is standard output",
            ),
            click.Option(
                ["--algorithm"],
                metavar="NAME",
                default="",
                help="the algorithm of --write  [as the name of FILE tells: SHA256SUMS, MD5SUMS, B2SUMS; else sha256]",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="print the result as one JSON object"),
        ],
        help="Verify the files on the disk: the size of each, and the digest if one is known. What is known is read from the "
        "journal of DIR (the current folder), from a REPORT (--report or --manifest, in any of its formats), or from a "
        "SUMSFILE, such as SHA256SUMS. The exit code is 9 if a file is missing, differs or cannot be read.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _verify(records: str, folder: str, journal: str, extra: bool, sums: str, algorithm: str, as_json: bool) -> int:
    for place in filter(None, (records, folder)):
        check_is_folder(place, "dl verify")
    if sums:
        if extra or journal or folder:
            raise UsageError("--write takes a folder and --algorithm only", hint="dl verify --write SHA256SUMS DIR")
        return _write_sums(records, sums, algorithm, as_json)
    if algorithm:
        raise UsageError("--algorithm is for --write", hint="a sums file or the journal tells the algorithms by itself")
    kind: RecordKind = "journal" if journal else kind_of(records)
    if kind == "journal":
        return _verify_journal(records, folder, journal, extra, as_json)
    expected = from_sums(records) if kind == "sums" else from_report(records, kind)
    root = folder or os.path.dirname(records) or "."
    return _compare(root, expected, kind, records, extra, as_json)


def _verify_journal(records: str, folder: str, journal: str, extra: bool, as_json: bool) -> int:
    """``records``: the folder of the run, or the journal itself."""
    path, root = journal, folder or records
    if not path and not os.path.isdir(records):
        path = records
        inner = os.path.abspath(records).endswith(default_path("/"))
        root = folder or (os.path.dirname(os.path.dirname(os.path.abspath(records))) if inner else ".")
    with _reader(path, root) as reader:
        return _compare(root, from_journal(reader), "journal", path or root, extra, as_json, reader)


def _reader(path: str, root: str) -> JournalReader:
    """Raises UsageError, with the sums files of the folder in the hint if it has no journal."""
    try:
        return JournalReader(path or default_path(root))
    except UsageError as error:
        names: list[str] = []
        with suppress(OSError):
            names = sorted(name for name in os.listdir(root) if algorithm_in_name(name) is not None and not path)
        if not names:
            raise
        raise UsageError(error.reason, hint=f"dl verify {os.path.join(root, names[0])} verifies by that file") from None


def _compare(
    root: str,
    expected: Iterator[ExpectedFile],
    kind: RecordKind,
    records: str,
    extra: bool,
    as_json: bool,
    reader: JournalReader | None = None,
) -> int:
    """Compare, and print what differs and the counts. Returns the exit code."""
    if not os.path.isdir(root):
        raise StorageError(f"not a folder: {root}", hint="--dir DIR is the folder of the files")
    printer = JsonPrinter() if as_json else TextPrinter()
    started = time.monotonic()
    with progress(_total(reader)) as draw:
        check = FolderCheck(root, expected, extra, lambda: draw(check.checked, check.bytes_read))
        unknown: int | None = None
        try:
            for item in check:
                draw(-1, 0)
                printer.differs(item)
            if extra:
                unknown = _print_unknown(check, printer, LeftOut(draw), reader, records)
        except KeyboardInterrupt:
            draw(-1, 0)
            printer.end(check, None, time.monotonic() - started)
            raise
    if not check.checked and kind != "journal":
        raise UsageError(f"{records} lists no file")
    printer.end(check, unknown, time.monotonic() - started)
    if kind in ("jsonl", "csv", "tsv", "parquet") and check.counts[FileState.MISSING] == check.checked:
        click.echo("dl: every file is missing: --dir DIR is the folder that the paths are relative to", err=True)
    if reader is not None and not as_json and (failures := count_urls(reader).failed):
        one, several = "1 URL failed, and was not verified", f"{failures:,} URLs failed, and were not verified"
        click.echo(one if failures == 1 else several)
    return IntegrityError.exit_code if check.wrong else 0


def _total(reader: JournalReader | None) -> Total:
    """How much there is to do, if a terminal shows it and the journal tells it."""
    if reader is None or not sys.stderr.isatty():
        return Total()
    counts = count_urls(reader)
    return Total(counts.done + counts.skipped, counts.digest_bytes)


def _print_unknown(
    check: FolderCheck, printer: TextPrinter, left_out: LeftOut, reader: JournalReader | None, records: str
) -> int:
    """Print the files in the folder that nothing knows. Returns their number."""
    if reader is not None:
        for (path,) in reader.select("SELECT DISTINCT path FROM files"):
            check.note_path(str(path))
    else:
        check.note_path(os.path.relpath(os.path.realpath(records), os.path.realpath(check.folder)))
    count = 0
    for path in check.unknown_files(left_out.add):
        count += 1
        printer.unknown(path)
    left_out.end()
    return count


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """While entered, SIGTERM raises SystemExit in the main thread, so that the incomplete file is removed."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_sums(folder: str, sums: str, algorithm: str, as_json: bool) -> int:
    """Returns the exit code: 3 if a file could not be read."""
    if not os.path.isdir(folder):
        raise UsageError(f"not a folder: {folder}", hint="dl verify --write SHA256SUMS DIR")
    name = check_algorithm(algorithm or algorithm_in_name(sums) or "sha256")
    started = time.monotonic()
    with progress() as draw:
        left_out = LeftOut(draw)
        digests = FolderDigests(folder, name, sums, left_out.add, lambda: draw(digests.files, digests.bytes_read))
        try:
            with _exit_on_sigterm(), replaced_file(sums) as stream:
                for line in digests:
                    stream.write(line)
        except KeyboardInterrupt:
            draw(-1, 0)
            done = f"{digests.files:,} files and {size(digests.bytes_read)}"
            click.echo(f"interrupted after {done}: {sums} was not written", err=True)
            raise
        left_out.end()
    seconds = time.monotonic() - started
    result = {
        "file": sums,
        "algorithm": name,
        "files": digests.files,
        "left_out": digests.left_out,
        "bytes_read": digests.bytes_read,
        "seconds": round(seconds, 3),
    }
    if as_json:
        click.echo(as_json_text(result), err=sums == "-")
    elif sums != "-":
        click.echo(f"{digests.files:,} {name} digests of {size(digests.bytes_read)} in {duration(seconds)}: wrote {sums}")
        base, prefix = base_folder(sums, folder)
        if not prefix and os.path.realpath(os.path.dirname(sums) or ".") != base:
            click.echo(f"the names in it are relative to {base}: dl verify {sums} --dir {folder}")
    return StorageError.exit_code if digests.left_out else 0
