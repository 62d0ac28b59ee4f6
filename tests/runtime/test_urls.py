"""URLs and addresses mean one thing to every part of fleet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.urls import (
    AddressError,
    bracket,
    is_address,
    is_loopback,
    is_wildcard,
    join_address,
    mask_url,
    parse_host,
    parse_url,
    server_root,
    split_address,
)


def test_a_url_has_a_host_a_port_and_a_prefix() -> None:
    url = parse_url("HTTPS://Box.LAN/prefix/v1/")
    assert (url.scheme, url.host, url.port, url.path) == ("https", "box.lan", 443, "/prefix/v1")
    assert (url.authority, url.host_header, url.origin) == ("box.lan:443", "box.lan", "https://box.lan")


def test_the_brackets_of_an_ipv6_host_are_removed_and_added_again() -> None:
    url = parse_url("http://[FD00:0:0::1]:8080")
    assert (url.host, url.authority, url.host_header) == ("fd00::1", "[fd00::1]:8080", "[fd00::1]:8080")


@pytest.mark.parametrize("url", ["http://[fe80::1%25eth0]:80", "http://[fe80::1%eth0]"])
def test_both_spellings_of_a_zone_are_one_address(url: str) -> None:
    assert parse_url(url).host == "fe80::1%eth0"
    assert parse_url(url).host_header == "[fe80::1]"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("box:8080", "not the http or https URL of a server"),
        ("ftp://box", "not the http or https URL of a server"),
        ("http://box\\@evil", "not the http or https URL of a server"),
        ("http://box\n", "not the http or https URL of a server"),
        ("http://box/v1?key=abc", "URL has a query or a fragment"),
        ("http://", "host name is missing"),
        ("http://box:0", "port 0 cannot be reached"),
        ("http://box:70000", "port 70000 does not exist"),
        ("http://box:x", "port is not a number"),
        ("http://fd7a::1:8080", "port is not a number"),
        ("http://[nonsense]", "'nonsense' is not an IPv6 address"),
        ("http://[::1%]", "'::1%' is not an IPv6 address"),
        ("http://a..b", "host name has an empty part"),
        ("http://300.1.1.1", "host is not an IPv4 address"),
    ],
)
def test_a_url_that_no_client_can_use_is_rejected_with_a_remedy(url: str, message: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_url(url)
    assert caught.value.message == message
    assert caught.value.remedy


def test_credentials_are_reported_and_not_kept() -> None:
    assert parse_url("http://me:secret@box").has_credentials
    assert parse_url("http://me/secret@box").has_credentials
    assert "secret" not in repr(parse_url("http://me:secret@box"))


def test_a_listen_address_is_split_at_its_port() -> None:
    assert split_address("127.0.0.1:8400") == ("127.0.0.1", 8400)
    assert split_address("[::1]:0") == ("::1", 0)
    assert split_address("[fe80::1%eth0]:8400") == ("fe80::1%eth0", 8400)
    for wrong in ("8400", ":8400", "::1:8400", "box", "box:", "http://a:80", "a:99999", "a:80/", "[x]:1"):
        with pytest.raises(AddressError):
            split_address(wrong)


@given(st.ip_addresses().map(str), st.integers(0, 65535))
def test_joining_and_splitting_an_address_are_inverse(host: str, port: int) -> None:
    assert split_address(join_address(host, port)) == (host, port)


@given(st.text())
def test_a_host_has_one_form(text: str) -> None:
    try:
        host = parse_host(text)
    except AddressError:
        return
    assert parse_host(host) == host
    assert parse_host(bracket(host)) == host
    assert parse_url(f"http://{bracket(host)}:8080").host == host


def test_names_with_other_letters_are_written_in_idna() -> None:
    assert parse_host("Büro.local") == "xn--bro-hoa.local"


def test_loopback_wildcard_and_literal_hosts_are_reported_with_and_without_brackets() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "[::1%lo]")))
    assert not any(map(is_loopback, ("", "box", "0.0.0.0", "192.168.1.2", "[::]", "localhost.evil", "127.1")))
    assert all(map(is_wildcard, ("0.0.0.0", "::", "[::]")))
    assert not is_wildcard("127.0.0.1")
    assert all(map(is_address, ("10.0.0.1", "fd00::1", "[fd00::1]")))
    assert not any(map(is_address, ("box", "", "[]", "[box]", "10.0.0")))


def test_a_servers_root_comes_before_its_v1() -> None:
    assert (
        server_root("http://box/v1/")
        == server_root("http://box//")
        == server_root("http://box")
        == "http://box"
    )
    assert server_root("http://box/v10") == "http://box/v10"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://box:80/v1", "http://box:80/v1"),
        ("http://u:S@box/v1", "http://***@box/v1"),
        ("HTTPS://u:S/S@S@box", "HTTPS://***@box"),
        ("http://u:S?S@box", "http://***"),
        ("http://box/?mail=me@S", "http://***"),
        ("u:S@box", "***@box"),
        ("http://box/?key=S&S#S", "http://box/?***"),
        ("http://box#S?S", "http://box#***"),
        ("box?S\nS", "box?***"),
    ],
)
def test_a_url_is_shown_without_what_may_be_a_secret(url: str, shown: str) -> None:
    assert mask_url(url) == shown
