"""The configuration of `nginx`, as text. Decides only; writes nothing and starts nothing.

Below the folder it serves there is one folder for each seed, with ``file/SIZE/NUMBER.bin`` in it, and ``list`` and ``sums``
with a file for each name, and `INDEX`.
"""

from pathlib import Path
from typing import NamedTuple

from downloader.testserver.certificate import Files
from downloader.testserver.serving import Place

INDEX = "names"
"""The file that ``/list`` answers with."""
MODULES = Path("/usr/lib/nginx/modules")
"""Where dynamic modules are, unless nginx was built otherwise."""
_HTTP2_ON = (1, 25, 1)
"""Since this version it is a directive of its own."""

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
            if ($arg_fail) {{ return 400 "fail= is for the built-in server\\n"; }}
            {if_late}
            limit_rate $arg_rate;
        }}
        {late}
        location = /list {{
            default_type text/plain;
            if ($args) {{ return 400 "only lists with a name: /list tells them\\n"; }}
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

_IF_LATE = "error_page 418 = @late; if ($arg_delay) { return 418; }"
_NEVER_LATE = 'if ($arg_delay) { return 400 "delay= needs the echo module\\n"; }'
_LATE = """
        location @late { echo_sleep $arg_delay; echo_exec @file; }
        location @file { limit_rate $arg_rate; }
"""

HELP = (
    "nginx, serving test files.\\n\\n"
    "/file/SIZE/NUMBER.bin   a file, if it was prepared; with ?delay=SECONDS, &rate=BYTES, &seed=N\\n"
    "/list/NAME, /list       a named list; their names\\n"
    "/sums/NAME              its digests, as sha256sum writes them\\n"
    "/ready                  204\\n"
)


class Program(NamedTuple):
    """An installed nginx. ``echo``: its echo module, which answers late; None where it is not installed.

    ``modules``: the folder of its dynamic modules.
    """

    path: str
    version: tuple[int, ...]
    http2: bool
    echo: Path | None
    modules: Path = MODULES


class Limits(NamedTuple):
    """What it may use: processes, open files for each."""

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
    place: Place,
    folder: Path,
    content: Path,
    certificate: Files | None,
    limits: Limits,
    root: bool,
    added: Additions = Additions(),  # noqa: B008 - a tuple of constants
) -> str:
    """The whole file. ``folder`` takes what nginx writes, ``content`` is served; ``root``: the workers must be root's too."""
    modules = (*((program.echo,) if program.echo else ()), *added.modules)
    host = f"[{place.host}]" if ":" in place.host else place.host
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
        listen=f"listen {host}:{place.port}{protocols} backlog=4096;",
        tls=_TLS.format(files=certificate, http2=http2) if certificate else "",
        help=HELP,
        index=INDEX,
        if_late=_IF_LATE if program.echo else _NEVER_LATE,
        late=_LATE if program.echo else "",
        added=added,
    )
