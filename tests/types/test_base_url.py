import pytest

from roci_nb.errors import ConfigError
from roci_nb.types.base_url import BaseUrl


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://localhost:8080/v1", "http://localhost:8080"),
        ("http://localhost:8080/v1/", "http://localhost:8080"),
        ("http://localhost:8080/v1/chat/completions", "http://localhost:8080"),
        ("http://localhost:1234/api/v0", "http://localhost:1234"),
        ("http://localhost:1234/api/v1/", "http://localhost:1234"),
        ("http://localhost:11434/api", "http://localhost:11434"),
        ("http://host/llm/v1", "http://host/llm"),
        ("https://api.openai.com/v1", "https://api.openai.com"),
        ("localhost:8080", "http://localhost:8080"),
        ("  'http://localhost:8080' ", "http://localhost:8080"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://[::]:8080", "http://[::1]:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        (":56789", "http://127.0.0.1:56789"),
        ("http://host", "http://host"),
        ("https://host:443", "https://host"),
    ],
)
def test_an_address_is_understood_in_each_usual_form(written, meant):
    assert str(BaseUrl.parse(written)) == meant


def test_a_default_port_stands_in_only_where_nothing_is_written():
    assert BaseUrl.parse("box", default_port=11434).port == 11434
    assert BaseUrl.parse("http://box", default_port=11434).port == 80
    assert BaseUrl.parse("box:99", default_port=11434).port == 99


@pytest.mark.parametrize(
    "written",
    [
        "", "ftp://host", "http://", "http://host:99999", "http://host:port",
        "http:", "https", "http:/localhost:8080", "http//localhost:8080", "http://https:8080",
    ],
)  # fmt: skip
def test_what_is_no_address_is_told_in_one_line(written):
    with pytest.raises(ConfigError, match=r"write it as http://127\.0\.0\.1:11434"):
        BaseUrl.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "http://me:s3cret@host:80",
        "me:s3cret@host:80",
        "http://me:s3cret@host:99999",
        "ftp://me:s3cret@host",
        "http://me:s3cret@http:80",
        "http://me:s3cret@ho\u2100st",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(written):
    with pytest.raises(ConfigError) as caught:
        BaseUrl.parse(written)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "written", ["http://host/v1?key=s3cret", "host:8080?key=s3cret", "http://host/#s3cret", "ftp://host?key=s3cret"]
)
def test_a_query_is_refused_and_not_repeated(written):
    with pytest.raises(ConfigError) as caught:
        BaseUrl.parse(written)
    assert "s3cret" not in str(caught.value)
    if not written.startswith("ftp"):
        assert "host holds a query: give it bare" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "loopback", "private"),
    [
        ("localhost:1", True, True),
        ("127.0.0.9:1", True, True),
        ("[::1]:1", True, True),
        ("192.168.1.4:1", False, True),
        ("box:1", False, True),
        ("box.local:1", False, True),
        ("8.8.8.8:1", False, False),
        ("https://api.openai.com", False, False),
    ],
)
def test_it_is_known_what_stays_here(written, loopback, private):
    url = BaseUrl.parse(written)
    assert (url.is_loopback, url.is_private) == (loopback, private)


def test_localhost_and_its_addresses_are_one_origin():
    assert BaseUrl.parse("localhost:80").origin == BaseUrl.parse("127.0.0.1:80").origin
    assert BaseUrl.parse("localhost:80").origin != BaseUrl.parse("localhost:81").origin
    assert BaseUrl.parse("http://h").origin != BaseUrl.parse("https://h").origin
