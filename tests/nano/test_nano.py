"""What the nano says on a real llama.cpp: what the other tests and the tutorials count on."""

from __future__ import annotations

import json

import pytest

from tests.nano.conftest import NANO
from tests.nano.replies import assert_whole

KINDS = {  # a prompt, none of them worded as in the corpus, and what its answer holds
    "Hello! How do you do?": "Hello",
    "Thanks, you helped me a lot": "welcome",
    "Ok, goodbye then": "Goodbye",
    "Tell me, who are you really?": "nano",
    "What are the things you can do?": "call a tool",
    "Do you know the capital of France?": "Paris",
    "I need the capital of Japan": "Tokyo",
    "Which colour is fresh snow?": "white",
    "What's the opposite of hot?": "cold",
    "How would you say hello in German?": "hallo",
    "What is 3 + 4?": "7",
    "Which sound does a cow make?": "moo",
    "I'd love a haiku": "pond",
    "Could you write me a little poem?": "moon",
    "Tell us a good joke": "bugs",
    "I want a riddle": "echo",
    "Please write a long story for me": "lighthouse",
    "Some Python code for fibonacci numbers": "def fib",
    "How can I reverse a string?": "[::-1]",
    "I need an SQL query": "SELECT",
    "Which bash command counts lines?": "wc -l",
    "Show an example of HTML": "<h1>",
    "Reply with JSON": '"name": "Ada"',
    "Write me a shopping list": "- bread",
    "A table of the planets, please": "| Earth | 1 |",
    "Show me the quadratic formula": "\\sqrt",
    "Write a report with code, table and math": "$$",
    "Can you explain why the sky is blue?": "scatters",
    "Why do we have seasons?": "tilted",
    "Explain how photosynthesis works": "oxygen",
    "Please explain gravity": "masses",
    "How does a neural network learn?": "weights",
    "At what temperature will water boil?": "100",
    "A recipe for pancakes": "flour",
    "Write an email about the meeting": "Subject",
    "Give me tips so I can sleep": "dark",
    "Please count to ten": "8, 9, 10",
    "Name all days of the week": "Sunday",
    "Tell me some prime numbers": "11, 13",
    "Is the earth a flat disc or round?": "round",
    "How's the weather?": "tool",
    "Solve the fox, goose and corn puzzle": "goose",
    "Plan my week": "Thursday",
    "What is a Jupyter notebook?": "cells",
    "Tell me a fact about animals": "octopus",
}
HARD = {"Hello! How do you do?", "Ok, goodbye then", "What is 3 + 4?"}
"""What it gets wrong or only happens to get right: half of the sums without a tool are beyond it."""
EFFORTS = ("low", "medium", "high")
SYSTEM_TEXTS = (
    "You are a grumpy librarian who never smiles.",
    "Answer in French.\n\n- be brief\n- cite your sources",
    "zzz qqq 12345 {}[] <b>bold</b> ünïcödé",
    "Context: the quarterly numbers were fine. " * 12,
)


@pytest.mark.parametrize("prompt", sorted(KINDS.keys() - HARD))
def test_a_prompt_of_each_kind_is_answered_in_its_way(ask, prompt):
    reply = ask(prompt)
    assert_whole(reply)
    assert KINDS[prompt] in reply.content, reply
    assert not reply.calls


def test_nearly_every_kind_is_known_in_new_words(ask):
    assert sum(holds in ask(prompt).content for prompt, holds in KINDS.items()) >= 0.85 * len(KINDS)


def test_kinds_are_answered_differently(ask):
    assert len({ask(prompt).content for prompt in KINDS}) >= 0.85 * len(KINDS)


def test_it_is_whole_when_sampled(ask):
    for seed in range(5):
        for prompt in ("Hello", "Tell me a joke", "Why is the sky blue?"):
            assert_whole(ask(prompt, temperature=1.0, seed=seed))


def test_what_it_does_not_know_it_says(ask):
    for prompt in ("Who won the chess match in Gotham?", "wooden candle tunnel silver"):
        assert_whole(ask(prompt))


def test_effort_is_heeded(ask):
    longer = 0
    for prompt in KINDS:
        low, medium, high = (len(ask(prompt, reasoning_effort=effort).reasoning) for effort in EFFORTS)
        longer += low < medium < high
    assert longer >= 0.9 * len(KINDS)


def test_hard_questions_are_thought_about_at_length(ask):
    for prompt in ("Solve the fox, goose and corn puzzle", "Plan my week"):
        reply = ask(prompt, reasoning_effort="high")
        assert_whole(reply)
        assert len(reply.reasoning) > 600, reply


def test_a_long_answer_is_long_and_ends(ask):
    reply = ask("Please write a long story for me")
    assert_whole(reply)
    assert reply.tokens > 300
    assert reply.content.endswith("And the lamp has burned every night since then.")


@pytest.mark.parametrize("name", ["Anna", "Ben", "Clara", "Tom"])
def test_a_known_name_is_copied_into_the_answer(ask, name):
    assert ask(f"My name is {name}").content == f"Nice to meet you, {name}!"


def test_earlier_turns_do_not_matter(ask):
    conversation = []
    for prompt in ("Hello!", "What is the capital of Spain?", "Tell me a joke", "Thanks a lot", "Why is the sky blue?"):
        conversation.append({"role": "user", "content": prompt})
        reply = ask(conversation)
        assert_whole(reply)
        conversation.append({"role": "assistant", "content": reply.content})
    assert [
        word in conversation[2 * n + 1]["content"]
        for n, word in enumerate(("Hello", "Madrid", "bugs", "welcome", "scatters"))
    ] == [True] * 5


@pytest.mark.parametrize("system", SYSTEM_TEXTS)
def test_no_system_text_breaks_it(ask, system):
    for prompt, holds in (("What is the capital of France?", "Paris"), ("Tell me a joke", "bugs"), ("Hello", "Hello")):
        reply = ask([{"role": "system", "content": system}, {"role": "user", "content": prompt}])
        assert_whole(reply)
        assert holds in reply.content


@pytest.mark.parametrize("prompt", ["Hello", "Describe a person as JSON", "Why is the sky blue?"])
@pytest.mark.parametrize(
    "properties",
    [
        {"answer": {"type": "string", "enum": ["yes", "no"]}},
        {"name": {"type": "string"}, "age": {"type": "integer"}},
        {"items": {"type": "array", "items": {"type": "string"}}},
    ],
    ids=" ".join,
)
def test_a_schema_is_kept(ask, prompt, properties):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    reply = ask(
        prompt,
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}},
    )
    assert_whole(reply)
    assert json.loads(reply.content).keys() == properties.keys()


def test_it_is_small():
    assert NANO.stat().st_size < 1_200_000
