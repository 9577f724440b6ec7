"""Base URLs and origins."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import InvalidParamsError
from nai_trio.address import BaseURL, parse_base_url
from nai_trio.transport import Origin

GOOD = [
    ("https://image.novelai.net", Origin("https", "image.novelai.net", 443), ""),
    ("https://image.novelai.net/", Origin("https", "image.novelai.net", 443), ""),
    ("HTTPS://Image.NovelAI.net:443/", Origin("https", "image.novelai.net", 443), ""),
    ("https://proxy.example:8443/a/b/", Origin("https", "proxy.example", 8443), "/a/b"),
    ("https://proxy.example/A//", Origin("https", "proxy.example", 443), "/A"),
    ("https://proxy.example:/a", Origin("https", "proxy.example", 443), "/a"),
    ("https://proxy.example/@b", Origin("https", "proxy.example", 443), "/@b"),
    ("https://[2001:DB8::1]:9/x", Origin("https", "2001:db8::1", 9), "/x"),
    ("http://localhost:8000", Origin("http", "localhost", 8000), ""),
    ("http://LOCALHOST", Origin("http", "localhost", 80), ""),
    ("http://127.0.0.1:8000/novelai", Origin("http", "127.0.0.1", 8000), "/novelai"),
    ("http://127.9.9.9", Origin("http", "127.9.9.9", 80), ""),
    ("http://[::1]:8000", Origin("http", "::1", 8000), ""),
    ("http://sub.localhost", Origin("http", "sub.localhost", 80), ""),
]


@pytest.mark.parametrize(("text", "origin", "path"), GOOD)
def test_a_base_url_is_an_origin_and_a_path(text: str, origin: Origin, path: str) -> None:
    base = parse_base_url(text)
    assert base == BaseURL(origin, path)
    assert parse_base_url(str(base)) == base


BAD = [
    "",
    "image.novelai.net",
    "//image.novelai.net",
    "https:image.novelai.net",
    "https://",
    "https:///path",
    "https://:443",
    "ftp://image.novelai.net",
    "wss://image.novelai.net",
    "https://host:0",
    "https://host:65536",
    "https://host:port",
    "https://host:-1",
    "https://host?query",
    "https://host/#fragment",
    "https://ho st",
    "https://host/a b",
    "https://host\r\nX: 1",
    "https://host/\x00",
    "https://host/\x7f",
    " https://host",
    "https://h\u00f6st",
    "https://[::1",
    "https://[nonsense]",
    None,
    5,
    b"https://host",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_base_url_is_refused_and_shown(text: object) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        parse_base_url(text)  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.value) == ("image_base", text)
    assert "https://host[:port][/path]" in caught.value.allowed


@pytest.mark.parametrize(
    "text",
    [
        "https://user:s3cret@host",
        "https://s3cret@host",
        "https://:s3cret@host/path",
        "https://user:s3cret@host:99999",
        "https://user:s3cret@host:port",
        "https://user:s3cret@",
        "https://user:s3cret@[::1",
        "https://user:s3cret@host?q",
        "https://user:s3cret@ho st",
        "https://user:s3cret\u00e4@host",
        "http://user:s3cret@host",
        "ftp://user:s3cret@host",
    ],
)
def test_credentials_are_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        parse_base_url(text)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    "host",
    ["image.novelai.net", "10.0.0.1", "0.0.0.0", "128.0.0.1", "[::2]", "localhost.example", "notlocalhost", "127.1"],
)
def test_plain_http_off_this_machine_must_be_asked_for(host: str) -> None:
    with pytest.raises(InvalidParamsError, match=r"allow_plain_http=True"):
        parse_base_url(f"http://{host}:8000")
    base = parse_base_url(f"http://{host}:8000", allow_plain_http=True)
    assert base.origin == Origin("http", host.strip("[]"), 8000)


@pytest.mark.parametrize(
    ("origin", "netloc"),
    [
        (Origin("https", "host", 443), "host"),
        (Origin("http", "host", 80), "host"),
        (Origin("https", "host", 80), "host:80"),
        (Origin("http", "host", 443), "host:443"),
        (Origin("https", "::1", 443), "[::1]"),
        (Origin("http", "::1", 8000), "[::1]:8000"),
    ],
)
def test_the_host_header_names_a_port_only_where_it_is_not_the_schemes_own(origin: Origin, netloc: str) -> None:
    assert origin.netloc == netloc
    assert str(origin) == f"{origin.scheme}://{netloc}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.b.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("localhost.evil.example", False),
        ("evil-localhost", False),
        ("127.0.0.1.example", False),
        ("126.0.0.1", False),
        ("::", False),
        ("::2", False),
        ("", False),
    ],
)
def test_loopback_is_told_without_asking_a_resolver(host: str, expected: bool) -> None:
    assert Origin("http", host, 80).is_loopback is expected


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text() | st.text(alphabet="htps:/@[]?#.%1a-\\").map(lambda tail: f"https://{tail}"))
def test_any_text_is_a_base_url_or_refused(text: str) -> None:
    try:
        base = parse_base_url(text)
    except InvalidParamsError:
        return
    assert base.origin.host
    assert 1 <= base.origin.port <= 65535
    assert not base.path.endswith("/")
