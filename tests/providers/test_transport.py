"""The way to a server and back: keys and headers of every provider, and how long each wait may be.

A key is fit to send, sent where it belongs, and shown nowhere.
"""

import asyncio
import json

import pytest

from roci_nb import (
    BadReply,
    ConfigError,
    IdleTimeout,
    LmStudioProvider,
    ModelMessage,
    OllamaProvider,
    OpenAiCompatibleProvider,
    OpenAiProvider,
    ProviderRequest,
    RociConfig,
    RociError,
    ServerError,
    Timeouts,
    Unauthorized,
    generate_text_sync,
)
from tests.servers.lmstudio import LmStudio
from tests.servers.scripted import Pause, Stall, chat_chunk, head, json_reply, reply, send, sse
from tests.servers.scripted_ollama import ScriptedOllama

MODELS = "GET /v1/models"
CHAT = "POST /v1/chat/completions"
ANSWER = sse(chat_chunk("Hi"), chat_chunk(finish="stop"))
KEY = "topsecret/0123-456"
"""Of no service's form, so that only knowing it can redact it."""
CHAT_PATHS = {
    OllamaProvider: "/api/chat",
    LmStudioProvider: "/v1/chat/completions",
    OpenAiCompatibleProvider: "/v1/chat/completions",
    OpenAiProvider: "/v1/chat/completions",
}
MODEL_IDS = {OllamaProvider: "gpt-oss:20b", LmStudioProvider: "llama-3.2-1b"}


@pytest.fixture(params=list(CHAT_PATHS), ids=lambda kind: kind.provider_key)
def kind(request, scripted):
    scripted.routes |= {MODELS: json_reply({"data": [{"id": "phi4"}]}), CHAT: ANSWER}
    if request.param is OllamaProvider:
        ScriptedOllama().install(scripted)
    if request.param is LmStudioProvider:
        LmStudio().serve(scripted)
    return request.param


def provider(kind, server, **options):
    options.setdefault("config", RociConfig())
    return kind(MODEL_IDS.get(kind, "phi4"), server.url, **options)


def preview_of(asked):
    return asyncio.run(asked.preview(ProviderRequest(messages=[ModelMessage.user("Hi")])))


def test_a_key_is_sent_without_the_line_end_of_the_file_that_it_was_read_from(kind, scripted):
    generate_text_sync(provider(kind, scripted, api_key=f"  {KEY}\r\n", headers={"X-Mine": " yes\n"}), "Hi")
    assert {request.headers["authorization"] for request in scripted.requests} == {f"Bearer {KEY}"}
    assert {request.headers["x-mine"] for request in scripted.requests} == {"yes"}


@pytest.mark.parametrize("wrong", ["top\nsecret", "top\r\nX-Evil: secret", "topsecrét", "top\x00secret", "  ", "\n"])
def test_a_key_or_header_that_can_not_be_sent_is_refused_at_once_and_not_shown(kind, scripted, wrong):
    for name, options in (("api_key", {"api_key": wrong}), ("X-Mine", {"headers": {"X-Mine": wrong}})):
        with pytest.raises(ConfigError, match=f"^{name} can't be sent: it must be one line") as caught:
            provider(kind, scripted, **options)
        assert "secr" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None
    assert scripted.requests == []


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_a_header_of_the_users_own_takes_the_keys_place_however_it_is_written(kind, scripted, name):
    asked = provider(kind, scripted, api_key=KEY, headers={name: "Bearer mine", "X-A": "1", "x-a": "2"})
    assert preview_of(asked).headers == (("authorization", "[redacted]"), ("x-a", "[redacted]"))
    generate_text_sync(asked, "Hi")
    assert {request.headers["authorization"] for request in scripted.requests} == {"Bearer mine"}
    assert {request.headers["x-a"] for request in scripted.requests} == {"2"}


def test_every_header_of_the_users_is_redacted_in_a_preview_and_in_a_result(kind, scripted):
    asked = provider(kind, scripted, api_key=KEY, headers={"X-Tenant": "hush-hush", "Cookie": "a=hush-hush"})
    preview = preview_of(asked)
    assert set(preview.headers) == {(name, "[redacted]") for name in ("authorization", "x-tenant", "cookie")}
    sent = generate_text_sync(asked, "Hi").sent
    assert sent.headers == preview.headers
    shown = "".join(repr(value) + str(value) + value._repr_html_() for value in (preview, sent))
    assert not any(secret in shown + repr(asked) + repr(vars(asked)) for secret in (KEY, "hush-hush"))


SECRETS = {"api_key": KEY, "headers": {"X-Tenant": "hush-hush", "Proxy-Authorization": "Basic aHVzaA=="}}
SECRET_PARTS = ("topsecret", "0123-456", "hush-hush", "aHVzaA==")
TOLD = f"no entry for {KEY} with hush-hush and aHVzaA== (Bearer {KEY})"


def everything_in(error: BaseException | None) -> str:
    """All that an error and those behind it hold."""
    shown = ""
    while error is not None:
        shown += f"{error} {error!r} {vars(error)!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return shown


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (json_reply({"error": {"message": TOLD}}, 401), Unauthorized),
        (json_reply({"error": TOLD}, 500), ServerError),
        (reply(json.dumps({"error": TOLD}).replace("/", r"\/"), status=500), ServerError),
        (reply('{"error": "no entry for ' + "".join(rf"\u{ord(c):04x}" for c in KEY) + '"}', status=500), ServerError),
        (reply(f"<h1>{TOLD}</h1>", status=502, content_type="text/html"), ServerError),
        (json_reply({"error": TOLD}), ServerError),
        (reply("", status=307, Location=f"https://elsewhere/?key={KEY}"), ServerError),
        ([head(), send(f"data: {json.dumps({'error': {'message': TOLD}})}\n\n")], ServerError),
        ([head(), send(f"event: error\ndata: {TOLD}\n\n")], ServerError),
        ([head(), send(f"data: {TOLD}\n\n")], BadReply),
        ([head(), send(f"data: {json.dumps(TOLD)}\n\n")], BadReply),
    ],
    ids=[
        "401",
        "500",
        "slashes escaped",
        "all escaped",
        "502",
        "200",
        "redirect",
        "in the stream",
        "error event",
        "no JSON",
        "no object",
    ],
)
def test_no_error_shows_a_secret_that_the_server_repeats(scripted, script, expected):
    scripted.routes |= {MODELS: json_reply({"data": [{"id": "phi4"}]}), CHAT: script}
    with pytest.raises(expected) as caught:
        generate_text_sync(provider(OpenAiCompatibleProvider, scripted, **SECRETS), "Hi")
    shown = everything_in(caught.value)
    assert "[redacted]" in shown
    assert not any(secret in shown for secret in SECRET_PARTS)


@pytest.mark.parametrize("status", [401, 500])
def test_no_providers_error_shows_a_secret_that_its_server_repeats(kind, scripted, status):
    scripted.routes[f"POST {CHAT_PATHS[kind]}"] = json_reply({"error": TOLD}, status)
    with pytest.raises(RociError) as caught:
        generate_text_sync(provider(kind, scripted, **SECRETS), "Hi")
    shown = everything_in(caught.value)
    assert "[redacted]" in shown
    assert not any(secret in shown for secret in SECRET_PARTS)


@pytest.mark.parametrize(("variable", "sent"), [("OPENAI_BASE_URL", f"Bearer {KEY}"), ("OPENAI_COMPAT_BASE_URL", None)])
def test_openais_key_of_the_environment_goes_to_openais_address_and_to_no_other_server(
    scripted, monkeypatch, tmp_path, variable, sent
):
    scripted.routes |= {MODELS: json_reply({"data": [{"id": "phi4"}]}), CHAT: ANSWER}
    for name in ("OPENAI_BASE_URL", "OPENAI_COMPAT_BASE_URL", "OPENAI_COMPAT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv(variable, scripted.url)
    generate_text_sync(OpenAiCompatibleProvider("phi4"), "Hi")
    assert {request.headers.get("authorization") for request in scripted.requests} == {sent}


# Time


def test_the_first_byte_may_be_waited_for_behind_the_headers(scripted):
    scripted.routes |= {MODELS: json_reply({"data": [{"id": "phi4"}]}), CHAT: [head(), Stall()]}
    with pytest.raises(IdleTimeout, match=r"Timeouts\(first_byte_s=") as caught:
        generate_text_sync(
            provider(OpenAiCompatibleProvider, scripted, timeouts=Timeouts(first_byte_s=0.2, idle_s=20)), "Hi"
        )
    assert caught.value.seconds == 0.2


def test_a_prompt_that_is_read_behind_the_headers_takes_the_time_it_takes(scripted):
    whole = b"".join(ANSWER[1].pieces)
    scripted.routes |= {MODELS: json_reply({"data": [{"id": "phi4"}]}), CHAT: [head(), Pause(1), send(whole)]}
    patient = Timeouts(first_byte_s=None, idle_s=0.3)
    assert generate_text_sync(provider(OpenAiCompatibleProvider, scripted, timeouts=patient), "Hi").text == "Hi"
