"""The options of `dl`, generated from the fields of `Settings`."""

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from downloader.settings.fields import Field, fields
from downloader.settings.values import Form, WrongValue, read

GROUPS: dict[str, tuple[str, ...]] = {
    "Concurrency and limits": (
        *("strategy", "cluster", "jobs", "per_host", "segments", "min_segment_size", "aggressive"),
        *("wait", "max_requests_per_second", "obey_robots", "limit_rate", "limit_rate_per_host"),
    ),
    "Files": (
        *(
            "dir",
            "endpoint_url",
            "shard_files",
            "shard_size",
            "keep_paths",
            "cut_dirs",
            "name",
            "flatten",
            "fanout",
            "content_disposition",
            "mtime",
        ),
        *("on_exists", "on_full", "max_size", "min_size", "max_total", "expect_type", "process", "on_complete"),
    ),
    "Integrity": ("checksums", "find_checksums", "require_checksums", "digest"),
    "Earlier runs": ("journal", "retry_failed", "on_busy"),
    "Retries and failures": (
        *("retries", "retry_on", "host_failures", "retry_wait", "max_retry_after", "connect_timeout"),
        *("timeout", "low_speed_limit", "low_speed_time", "fail_fast", "grace"),
    ),
    "Requests": (
        *("header", "user_agent", "user", "bearer_env", "netrc", "netrc_file", "cookies", "proxy", "http_version"),
        *("cacert", "cert", "key", "insecure", "allow_downgrade", "max_redirects"),
    ),
    "Output": ("progress", "quiet", "verbose", "log_file", "report", "manifest", "failed", "trace"),
    "Lists": (
        *("format", "url_column", "name_column", "checksum_column", "size_column", "mirror_column"),
        *("links", "expand", "prefer_location", "order", "skip_bad_lines"),
    ),
}
_HELP_OF_NO = {"mtime": "set the modification time of files to the local time"}
"""The help texts of the switches that are on by default, whose option is ``--no-NAME``."""


def settings_options() -> list[click.Option]:
    """An option for each setting, and a hidden ``--no-NAME`` for each switch.

    The value of an option is stored in the dict ``ctx.obj`` under the name of its setting, if the user gave the option.
    """
    by_name = {item.name: item for item in fields()}
    options: list[click.Option] = []
    for title, names in GROUPS.items():
        for name in names:
            options += _options(by_name[name], title)
            if name == "http_version":
                options += _http_version_options(by_name[name], title)
    return options


def _http_version_options(item: Field, heading: str) -> list["GroupedOption"]:
    """``--http1.1``, ``--http2``, ``--http3``: the same names as in curl."""
    options = []
    for version in item.choices[1:]:
        option = GroupedOption(
            [f"version_{version.replace('.', '_')}", f"--http{version}"],
            is_flag=True,
            expose_value=False,
            callback=_record(item.name, version),
            help=f"the same as --http-version {version}",
        )
        option.heading = heading
        options.append(option)
    return options


class GroupedOption(click.Option):
    """An option with the heading that it is listed under in the help, and with its allowed values."""

    heading = ""
    choices: tuple[str, ...] = ()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The completions of a partial value."""
        kind = {"FILE": "file", "DIR": "dir"}.get(self.metavar or "")
        if kind is not None:
            return [CompletionItem(incomplete, type=kind)]
        if "--strategy" in self.opts:
            from downloader.strategies.registry import names  # here: only completion needs them

            return [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        if "--profile" in self.opts:
            from downloader.settings.profiles import known_names

            return [CompletionItem(name) for name in known_names(ctx.params.get("config")) if name.startswith(incomplete)]
        if self.choices:
            return [CompletionItem(name) for name in self.choices if name.startswith(incomplete)]
        return super().shell_complete(ctx, incomplete)


def config_options() -> list[click.Option]:
    """``--config`` and ``--profile``: where settings come from. They are no settings themselves."""
    return [
        GroupedOption(
            ["--config"],
            metavar="FILE",
            help="read the settings from this file, not from ./downloader.toml or from your configuration folder",
        ),
        GroupedOption(
            ["profiles", "--profile"],
            metavar="NAME",
            multiple=True,
            help="use the settings of [profile.NAME] of that file, too; may be repeated: a later one counts more",
        ),
    ]


def read_as(form: Form) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A click callback that parses a value, for options that are not settings. It raises click.BadParameter."""

    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(form, value, text=True)
        except WrongValue as error:
            raise click.BadParameter(str(error)) from None

    return callback


def list_argument(metavar: str) -> click.Argument:
    """The argument LIST, which shells complete with file names."""

    def files(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem[str]]:
        return [CompletionItem(text, type="file")]

    return click.Argument(["lists"], metavar=metavar, nargs=-1, shell_complete=files)


def _options(item: Field, heading: str) -> list[click.Option]:
    flag = f"--{item.key}"
    if item.kind is bool:
        usual = _switch(item, not item.default, f"--no-{item.key}" if item.default else flag, hidden=False)
        other = _switch(item, bool(item.default), flag if item.default else f"--no-{item.key}", hidden=True)
        usual.heading = heading
        return [usual, other]
    default = "" if item.many or item.default == "" else f"  [{'auto' if item.auto and not item.default else item.default}]"
    option = GroupedOption(
        [item.name, flag, *([item.short] if item.short else [])],
        type=str,  # `downloader.settings.values` parses every value and words its errors
        metavar="|".join(item.choices) or item.unit or None,
        multiple=item.many,
        default=None,
        expose_value=False,
        callback=_record(item.name),
        help=item.help + default,
    )
    option.heading = heading
    option.choices = item.choices
    return [option]


def _switch(item: Field, value: bool, flag: str, hidden: bool) -> GroupedOption:
    shorts = [item.short] if item.short and not hidden else []
    return GroupedOption(
        [f"{'other' if hidden else 'given'}_{item.name}", flag, *shorts],
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        callback=_record(item.name, value),
        help=item.help if value else _HELP_OF_NO.get(item.name, item.help),
    )


def _record(name: str, constant: bool | str | None = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is None or value is False or value == ():
            return
        given: dict[str, Any] = context.ensure_object(dict)
        given[name] = value if constant is None else constant

    return callback


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each heading. Called by click."""
        for heading, options in self.grouped(ctx):
            with formatter.section(heading):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    def grouped(self, ctx: click.Context) -> list[tuple[str, list[click.Option]]]:
        """The visible options by heading; the options without a heading come last."""
        rows: dict[str, list[click.Option]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and not option.hidden:
                rows.setdefault(getattr(option, "heading", ""), []).append(option)
        ordered = sorted(rows.items(), key=lambda row: row[0] == "")  # stable
        return [(heading or "Other", options) for heading, options in ordered]
