"""The topic `dl help names`: how files are named."""

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
