"""Measures long lists: a table with a journal and a report, the same list again, and a list of very many hosts.

How to run, from the project's root, with the package and nginx installed (Debian: ``apt-get install nginx-light
libnginx-mod-http-echo``)::

    python benchmarks/long_lists.py [--up-to 1000000] [--hosts 10000] [--dir DIR] [--only table,again,hosts]

=========  ============================================================================================================
part       what is measured
=========  ============================================================================================================
``table``  a ``.csv.gz`` of 10,000, 100,000 and 1,000,000 files of 100 bytes, in folders of a thousand, with a journal and a
           report (``--report``); and the same without both. Every file is read and compared.
``again``  the same command again, for the CSV with the report and for a plain list of URLs: nothing is to be done. The requests
           are counted by nginx.
``hosts``  ten files from each of 10,000 addresses 127.x.y.z, ``--per-host 2``; one host in 250 answers after a second.
           The log of nginx tells how many requests each host had at the same time, and when its files were complete.
=========  ============================================================================================================

Caveats: as in growth.py. The peak is the sum over all processes of the command. nginx accepts connections to all addresses of
the machine for ``hosts``, and refuses those that do not come from 127.0.0.0/8.
"""

import argparse
import csv
import gzip
import io
import json
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import peers
from contest import columns, environment, say, scratch
from growth import FILE_MEMORY, entries
from growth import verify as verify_files
from origin import TINY_PADDING, TINY_REPEATS, version

from downloader.compare.measure import Usage, run_measured
from downloader.testserver.nginx import Nginx, module
from downloader.testserver.nginx_config import Additions
from downloader.testserver.server_errors import ServerError
from downloader.testserver.serving import LOOPBACK, ListenAddress, reserve

SIZES = (10_000, 100_000, 1_000_000)
FILES_PER_HOST = 10
PER_HOST = 2
SLOW_ENDING = ".7"
"""Hosts whose address ends so are slow: one in 250."""
SLOW_SECONDS = 1.0
FAST_SECONDS = 0.02
RUN_LIMIT = 3600.0
"""Seconds for one run."""

HOSTS = """
    log_format hosts "$server_addr $msec $request_time";
    map $server_addr $host_delay {{ default {fast}; "~{ending}$" {slow}; }}
    server {{
        listen 0.0.0.0:{port} backlog=4096;
        allow 127.0.0.0/8;
        deny all;
        access_log {log} hosts;
        location / {{ echo_sleep $host_delay; echo_exec @body; }}
        location @body {{ return 200 "{tiny}"; }}
    }}
"""
TABLE = """
        location /tiny/ {{ return 200 "{tiny}"; }}
        location = /requests {{ stub_status; }}
"""
TINY = TINY_REPEATS * "$uri" + TINY_PADDING


class Service(NamedTuple):
    """What a host did: the greatest number of requests at the same time, and when its last file was complete (seconds)."""

    at_once: int
    last: float


def measured(command: list[str], home: Path) -> Usage:
    """Run a command, and measure it. Ends the program if the command fails."""
    output = home / "output"
    with output.open("wb") as stream:
        usage = run_measured(command, limit=RUN_LIMIT, environment=environment(home), output=stream.fileno())
    if usage.code or usage.expired:
        raise SystemExit(f"{' '.join(command)}: exit code {usage.code}\n{output.read_text(errors='replace')[-2000:]}")
    return usage


def figures(what: str, count: int, usage: Usage, note: str) -> list[str]:
    """A row of the table."""
    cpu = usage.user + usage.system
    per_file = [f"{value / count * 1e6:.1f}" for value in (usage.elapsed, cpu)]
    return [what, f"{count:,}", f"{usage.elapsed:.2f}", *per_file, f"{usage.peak / 1e6:.0f}", note]


def write_csv(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Write a compressed CSV file with a header."""
    with gzip.open(path, "wb", compresslevel=1) as packed, io.TextIOWrapper(packed, "utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "url", "name", "label"))
        writer.writerows(rows)


def requests(server: Nginx) -> int:
    """How many requests the server has received, without this one."""
    import urllib.request

    with urllib.request.urlopen(f"{server.url}/requests") as answer:
        numbers = answer.read().split()
    return int(numbers[9]) - 1  # accepts, handled, requests


def table_rows(dl: str, count: int, server: Nginx, target: Path, memory: Path, again: bool) -> Iterator[list[str]]:
    """Run the table of so many files, and the same once more; yield the rows of figures."""
    table, plain = memory / "list.csv.gz", memory / "list.txt"
    with plain.open("w") as lines:
        lines.writelines(f"{server.url}/tiny/{name}\n" for _, name in entries(count))
    names = ((str(index), f"{server.url}/tiny/{name}", f"{part}/{name}") for index, (part, name) in enumerate(entries(count)))
    write_csv(table, ((index, url, name, f"label {index}") for index, url, name in names))
    report = memory / "report.jsonl"
    full = [dl, str(table), "-q", "--report", str(report)]
    for what, command in (("table, journal, report", full), ("table, neither", [*full[:3], "--journal", "none"])):
        folder = target / "files"
        usage = measured([*command, "-d", str(folder)], memory)
        if problem := verify_files(folder, count):
            raise SystemExit(problem)
        note = ""
        if command is full:
            with report.open("rb") as stream:
                statuses = [json.loads(line)["status"] for line in stream]
            if statuses != ["done"] * count:
                raise SystemExit(f"the report has {len(statuses)} rows, {statuses.count('done')} of them done")
            journal = sum(path.stat().st_size for path in (folder / ".downloader").iterdir())
            note = f"every row is done; bytes a file: report {report.stat().st_size / count:.0f}, journal {journal / count:.0f}"
        yield figures(what, count, usage, note)
        if command is full and again:
            yield repeated("the same again", [*command, "-d", str(folder)], count, server, memory)
        shutil.rmtree(folder)
    if again:
        command = [dl, str(plain), "-q", "-d", str(target / "plain")]
        measured(command, memory)
        yield repeated("plain list again", command, count, server, memory)
        shutil.rmtree(target / "plain")


def repeated(what: str, command: list[str], count: int, server: Nginx, memory: Path) -> list[str]:
    """Run a command whose files are all there, and return its figures."""
    before = requests(server)
    usage = measured(command, memory)
    return figures(what, count, usage, f"{requests(server) - before - 1} requests")


def address(number: int) -> str:
    """The address of a host: 127.1.0.1, 127.1.0.2, …"""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def services(log: Path) -> dict[str, Service]:
    """What each host did, as the log of nginx says."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with log.open() as lines:
        for line in lines:
            host, end, took = line.split()
            spans[host].append((float(end) - float(took), float(end)))
    result = {}
    for host, requested in spans.items():
        changes = sorted([(end, -1) for _, end in requested] + [(start + 0.002, 1) for start, _ in requested])
        now = at_once = 0
        for _, change in changes:
            now += change
            at_once = max(at_once, now)
        result[host] = Service(at_once, max(end for _, end in requested))
    return result


def hosts_rows(dl: str, count: int, target: Path, memory: Path) -> Iterator[list[str]]:
    """Run a list of so many hosts, first in the order of the hosts and then shuffled; yield the rows of figures."""
    if not module("http_echo"):
        say("left out: hosts: nginx has no echo module here (Debian: apt-get install libnginx-mod-http-echo)")
        return
    log = memory / "hosts.log"
    with reserve(ListenAddress(LOOPBACK, 0)) as one:
        port = one.getsockname()[1]
    http = HOSTS.format(port=port, log=log, tiny=TINY, fast=FAST_SECONDS, slow=SLOW_SECONDS, ending=re.escape(SLOW_ENDING))
    with Nginx(added=Additions(http=http)):
        lines = [
            f"http://{address(number)}:{port}/{number:05d}{file:03d}\n  dir={number // 250:05d}\n"
            for number in range(count)
            for file in range(FILES_PER_HOST)
        ]
        for what in ("hosts in order", "hosts shuffled"):
            if what == "hosts shuffled":
                random.Random(1).shuffle(lines)
            list_file = memory / "list.txt"
            list_file.write_text("".join(lines))
            log.write_bytes(b"")
            folder = target / "hosts"
            usage = measured([dl, str(list_file), "-q", "-d", str(folder), "--per-host", str(PER_HOST)], memory)
            shutil.rmtree(folder)
            known = services(log)
            first = min(service.last for service in known.values())
            fast = [service.last - first for host, service in known.items() if not host.endswith(SLOW_ENDING)]
            most = max(service.at_once for service in known.values())
            if len(known) != count or most > PER_HOST:
                raise SystemExit(f"{len(known)} of {count} hosts were asked, one of them {most} times at the same time")
            note = f"at most {most} requests at one host; the last fast host was complete after {max(fast):.1f} s"
            yield figures(what, len(lines), usage, note)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="long lists: a table with journal and report, the same again, many hosts")
    parser.add_argument("--up-to", type=int, default=SIZES[-1], help="the length of the longest table")
    parser.add_argument("--hosts", type=int, default=10_000, help="the number of hosts")
    parser.add_argument("--only", default="table,again,hosts", help="the parts to run, separated by commas")
    parser.add_argument("--dir", type=Path, help="write below this folder, not to memory")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    dl = peers.dl_command(options.dl)
    parts = options.only.split(",")
    print(peers.machine_line(peers.machine(dl, {"nginx": version()})), flush=True)
    rows = [["what", "files", "time s", "µs/file", "CPU µs/file", "peak MB", "checked"]]
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as memory, scratch(options.dir) as target:
            if "table" in parts:
                with Nginx(added=Additions(TABLE.format(tiny=TINY))) as server:
                    for count in (size for size in SIZES if size <= options.up_to):
                        say(f"{count:,} files")
                        if shutil.disk_usage(target).free < count * FILE_MEMORY:
                            say(f"left out: there is no room for so many files in {target.parent}")
                            continue
                        for row in table_rows(dl, count, server, target, memory, "again" in parts):
                            rows.append(row)
                            say(columns([row]).splitlines()[0])
            if "hosts" in parts:
                say(f"{options.hosts:,} hosts")
                rows += hosts_rows(dl, options.hosts, target, memory)
    except ServerError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        say("interrupted; nginx is stopped and the folders are removed")
        raise SystemExit(130) from None
    finally:
        if rows[1:]:
            print(columns(rows), flush=True)


if __name__ == "__main__":
    main()
