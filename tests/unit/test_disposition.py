"""Content-Disposition: which name a field value proposes, as the RFCs say, and as servers send it."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.http.disposition import disposition_name
from downloader.core.names.file_names import server_base_name
from tests.support.names import TEXT, is_safe

EXAMPLES = {
    "RFC 6266 section 5": [
        ("Attachment; filename=example.html", "example.html"),
        ('INLINE; FILENAME= "an example.html"', "an example.html"),
        ("attachment; filename*= UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates"),
    ],
    "no name": [
        ("", ""),
        ("attachment", ""),
        ("inline", ""),
        ("attachment;", ""),
        ("attachment; filename", ""),
        ("attachment; filename=", ""),
        ('attachment; filename=""', ""),
        ("attachment; filename*=", ""),
        ("attachment; filename*=UTF-8''", ""),
        ("attachment; name=x", ""),
        ("attachment; myfilename=x", ""),
        ("attachment; filename-x=x", ""),
        ("attachment; a.html", ""),
        ('attachment; "a.html"', ""),
        ("attachment filename=a.html", ""),
        ("attachment; size=filename=a.html", ""),
    ],
    "types": [
        ("inline; filename=a.html", "a.html"),
        ("ATTACHMENT; filename=a.html", "a.html"),
        ("foobar; filename=a.html", "a.html"),
        ("form-data; name=f; filename=a.html", "a.html"),
        ("filename=a.html", "a.html"),
        (' filename = "a b.html"; size=5', "a b.html"),
        ("filename*=UTF-8''%e2%82%ac", "€"),
        ("; filename=a.html", "a.html"),
        ('"attachment"; filename=a.html', "a.html"),
    ],
    "tokens and quoted strings": [
        ("attachment; filename=a", "a"),
        ("attachment; filename=a.tar.gz", "a.tar.gz"),
        ("attachment;filename=a", "a"),
        ("attachment ; \t filename \t= \ta \t; size=5", "a"),
        ("attachment; FileName=a", "a"),
        ("attachment;; filename=a;", "a"),
        ("attachment; filename=two words.txt", "two words.txt"),
        ("attachment; filename=a,b(1)[2].txt", "a,b(1)[2].txt"),
        ("attachment; filename=a;b.txt", "a"),
        ("attachment; filename='a.txt'", "'a.txt'"),
        ('attachment; filename="a;b.txt"', "a;b.txt"),
        ('attachment; filename=" a "', " a "),
        (r'attachment; filename="a \"quoted\" name"', 'a "quoted" name'),
        (r'attachment; filename="back\\slash"', r"back\slash"),
        (r'attachment; filename="f\o\o"', "foo"),
        (r'attachment; filename="a\"', 'a"'),
        ('attachment; filename="unfinished.txt', "unfinished.txt"),
        ('attachment; filename="unfinished.txt; size=5', "unfinished.txt"),
        ('attachment; filename="', ""),
        ('attachment; filename="a.txt" junk; size=5', "a.txt"),
        ('attachment; filename=a"b".txt', 'a"b".txt'),
        ('attachment; other="; filename=no"; filename=yes', "yes"),
        (r'attachment; other="\"; filename=no"; filename=yes', "yes"),
        ("attachment; filename=100%25.txt", "100%25.txt"),
        ('attachment; filename="%E2%82%AC.txt"', "%E2%82%AC.txt"),
    ],
    "several": [
        ("attachment; filename=a; filename=b", "a"),
        ('attachment; filename=""; filename=b', "b"),
        ("attachment; filename*=UTF-8''a; filename*=UTF-8''b", "a"),
        ("attachment; filename*=UTF-8''%ff; filename*=UTF-8''b", "b"),
        ("attachment; filename*=utf-8''%e2%82%ac; filename=euro", "€"),
        ("attachment; filename=euro; size=5; filename*=utf-8''%e2%82%ac", "€"),
    ],
    "extended values": [
        ("attachment; filename*=UTF-8'en'plain.txt", "plain.txt"),
        ("attachment; filename*=utf-8'de-AT'%C3%A4", "ä"),
        ("attachment; filename*=UTF8''%C3%A4", "ä"),
        ("attachment; filename*=iso-8859-1''%a3", "£"),
        ("attachment; filename*=ISO-8859-1'en'%A3%20rates; filename=x", "£ rates"),
        ("attachment; filename* = UTF-8''a", "a"),
        ("attachment; filename*=\"UTF-8''a%20b\"", "a b"),
        ("attachment; filename*=UTF-8''a b", "a b"),
        ("attachment; filename*=UTF-8''it's", "it's"),
        ("attachment; filename*=UTF-8''a%2520b", "a%20b"),
        ("attachment; filename*=UTF-8''\xe2\x82\xac", "€"),
        ("attachment; filename*=UTF-8''€", "€"),
        ("attachment; filename*=UTF-8''a%00b", "a\0b"),
    ],
    "extended values that are ignored": [
        ("attachment; filename*=koi8-r''%c1; filename=fallback", "fallback"),
        ("attachment; filename*=''a; filename=fallback", "fallback"),
        ("attachment; filename*=a; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8'a; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''a%2; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%xx; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%E4; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%ed%a0%80; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%c0%af; filename=fallback", "fallback"),
        ("attachment; filename *=UTF-8''a; filename=fallback", "fallback"),
        ("attachment; filename*=UTF-8''%E4", ""),
    ],
    "continuations are ignored": [
        ('attachment; filename*0="a."; filename*1="html"', ""),
        ("attachment; filename*0*=UTF-8''a; filename*1=b; filename=fallback", "fallback"),
        ("attachment; filename*1=a; filename*=UTF-8''b", "b"),
    ],
    "raw bytes": [
        ('attachment; filename="na\xc3\xafve.txt"', "naïve.txt"),
        ("attachment; filename=\xe4\xbd\xa0.txt", "你.txt"),
        ('attachment; filename="na\xefve.txt"', "naïve.txt"),
        ('attachment; filename="already €"', "already €"),
    ],
    "encoded words": [
        ('attachment; filename="=?UTF-8?B?5L2gLnR4dA==?="', "你.txt"),
        ("attachment; filename==?utf-8?q?na=C3=AFve=5F1.txt?=", "naïve_1.txt"),
        ('attachment; filename="=?ISO-8859-1?Q?a_=A3?="', "a £"),
        ('attachment; filename="=?UTF-8?B?5L2g?= =?UTF-8?B?LnR4dA==?="', "你.txt"),
        ('attachment; filename="=?nonsense?B?5L2g?="', "=?nonsense?B?5L2g?="),
        ('attachment; filename="=?UTF-8?B?5?="', "=?UTF-8?B?5?="),
        ('attachment; filename="=?UTF-8?B?/w==?="', "=?UTF-8?B?/w==?="),
        ('attachment; filename="=?hex?B?NQ==?="', "=?hex?B?NQ==?="),
        ('attachment; filename="=?UTF-8?X?a?="', "=?UTF-8?X?a?="),
        ('attachment; filename="what=?.txt"', "what=?.txt"),
    ],
    "paths": [
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ("attachment; filename=/etc/passwd", "/etc/passwd"),
        ("attachment; filename*=UTF-8''..%2Fx%00", "../x\0"),
    ],
}


@pytest.mark.parametrize(("value", "name"), [pair for pairs in EXAMPLES.values() for pair in pairs])
def test_field_value_proposes_a_name(value: str, name: str) -> None:
    assert disposition_name(value) == name


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_any_field_value_proposes_some_text(value: str) -> None:
    for text in (
        value,
        f"attachment; filename={value}",
        f"attachment; filename*=UTF-8''{value}",
        f"a; filename==?utf-8?q?{value}?=",
    ):
        name = disposition_name(text)
        assert isinstance(name, str)
        base = server_base_name(name)
        assert base == "" or is_safe(base)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), st.sampled_from(["UTF-8''", "utf-8'en'"]))
def test_an_extended_value_is_read_back(name: str, prefix: str) -> None:
    assert disposition_name(f"attachment; filename=no; filename*={prefix}{quote(name, safe='')}; size=1") == name


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(lambda text: "=?" not in text))
def test_a_quoted_value_is_read_back(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert disposition_name(f'attachment; filename="{quoted}"; size=1') == name


@given(TEXT.filter(lambda text: text.isprintable() and text.strip()))
def test_an_encoded_word_is_read_back(name: str) -> None:
    word = base64.b64encode(name.encode()).decode()
    assert disposition_name(f'attachment; filename="=?utf-8?b?{word}?="') == name
