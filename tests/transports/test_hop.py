"""URLs of proxies and relays: what is read, what is refused, and that what is secret in them shows nowhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import shown

from nai_trio.errors import ConnectError, InvalidParamsError, ProxyError
from nai_trio.transport import Origin
from nai_trio.transports.hop import Hop, connect_error, shown_words

PORTS = {"http": 80, "https": 443}


@pytest.mark.parametrize(
    ("url", "text", "credentials"),
    [
        ("http://proxy.example", "http://proxy.example:80", ("", "")),
        ("http://proxy.example.", "http://proxy.example.:80", ("", "")),
        ("http://local_proxy:8080", "http://local_proxy:8080", ("", "")),
        ("http://пример.example", "http://пример.example:80", ("", "")),
        ("https://proxy.example/", "https://proxy.example:443", ("", "")),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128", ("", "")),
        ("http://[::1]:3128", "http://[::1]:3128", ("", "")),
        ("http://[FE80::1%25Eth0]:3128", "http://[fe80::1%Eth0]:3128", ("", "")),
        ("http://[fe80::1%eth0]:3128", "http://[fe80::1%eth0]:3128", ("", "")),
        ("http://name:word@proxy.example:3128", "http://proxy.example:3128", ("name", "word")),
        ("http://name@proxy.example", "http://proxy.example:80", ("name", "")),
        ("http://:word@proxy.example", "http://proxy.example:80", ("", "word")),
        ("http://n%40me:w%3Ard%2F%C3%A9@proxy.example", "http://proxy.example:80", ("n@me", "w:rd/é")),
        ("http://name:wörd@proxy.example", "http://proxy.example:80", ("name", "wörd")),
        ("http://name:a@b@proxy.example", "http://proxy.example:80", ("name", "a@b")),
    ],
)
def test_a_url_is_read(url: str, text: str, credentials: tuple[str, str]) -> None:
    hop = Hop.parse(url, PORTS)
    assert str(hop) == text
    assert (hop.username, hop.password) == credentials
    assert hop.has_credentials is any(credentials)
    assert hop.target == "/"


def test_path_and_query_are_the_target() -> None:
    assert Hop.parse("http://relay.example/a/b?c=d", PORTS).target == "/a/b?c=d"
    assert Hop.parse("http://relay.example?c=d", PORTS).target == "/?c=d"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (3128, "a int"),
        (b"http://proxy.example", "a bytes"),
        ("", "no scheme"),
        ("proxy.example:3128", "no scheme"),
        ("hidden:hidden@proxy.example:3128", "no scheme"),
        ("ftp://hidden@proxy.example", r"the scheme 'ftp' \(expected http:// or https://\)"),
        ("http://", "without a host"),
        ("http://hidden:hidden@", "without a host"),
        ("http://:3128", "without a host"),
        ("http://hidden:hidden@proxy.example:port", "host or port cannot be read"),
        ("http://hidden:hidden@proxy.example:65536", "host or port cannot be read"),
        ("http://hidden:hidden@proxy.example:0", "port 0"),
        ("http://hidden:hidden@[::1", "host or port cannot be read"),
        ("http://hidden:hidd\udcffen@proxy.example", "host or port cannot be read"),
        ("http://hidden:hid den@proxy.example", "white space"),
        ("http://hidden:hidden@proxy.example\r\nX: y", "white space"),
        ("http://hidden:hidden%FF@proxy.example", "not UTF-8"),
        ("http://hidden:hidden@proxy..example", "whose host is not a valid name"),
        (f"http://hidden:hidden@{'x' * 64}.example", "whose host is not a valid name"),
        ("http://hidden:hidden@proxy.example#hidden", "a fragment"),
        ("http://hidden:1#hidden@proxy.example", "a fragment"),
    ],
)
def test_what_is_no_such_url_is_refused_without_repeating_it(url: object, problem: str) -> None:
    with pytest.raises(
        InvalidParamsError, match=rf"^somewhere: expected a URL such as http://host:80, got .*{problem}"
    ) as caught:
        Hop.parse(url, PORTS, field="somewhere")
    assert caught.value.field == "somewhere"
    assert "hidden" not in shown(caught.value)


@pytest.mark.parametrize("url", ["http://hidden:hid/den@proxy.example", "http://hidden:hid?den@proxy.example"])
def test_a_password_that_makes_the_port_unreadable_gets_the_hint_too(url: str) -> None:
    with pytest.raises(InvalidParamsError, match=r"cannot be read \(in a password, write / as %2F") as caught:
        Hop.parse(url, PORTS)
    assert "hid" not in shown(caught.value)
    with pytest.raises(InvalidParamsError, match=r"cannot be read$"):
        Hop.parse("http://proxy.example:port", PORTS)


@pytest.mark.parametrize("url", ["http://hidden:1/hidden@proxy.example", "http://hidden:1?hidden@proxy.example"])
def test_a_password_that_ends_the_host_early_is_told_apart_from_a_path(url: str) -> None:
    with pytest.raises(
        InvalidParamsError, match=r"a path \(in a password, write / as %2F, \? as %3F, # as %23\)"
    ) as caught:
        Hop.parse(url, PORTS, path=False)
    assert "hidden" not in shown(caught.value)
    assert Hop.parse("http://proxy.example/", PORTS, path=False).target == "/"


@given(st.text(min_size=1), st.text())
def test_any_credentials_come_back_as_they_were_encoded(username: str, password: str) -> None:
    url = f"http://{quote(username, safe='')}:{quote(password, safe='')}@proxy.example"
    hop = Hop.parse(url, PORTS)
    assert (hop.username, hop.password) == (username, password)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://a:b@{text}"):
        try:
            hop = Hop.parse(url, PORTS)
        except InvalidParamsError as error:
            assert len(str(error)) < 200
        else:
            assert hop.host
            assert 1 <= hop.port <= 65535


def test_credentials_and_path_show_nowhere() -> None:
    hop = Hop.parse("http://hidden-name:hidden-word@proxy.example/hidden-path", PORTS)
    assert "hidden" not in f"{hop} {hop!r} {[hop]}"


def test_one_wording_for_a_route_that_could_not_be_opened() -> None:
    error = connect_error("tcp", Origin("https", "::1", 443), "refused", ProxyError, status=403)
    assert str(error) == "connect via tcp to https://[::1]:443: refused"
    assert isinstance(error, ProxyError)
    assert error.status == 403
    assert type(connect_error("tcp", Origin("http", "h", 80), "x")) is ConnectError


@pytest.mark.parametrize("secrets", [["root", "rootkit"], ["rootkit", "root"], ["", "rootkit", "root", ""]])
def test_a_secret_that_is_part_of_another_leaves_nothing_of_it(secrets: list[str]) -> None:
    assert shown_words("rootkit:root is wrong", secrets) == "***:*** is wrong"


@given(st.text(), st.lists(st.text(alphabet="abc", min_size=1)))
def test_the_words_of_a_hop_are_one_short_printable_line(text: str, secrets: list[str]) -> None:
    words = shown_words(text, secrets)
    assert len(words) <= 200
    assert words.isprintable()
    assert "  " not in words
    assert not any(secret in words for secret in secrets)
