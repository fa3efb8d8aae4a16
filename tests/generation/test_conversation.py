import asyncio
import json
from contextlib import aclosing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roci_nb.errors import ConfigError, ServerError
from roci_nb.generation.conversation import Conversation, Turn
from roci_nb.generation.conversation_file import restore, save
from roci_nb.loop import call_blocking
from roci_nb.providers.openai_compatible import OpenAiCompatibleProvider
from roci_nb.types.messages import ImagePart, ModelMessage
from roci_nb.types.models import LanguageModel
from roci_nb.types.results import GenerateTextResult
from roci_nb.types.usage import Usage
from tests.servers.scripted import Stall, chat_chunk, head, json_reply, send, sse

PNG = b"\x89PNG\r\n\x1a\n"


def answer(text: str) -> GenerateTextResult:
    return GenerateTextResult(text=text, model=LanguageModel("ollama", "a"), reasoning="hm", usage=Usage(7, 2))


def ask(conversation: Conversation, key: str, state: str = "done") -> None:
    run = conversation.begin(key, ModelMessage.user(f"ask {key}"))
    conversation.finish(key, state, answer(f"re {key}") if state != "failed" else None, run=run)


def asked(conversation: Conversation, key: str | None) -> list[str]:
    return [
        message.text.removeprefix("ask ") for message in conversation.context(key).messages if message.role == "user"
    ]


KEYS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), KEYS, st.sampled_from(["done", "stopped", "failed"])),
        st.tuples(st.just("drop"), KEYS, st.just("")),
    ),
    max_size=30,
)


@given(STEPS, KEYS)
def test_whatever_is_run_again_or_deleted_a_turn_sees_the_done_turns_before_it(steps, key):
    conversation, order, states = Conversation(), [], {}
    for step, name, state in steps:
        if step == "ask":
            ask(conversation, name, state)
            if name not in order:
                order.append(name)
            states[name] = state
        else:
            conversation.drop([name])
            order = [other for other in order if other != name]
    before = order[: order.index(key)] if key in order else order
    assert asked(conversation, key) == [name for name in before if states[name] == "done"]
    assert [turn.key for turn in conversation] == order


def test_later_turns_are_stale_until_they_are_asked_again():
    conversation = Conversation()
    for key in "abc":
        ask(conversation, key)
    ask(conversation, "a")
    assert [turn.stale for turn in conversation] == [False, True, True]
    ask(conversation, "b")
    assert [turn.stale for turn in conversation] == [False, False, True]
    conversation.drop("b")
    assert [(turn.key, turn.stale) for turn in conversation] == [("a", False), ("c", True)]


def test_only_the_text_of_an_earlier_answer_is_sent():
    conversation = Conversation()
    ask(conversation, "a")
    [_, reply] = conversation.context(None).messages
    assert (reply.text, reply.reasoning) == ("re a", "")


def test_a_turn_under_way_is_not_sent_and_two_may_be_under_way():
    conversation = Conversation()
    ask(conversation, "a")
    b = conversation.begin("b", ModelMessage.user("ask b"))
    c = conversation.begin("c", ModelMessage.user("ask c"))
    assert asked(conversation, None) == ["a"]
    conversation.finish("c", "done", answer("re c"), run=c)
    conversation.finish("b", "done", answer("re b"), run=b)
    assert asked(conversation, None) == ["a", "b", "c"]
    assert [turn.stale for turn in conversation] == [False, False, True]


def test_a_turn_that_was_deleted_while_it_was_answered_stays_deleted():
    conversation = Conversation()
    run = conversation.begin("a", ModelMessage.user("ask a"))
    conversation.drop("a")
    conversation.finish("a", "done", answer("re a"), run=run)
    assert len(conversation) == 0


def test_a_cell_that_is_run_again_while_it_is_answered_keeps_the_newer_answer():
    conversation = Conversation()
    first = conversation.begin("a", ModelMessage.user("first"))
    second = conversation.begin("a", ModelMessage.user("second"))
    conversation.finish("a", "done", answer("re first"), run=first)
    assert [(turn.message.text, turn.reply, turn.state) for turn in conversation] == [("second", "", "running")]
    conversation.finish("a", "done", answer("re second"), run=second)
    conversation.finish("a", "stopped", answer("late"), run=first)
    assert [(turn.message.text, turn.reply, turn.state) for turn in conversation] == [("second", "re second", "done")]


RUNS = st.lists(
    st.tuples(st.sampled_from(["begin", "finish", "drop"]), st.sampled_from("abc"), st.integers(0, 5)), max_size=40
)


@settings(max_examples=300)
@given(RUNS)
@example([("begin", "a", 0), ("begin", "b", 0), ("finish", "", 0), ("finish", "", 0)])
@example([("begin", "a", 0), ("begin", "a", 0), ("finish", "", 0)])
def test_whatever_is_under_way_at_once_an_answer_stands_only_below_its_own_question(steps):
    conversation, under_way, seen = Conversation(), [], {}
    for step, key, which in steps:
        if step == "begin":
            name = f"{key}{len(seen)}"
            seen[name] = asked(conversation, key)
            under_way.append((key, name, conversation.begin(key, ModelMessage.user(f"ask {name}"))))
        elif step == "finish" and under_way:
            ended, name, run = under_way.pop(which % len(under_way))
            conversation.finish(ended, "done", answer(f"re {name}"), run=run)
        elif step == "drop":
            conversation.drop([key])
    turns = list(conversation)
    assert len({turn.key for turn in turns}) == len(turns)
    for turn in turns:
        name = turn.message.text.removeprefix("ask ")
        assert turn.reply == (f"re {name}" if turn.state == "done" else "")
        # A turn that is not stale was asked with the very turns that stand before it now.
        assert turn.stale or seen[name] == asked(conversation, turn.key)


def test_a_budget_keeps_the_newest_turns_and_counts_the_rest():
    conversation = Conversation()
    for key in "abcd":
        ask(conversation, key)
    one = conversation.context(None).tokens // 4
    context = conversation.context(None, budget=2 * one)
    assert (context.turns, context.left_out) == (2, 2)
    assert conversation.context(None, budget=0).left_out == 4


@pytest.fixture
def provider(scripted):
    scripted.routes |= {
        "GET /v1/models": json_reply({"data": [{"id": "a"}]}),
        "POST /v1/chat/completions": lambda request: sse(
            chat_chunk(f"re {request.json['messages'][-1]['content']}"), chat_chunk(finish="stop")
        ),
    }
    return OpenAiCompatibleProvider("a", scripted.url)


def test_alone_it_asks_and_remembers(provider, scripted):
    conversation = Conversation(provider, system="be brief")
    assert conversation.ask_sync("one").text == "re one"
    assert asyncio.run(conversation.ask("two")).text == "re two"
    assert "".join(delta.text for delta in conversation.stream_sync("three")) == "re three"
    sent = scripted.asked("/v1/chat/completions")[-1].json["messages"]
    assert [message["content"] for message in sent] == ["be brief", "one", "re one", "two", "re two", "three"]
    assert "re two" in repr(conversation)
    assert "<table" in conversation._repr_html_()


def test_an_answer_whose_reader_leaves_after_its_last_delta_is_done(provider):
    conversation = Conversation(provider)

    async def read_to_the_last():
        async with aclosing(conversation._answered(ModelMessage.user("one"), [])) as deltas:
            async for delta in deltas:
                if delta.finish_reason is not None:
                    return

    call_blocking(read_to_the_last)
    assert [(turn.state, turn.reply) for turn in conversation] == [("done", "re one")]


def test_an_answer_that_is_closed_or_cancelled_is_kept_as_stopped(provider, scripted):
    scripted.routes["POST /v1/chat/completions"] = [
        head(),
        send(f"data: {json.dumps(chat_chunk('Half'))}\n\n"),
        Stall(),
    ]
    conversation = Conversation(provider)
    stream = conversation.stream_sync("one")
    next(delta for delta in stream if delta.text)
    stream.close()

    async def cancelled():
        task = asyncio.ensure_future(conversation.ask("two"))
        while len(conversation) < 2 or not scripted.connections[-1].stalled.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [(turn.state, turn.message.text) for turn in conversation] == [("stopped", "one"), ("stopped", "two")]
    assert conversation.context(None).messages == ()


def test_two_questions_at_once_see_only_what_was_done_before(provider, scripted):
    conversation = Conversation(provider)
    conversation.ask_sync("one")

    async def both():
        await asyncio.gather(conversation.ask("two"), conversation.ask("three"))

    asyncio.run(both())
    assert sorted(turn.reply for turn in conversation) == ["re one", "re three", "re two"]
    sent = [
        [message["content"] for message in request.json["messages"]]
        for request in scripted.asked("/v1/chat/completions")
    ]
    assert sorted(map(len, sent)) == [1, 3, 3]


def test_a_terminal_gets_nothing_to_act_on():
    conversation = Conversation()
    run = conversation.begin("a", ModelMessage.user("\x1b[31mred"))
    conversation.finish("a", "done", answer("\x1b]0;title\x07"), run=run)
    assert not {"\x1b", "\x07"} & set(repr(conversation))
    assert "<b>" not in Conversation.of([Turn("a", ModelMessage.user("<b>x"))])._repr_html_()


def test_what_fails_is_kept_as_failed(provider, scripted):
    scripted.routes["POST /v1/chat/completions"] = json_reply({"error": {"message": "no"}}, 500)
    conversation = Conversation(provider)
    with pytest.raises(ServerError):
        conversation.ask_sync("one")
    assert [turn.state for turn in conversation] == ["failed"]


def test_without_a_model_it_says_how_to_give_one():
    with pytest.raises(ConfigError, match="Conversation\\('provider:model'\\)"):
        Conversation().ask_sync("one")


def test_a_file_gives_conversations_back(tmp_path):
    conversation = Conversation()
    ask(conversation, "a")
    ask(conversation, "b", "stopped")
    ask(conversation, "a")
    run = conversation.begin("c", ModelMessage.user(["look", ImagePart(data=PNG)]))
    conversation.finish("c", "done", answer("re c"), run=run)
    conversation.begin("d", ModelMessage.user("under way"))
    save({"": conversation, "side": Conversation()}, tmp_path / "talk.json")
    found = restore(tmp_path / "talk.json")
    assert list(found) == ["", "side"]
    assert tuple(found[""]) == tuple(conversation)[:-1]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["roci_nb_conversations", "conversations", "key", "asked", "state", "image", "text", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_file_is_read_or_refused_in_one_line(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("files") / "talk.json"
    for written in (document, {"roci_nb_conversations": 1, "conversations": {"": [document]}}):
        path.write_text(json.dumps(written))
        try:
            restore(path)
        except ConfigError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("written", [b"", b"\xff\xfe", b"[" * 100_000, b'{"roci_nb_conversations": 2}'])
def test_what_is_no_conversation_is_refused(tmp_path, written):
    (tmp_path / "talk.json").write_bytes(written)
    with pytest.raises(ConfigError):
        restore(tmp_path / "talk.json")
    with pytest.raises(ConfigError, match="can't be read"):
        restore(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="can't be written"):
        save({}, tmp_path / "no" / "folder.json")
