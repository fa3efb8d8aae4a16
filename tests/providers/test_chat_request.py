"""What goes out on the chat completions wire, beyond what each server's own tests see."""

import pytest

from roci_nb import GenerationSettings, ModelMessage, OpenAiCompatibleProvider, RociConfig, generate_text_sync
from roci_nb.types.messages import ImagePart
from tests.servers.scripted import chat_chunk, json_reply, sse


@pytest.fixture
def server(scripted):
    scripted.routes |= {
        "GET /v1/models": json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp"}]}),
        "POST /v1/chat/completions": sse(chat_chunk("Hi"), chat_chunk(finish="stop")),
    }
    return scripted


def ask(server, prompt="Hello", settings=None):
    return generate_text_sync(OpenAiCompatibleProvider("phi4", server.url, config=RociConfig()), prompt, settings)


def sent(server) -> dict:
    return server.asked("/v1/chat/completions")[-1].json


def test_several_answers_can_not_be_asked_for(server):
    result = ask(server, settings=GenerationSettings(extra={"n": 3, "mirostat": 2}))
    assert "n" not in sent(server)
    assert sent(server)["mirostat"] == 2
    assert [str(warning) for warning in result.warnings] == ["extra['n'] is not sent: it is roci_nb's to set"]


def test_texts_and_pictures_are_sent_in_the_order_in_which_they_were_said(server):
    picture = ImagePart(data=b"\x89PNG\r\n\x1a\n")
    ask(server, [ModelMessage.user([picture, "Is this", "or", picture, "a cat?"])])
    parts = sent(server)["messages"][0]["content"]
    assert [part.get("text", part["type"]) for part in parts] == ["image_url", "Is this", "or", "image_url", "a cat?"]


def test_half_a_character_in_a_prompt_is_sent_as_a_mark_of_it(server):
    assert ask(server, "half \ud800 a pair").text == "Hi"
    assert sent(server)["messages"][0]["content"] == "half ? a pair"
