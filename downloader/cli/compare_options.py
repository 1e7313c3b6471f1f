"""The options of `dl compare`, and the parsers of their values."""

from typing import Any

import click

from downloader.cli.options import GroupedOption, read_as
from downloader.compare.scenarios import DEFAULT_SCENARIOS, SCENARIOS
from downloader.compare.servers import KINDS
from downloader.settings.values import Form
from downloader.testserver import faults
from downloader.testserver.server_errors import WrongQuery

DEFAULT_BUDGET = 12.0
"""Seconds for the rounds of each scenario, if --repeat is not given."""

DEFAULT_FAULT_SHARE = 0.1
FAULTS = ", ".join(("503", "429", *faults.KINDS))


Range = tuple[str, tuple[int, ...]]


def _faults(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, float] | None:
    """Parse ``503,cut:0.2``: the kinds of faults, and the share of the requests that fail. Raises click.BadParameter."""
    if value is None:
        return None
    kinds, colon, share = value.partition(":")
    try:
        number = float(share) if colon else DEFAULT_FAULT_SHARE
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise click.BadParameter(f"the share is not a number from 0 to 1: {share!r}")
    try:
        parsed = faults.kinds(kinds)
    except WrongQuery as error:
        raise click.BadParameter(str(error).removeprefix("fail: ")) from None
    if not parsed:
        raise click.BadParameter(f"expected some of {FAULTS}")
    return ",".join(parsed), number


def _sweeps(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[Range, ...]:
    """Parse ``jobs=1,2,4``: the variable of each sweep, and its values. Raises click.BadParameter."""
    sweeps = []
    for text in value:
        over, _, numbers = text.partition("=")
        try:
            values = tuple(sorted({int(number) for number in numbers.split(",")}))
        except ValueError:
            values = ()
        if over not in ("jobs", "files") or not values or values[0] < 1:
            raise click.BadParameter(f"expected jobs=1,2,4 or files=10,100,1000, got {text!r}")
        sweeps.append((over, values))
    return tuple(sweeps)


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Parse ``a,b``: the names in the given order, without duplicates. Raises click.BadParameter."""
    names = [name.strip() for text in value for name in text.split(",")]
    if not all(names):
        raise click.BadParameter("expected names separated by a comma, such as serial,threads")
    return tuple(dict.fromkeys(names))


def options() -> list[click.Option]:
    """All options of `dl compare`, with their headings."""
    return [*_comparison_options(), *_measurement_options(), *_output_options()]


def _comparison_options() -> list[click.Option]:
    one, size = read_as(Form("whole", minimum=1)), read_as(Form("size", minimum=0))
    known = ", ".join(scenario.name for scenario in SCENARIOS)
    heading = "Comparison"
    return [
        _option(
            heading,
            "names",
            "-s",
            "--strategy",
            metavar="NAME,…",
            callback=_names,
            multiple=True,
            help="compare only these strategies; may be repeated",
        ),
        _option(
            heading,
            "chosen",
            "--scenario",
            metavar="NAME,…",
            callback=_names,
            multiple=True,
            help=f"{known}, or all; may be repeated  [{', '.join(DEFAULT_SCENARIOS)}]",
        ),
        _option(heading, "--files", metavar="N", callback=one, help="number of files of the scenario"),
        _option(heading, "--size", metavar="SIZE", callback=size, help="size of each file"),
        _option(
            heading,
            "--latency",
            metavar="TIME",
            callback=read_as(Form("time", minimum=0, maximum=60)),
            help="time until the first byte of each file",
        ),
        _option(heading, "--rate", metavar="SIZE", callback=size, help="maximum bytes per second on each connection"),
        _option(
            heading,
            "--fail",
            metavar="KINDS[:SHARE]",
            callback=_faults,
            help=f"let a share of the requests fail with {FAULTS}  [{DEFAULT_FAULT_SHARE}]",
        ),
        _option(
            heading,
            "--cluster",
            metavar="ADDRESS",
            help="also compare the strategy dask, on the Dask cluster with this address, or scheduler file",
        ),
        _option(heading, "--peers", is_flag=True, help="also compare aria2c, curl, wget2 and axel, if they are installed"),
        _option(
            heading,
            "sweeps",
            "--sweep",
            metavar="jobs|files=N,N,…",
            callback=_sweeps,
            multiple=True,
            help="repeat the comparison with each of these numbers of jobs, or of files",
        ),
    ]


def _measurement_options() -> list[click.Option]:
    one, heading = read_as(Form("whole", minimum=1)), "Measurement"
    return [
        _option(
            heading,
            "-j",
            "--jobs",
            metavar="N",
            callback=one,
            help="maximum number of requests in flight of each strategy  [the strategy's default]",
        ),
        _option(heading, "--repeat", metavar="N", callback=one, help="number of rounds  [until the medians are known to 5 %]"),
        _option(
            heading,
            "--budget",
            metavar="TIME",
            type=str,
            callback=read_as(Form("time", minimum=0)),
            default=f"{DEFAULT_BUDGET:g}",
            help=f"time for the rounds of each scenario; at least 3 rounds are run  [{DEFAULT_BUDGET:g}]",
        ),
        _option(
            heading,
            "--server",
            metavar="|".join(KINDS),
            callback=read_as(Form("choice", choices=KINDS)),
            default=KINDS[0],
            choices=KINDS,
            help="test server; nginx sends large files faster  [built-in]",
        ),
        _option(
            heading,
            "where",
            "-d",
            "--dir",
            metavar="DIR",
            help="folder for the downloaded files  [in memory, else the temporary folder]",
        ),
    ]


def _output_options() -> list[click.Option]:
    heading = "Output"
    return [
        _option(heading, "--timeline", is_flag=True, help="draw when each file waited, started and ended"),
        _option(heading, "--html", metavar="FILE", help="write a page with all results, for a browser"),
        _option(heading, "--png", metavar="FILE", help="write a picture of the most informative charts"),
        _option(heading, "--json", metavar="FILE", help="write all figures of every run; -: standard output"),
        _option(heading, "--csv", metavar="FILE", help="write one line for each run; -: standard output"),
    ]


def _option(heading: str, *names: str, choices: tuple[str, ...] = (), **attributes: Any) -> GroupedOption:
    option = GroupedOption(list(names), **attributes)
    option.heading = heading
    option.choices = choices
    return option
