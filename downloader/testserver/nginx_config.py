"""The configuration of `nginx` as text. Pure: it writes no file and starts no program.

The served folder contains one folder for each seed, with the files ``file/SIZE/NUMBER.bin``; the folders ``list`` and
``sums``, with one file for each named list; and the file `INDEX`.
"""

from pathlib import Path
from typing import NamedTuple

from downloader.testserver.certificate import Files
from downloader.testserver.serving import ListenAddress

INDEX = "names"
"""The name of the file for ``/list``."""
MODULES = Path("/usr/lib/nginx/modules")
"""The default folder of dynamic modules."""
_HTTP2_ON = (1, 25, 1)
"""The version from which HTTP/2 has its own directive."""

_CONFIG = """
{load}
{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $arg_seed $seed {{ default 1; "~^(?<digits>[0-9]+)$" $digits; }}
    server {{
        {listen}
        {tls}
        root {content}/$seed;
        location = / {{ default_type text/plain; return 200 "{help}"; }}
        location = /ready {{ return 204; }}
        location = /reset {{ return 204; }}
        location /file/ {{
            if ($arg_fail) {{ return 400 "fail= works only with the built-in server\\n"; }}
            {delay}
            limit_rate $arg_rate;
        }}
        {delay_locations}
        location = /list {{
            default_type text/plain;
            if ($args) {{ return 400 "only named lists: /list shows the names\\n"; }}
            alias {content}/{index};
        }}
        location /list/ {{ default_type text/plain; root {content}; }}
        location /sums/ {{ default_type text/plain; root {content}; }}
        {added.server}
    }}
    {added.http}
}}
{added.main}
"""

_TLS = """
        ssl_certificate {files.certificate};
        ssl_certificate_key {files.key};
        ssl_session_cache shared:tls:10m;
        {http2}
"""

_DELAY = "error_page 418 = @late; if ($arg_delay) { return 418; }"
_NO_DELAY = 'if ($arg_delay) { return 400 "delay= needs the echo module\\n"; }'
_DELAY_LOCATIONS = """
        location @late { echo_sleep $arg_delay; echo_exec @file; }
        location @file { limit_rate $arg_rate; }
"""

HELP = (
    "nginx, serving test files.\\n\\n"
    "/file/SIZE/NUMBER.bin   a file, if it was prepared; with ?delay=SECONDS, &rate=BYTES, &seed=N\\n"
    "/list/NAME, /list       a named list; the names of these lists\\n"
    "/sums/NAME              the digests of a list, as sha256sum writes them\\n"
    "/ready                  204\\n"
)


class Program(NamedTuple):
    """An installed nginx.

    ``http2``: whether it supports HTTP/2. ``echo``: its echo module, for delays; None if not installed. ``modules``: the
    folder of its dynamic modules.
    """

    path: str
    version: tuple[int, ...]
    http2: bool
    echo: Path | None
    modules: Path = MODULES


class NginxLimits(NamedTuple):
    """The limits of nginx: the number of worker processes, and of open files for each of them."""

    workers: int
    files: int


class Additions(NamedTuple):
    """Directives that are added, as text: at the end of the blocks ``server`` and ``http``, and of the file (``main``).

    ``modules``: the files of dynamic modules that these directives need; the echo module is loaded anyway.
    """

    server: str = ""
    http: str = ""
    main: str = ""
    modules: tuple[Path, ...] = ()


def text(
    program: Program,
    address: ListenAddress,
    folder: Path,
    content: Path,
    certificate: Files | None,
    limits: NginxLimits,
    root: bool,
    added: Additions = Additions(),  # noqa: B008 - a tuple of constants
) -> str:
    """The text of the configuration file.

    ``folder``: for the files that nginx writes. ``content``: the served folder. ``root``: whether the workers must run as root,
    too. ``added``: further directives.
    """
    modules = (*((program.echo,) if program.echo else ()), *added.modules)
    host = f"[{address.host}]" if ":" in address.host else address.host
    directive = program.version >= _HTTP2_ON
    protocols = "" if certificate is None else " ssl http2" if program.http2 and not directive else " ssl"
    http2 = "http2 on;" if program.http2 and directive else ""
    return _CONFIG.format(
        load="\n".join(f"load_module {path};" for path in modules),
        user="user root;" if root else "",
        workers=limits.workers,
        files=limits.files,
        connections=min(8192, limits.files // 2),
        folder=folder,
        content=content,
        listen=f"listen {host}:{address.port}{protocols} backlog=4096;",
        tls=_TLS.format(files=certificate, http2=http2) if certificate else "",
        help=HELP,
        index=INDEX,
        delay=_DELAY if program.echo else _NO_DELAY,
        delay_locations=_DELAY_LOCATIONS if program.echo else "",
        added=added,
    )
