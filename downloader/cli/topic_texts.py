"""The texts of `dl help TOPIC`. Each fits a terminal of 80 columns."""

LISTS = """\
dl LIST...: each LIST is a file, a URL, or - for standard input.

A file has one URL per line. Blank lines and lines that begin with # are
ignored. The encoding is UTF-8, or UTF-16 with a byte order mark.

    https://example.org/readme.txt
    https://example.org/big.iso    https://mirror.example.net/big.iso
      out=images/big.iso
      checksum=sha-256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c...
      header=Referer: https://example.org/

Further URLs on a line, separated by TAB, are mirrors of the same file.
Indented lines are options of the URL above them, in the format of aria2:

    out=NAME               the name of the file, below dir= and --dir
    dir=FOLDER             the folder of the file, below --dir
    checksum=KIND=DIGEST   sha-256, sha3-256, blake2b, blake3, md5, crc32c, …
    header=NAME: VALUE     a header for this URL; may be repeated
    referer=URL            the same as header=Referer: URL
    user-agent=TEXT        the same as header=User-Agent: TEXT

Other options of aria2 are ignored. Without out=, the file is named after the
last part of the path of the URL. If two URLs lead to the same name, a short
digest of the URL is added to the name; it is the same in every run. A URL that
is listed twice is fetched once. Nothing is written outside of --dir.

A list may also be a table (CSV, TSV) or JSON Lines. dl finds the columns, or
the keys of the objects, by their names, and prints what it understood:

    URL        url, link, href, uri, download_url, ...   --url-column
    name       out, path, filename, file, name, ...      --name-column
    checksum   md5, sha256, ..., checksum, hash, digest  --checksum-column
    size       size, bytes, length, ...                  --size-column
    mirrors    mirror, mirrors, url2, ...                --mirror-column

Each option takes the name of a column or its number from 1; 0 means none.
Other columns go into the report. A table without a header is understood by
its contents. --format names the format: text, csv, tsv, jsonl, parquet,
metalink, sitemap, html. Without it, the name of the file tells (.csv, .csv.gz,
...), else the content. Lists in gzip, Zstandard and xz are decompressed while
they are read.

With --format, a URL on the command line names a list: it is fetched first.

If a line is invalid, dl prints its file and line number, and starts nothing;
--skip-bad-lines skips invalid lines. --dry-run prints what would be fetched,
and the path of each file. --failed FILE writes the entries that failed, with
their options, as a list for another run.

Documents are read as lists, too, compressed or not:

    Metalink 4 and 3   names, sizes, hashes, hashes of pieces, mirrors
    sitemap            the URLs; the sitemaps of an index are fetched, too
    web page, bucket   --links '*.nc': the links whose last part matches
    Parquet            one file for each row (pip install '.[parquet]')

With --links, the URLs of a list are those of pages.

--expand expands {001..100}, {1..9..2}, {a..e} and {a,b} in the URLs of text
lists and of the command line; \\{ is a literal brace. Mirrors, out= and dir=
are paired with the URLs in order: each has as many texts as the URL, or no
pattern.

--order starts the files in another order: reversed, priority (the highest
first), smallest (of the sizes in the list) or random. 100,000 entries are read
ahead and ordered; a longer list is ordered within that window.

For one URL: dl URL -o NAME.
A list that is named like a command is given with its folder: dl ./compare.
"""

NAMES = """\
Without options, a file is named after the last part of the path of its URL.
What names a file, in this order:

    out=NAME in the list, or -o NAME
    --name TEMPLATE, or --keep-paths
    --content-disposition: the name that the server proposes
    the last part of the path of the URL

dir=FOLDER of the list is a folder in front of the name. Then:

    --flatten       each / of the path becomes _
    --fanout N      folders in front of the path: ab/path (1), ab/cd/path (2).
                    They are a digest of the path: the same in every run

A TEMPLATE is a path below --dir. Its fields:

    {host} {port} {scheme}   of the URL
    {path}                   the folders of the URL's path
    {name}                   the last part of the URL's path; index.html if it
                             is empty
    {stem} {ext}             {name} in two parts; {ext} begins with its dot, or
                             is empty; .tar.gz is one extension
    {query} {query.KEY}      the query of the URL; the value of one parameter.
                             Passwords and tokens are replaced by ***
    {sha256} {sha256:.8}     the SHA-256 of the URL; its first 8 digits
    {index} {index:06d}      the position in the list, from 1; with 6 digits.
                             Invalid lines are not counted; over several
                             lists, the count goes on
    {col.NAME}               the value in this column of a table
    {{ }}                    braces

    dl urls.txt --name '{host}/{path}/{stem}{ext}'
    dl photos.csv --name '{col.album}/{index:04d}{ext}'
    dl urls.txt --name '{sha256:.2}/{sha256}{ext}'

:.8 after any field but {index} takes its first 8 characters. With
--content-disposition, {name}, {stem} and {ext} come from the name that the
server proposes.

Each value is a part of one name: a / in it becomes _. Only {path} contains
folders. A folder without a name is left out; a name that begins with an empty
value begins with _. If a row has no such column, that file fails; if no row
has it, nothing is started. If two files get the same name, a digest of the URL
is added to one of them. --dry-run shows the names.
"""

RESUMING = """\
Run the same command again: dl skips complete files, resumes incomplete
files, and retries failed files. No option is needed.

A file gets its final name when it is complete and, if a checksum is known,
verified. Until then it is named NAME.part. Beside it, NAME.part.meta
records the validator of the server (a strong ETag, or Last-Modified) and
which bytes are complete.

To resume, dl requests the missing bytes with If-Range and the validator. If
the file has changed on the server meanwhile, the server sends the whole file,
and dl starts at zero: two versions are never mixed. Without a validator dl
starts at zero, too.

After one Ctrl-C (or SIGTERM), dl starts no more files, and running files get
--grace seconds to finish. After a second one, the run ends at once. In both
cases, and after a crash, the same command resumes.

--on-exists sets what happens if a file already exists:

    skip        keep the file, send no request (the default)
    refresh     fetch the file again if the server has another version
    overwrite   fetch the file again
    rename      keep the file, and name the new one NAME.1.EXT
    fail        report an error

With --checksums, or checksum= in a list, an existing file is verified first,
and fetched again if its checksum is wrong.

For a list, dl keeps a journal in .downloader below --dir: what is complete,
with its size, and what failed. A file that is gone, or has another size than
recorded, is fetched again. Options about earlier runs:

    --retry-failed      fetch only what failed; the list may be omitted
    --on-exists refresh ask the servers, with the recorded ETags
    --on-busy wait      wait for another run that works in --dir
    --journal none      keep no journal

dl status DIR shows what the journal of a folder says, and what to do next.
dl verify DIR compares the files with it, and dl verify SHA256SUMS with that
file. dl export DIR --to FILE writes a list of what failed, a report, or a sums
file.

Within a run, dl retries up to --retries times after refused and reset
connections, stalls, truncated bodies, and the statuses 408, 425, 429, 500,
502, 503, 504 and 520 to 529. The waits between the attempts grow from
--retry-wait, unless the server requests a wait with Retry-After. dl obeys
Retry-After up to --max-retry-after.
"""

INTEGRITY = """\
A file gets its name only if it has the right checksum, if one is known. What
is known of a file:

    checksum=KIND=DIGEST   in a list; a table or a Metalink may have it, too
    --checksums FILE       lines of sha256sum, b2sum, b3sum, cksum -a, openssl
    --find-checksums       SHA256SUMS, NAME.sha256 and the like on the server
    headers of the server  Repr-Digest, Content-Digest, Digest

Kinds: sha256, sha512, sha384, sha224, sha3-256 (also 224, 384 and 512),
blake2b and blake2s (also with fewer bits: blake2b-256), blake3 (an extra),
sha1, md5 and crc32c.

If the checksum is wrong, dl fetches the file once more, and then reports it as
failed (exit code 9). If the digests of its pieces are known, as from a
Metalink, dl keeps the right pieces and fetches the wrong ones again, from a
mirror if there is one.

--find-checksums makes few requests: one for each file of a folder, such as
SHA256SUMS; and NAME.sha256, NAME.sha512 and NAME.md5 only as long as the
first three files of a folder have one. Such a checksum proves that the file
arrived as the server has it, and no more.

--require-checksums reports files without a checksum as failed, before they are
fetched. --digest ALGORITHM records a digest of each file while it is fetched.
"""

POLITENESS = """\
The servers of other people have other users. dl limits itself:

    public hosts        at most 16 connections per host, and 6 per file
    loopback, private   as many connections as increase the speed

--per-host N and --segments N set other limits. --aggressive removes these
limits for all hosts.

    --per-host N                at most N connections to one host
    --segments 1                never more than one connection for one file
    --wait TIME                 a pause between two requests to one host
    --max-requests-per-second N at most N requests per second to one host
    --obey-robots               keep the Crawl-delay of each host's robots.txt
    --limit-rate-per-host SIZE  at most SIZE bytes per second from one host
    --limit-rate SIZE           at most SIZE bytes per second in total
    --user-agent TEXT           who you are: a name, and a contact address

For one connection and one request every two seconds:

    dl urls.txt --per-host 1 --segments 1 --wait 2

What dl always does:

- It halves the number of parallel requests after 429, 503, a time-out or a
  refused connection.
- It obeys Retry-After, up to --max-retry-after.
- It waits longer before each retry. The waits are random, so that many clients
  do not return at the same moment.
- It takes the hosts of a list in turn, so that no host gets all requests at
  once.
- It gives up a host that has never answered after N time-outs
  (--host-failures N). It does not give up a host that refuses connections or
  answers 503.
"""

SETTINGS = """\
A setting comes from the first of these places that sets it:

    1. an option of the command line       --retry-wait 1
    2. an environment variable             DL_RETRY_WAIT=1
    3. the profiles that you have chosen   [profile.NAME] of the file
    4. the top level of the file           retry-wait = 1
    5. the default

The file is the one of --config or DL_CONFIG, else ./downloader.toml, else
downloader/downloader.toml in your configuration folder. Another person may
have written ./downloader.toml: only harmless settings are accepted from it.

    dl config show            each setting that is set, and what sets it
    dl config check [FILE]    every error of a file
    dl config init            a new file, with every setting commented out

A profile has any settings. --profile polite or DL_PROFILE=polite uses it:

    [profile.polite]
    per-host = 1
    wait = "2s"

A section of the file counts for the URLs of one host. Its name is a host,
*.DOMAIN for all hosts below a domain, or either with a port. The most specific
section counts, alone; an option or a variable for the same setting overrides
it:

    [host."data.example.org"]
    per-host = 2
    limit-rate-per-host = "5M"
    wait = "1s"
    header = ["Accept: text/csv"]
    user = "ada"
    password-env = "EXAMPLE_PASSWORD"

    [host."*.example.com"]
    bearer-env = "EXAMPLE_TOKEN"

Further keys are max-requests-per-second, user-agent and netrc. Secrets are in
environment variables or in ~/.netrc, never in the file. They are sent to the
scheme, host and port of the listed URL, and never follow a redirect elsewhere.

Without --proxy, the variables http_proxy, https_proxy, all_proxy and no_proxy
count, or the last three in capitals. no_proxy lists hosts, with all hosts
below them, addresses and networks, separated by commas:

    no_proxy=localhost,example.org,example.net:8080,10.0.0.0/8
"""
