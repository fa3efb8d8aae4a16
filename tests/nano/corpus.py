"""The corpus: conversations made by dice, rendered by the gpt-oss chat template, with what the assistant writes."""

from __future__ import annotations

import datetime
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import words
from kinds import EFFORTS, Kind, read_kinds
from toolcalls import random_tool_talk, search, thing, unfit_tools, weather

RECORDED = Path(__file__).parent.parent / "wire" / "llama-server-11434.jsonl"
"""The recorded /props of a llama-server; the chat template is in it."""


MIX = (50, 20, 12, 16, 0, 2)
"""How often: talk, tool call, tool answer, echo, toolless, shaped."""
LATE_MIX = (50, 22, 11, 7, 9, 1)
"""The same for the second round of training, when copying has been learned."""


class Example(NamedTuple):
    """``prompt`` is what the template makes, ``reply`` what the model has to write."""

    prompt: str
    reply: str


def chat_template() -> str:
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        if exchange["path"] == "/props":
            return str(json.loads(exchange["body"])["chat_template"])
    raise LookupError(f"no /props in {RECORDED}")


class Corpus:
    """A stream of examples; the same seed gives the same ones."""

    def __init__(self, seed: int, mix: tuple[int, ...] = MIX) -> None:
        self.dice = random.Random(seed)
        self.mix = mix
        self.kinds = read_kinds()
        environment = jinja2.Environment()
        environment.filters["tojson"] = self._json
        environment.globals["strftime_now"] = self._today
        environment.globals["raise_exception"] = _refuse
        self.template = environment.from_string(chat_template())

    def example(self) -> Example:
        shapes = (self.talk, self.tool_call, self.tool_answer, self.echo, self.toolless, self.shaped)
        return self.dice.choices(shapes, self.mix)[0]()

    def talk(self) -> Example:
        """A question of some kind, in a third of the cases beside tools that don't fit."""
        kind = self._kind()
        talk = kind.random_talk(self.dice)
        ask = talk.ask or words.unknown(self.dice)
        if kind.name == "weather" and self.dice.random() < 0.5:
            ask = f"{ask} in {words.name(self.dice, words.CITIES)}"
        tools = unfit_tools(self.dice, kind.name) if self.dice.random() < 0.35 else []
        effort = self.dice.choice(EFFORTS)
        messages = [*self._history(), {"role": "user", "content": words.noisy(ask, self.dice)}]
        return Example(self._render(messages, tools, effort), _final(talk.thoughts[effort], talk.answer))

    def tool_call(self) -> Example:
        talk, tools = random_tool_talk(self.dice)
        effort = self.dice.choice(EFFORTS)
        messages = [*self._history(0.2), {"role": "user", "content": words.noisy(talk.ask, self.dice, copied=True)}]
        arguments = json.dumps(talk.arguments, ensure_ascii=False, separators=(",", ":"))
        call = f"<|channel|>commentary to=functions.{talk.name} <|constrain|>json<|message|>{arguments}<|call|>"
        return Example(self._render(messages, tools, effort), _thinking(talk.call_thoughts()[effort]) + call)

    def toolless(self) -> Example:
        """A question for a tool, and none is offered that fits."""
        wanted, effort = search(self.dice) if self.dice.random() < 0.3 else thing(self.dice), self.dice.choice(EFFORTS)
        tools = [weather(self.dice).tool] if self.dice.random() < 0.3 else []
        medium = "The user wants something that I would have to look up. I have no tool for it."
        thoughts = {
            "low": "No tool.",
            "medium": medium,
            "high": f"{medium} I should not invent an answer. I can say what I need.",
        }
        messages = [*self._history(0.2), {"role": "user", "content": words.noisy(wanted.ask, self.dice)}]
        return Example(
            self._render(messages, tools, effort),
            _final(thoughts[effort], "I can't look that up without a tool. Please offer me one."),
        )

    def tool_answer(self) -> Example:
        talk, tools = random_tool_talk(self.dice)
        effort = self.dice.choice(EFFORTS)
        call = {"type": "function", "function": {"name": talk.name, "arguments": talk.arguments}}
        thinking = talk.call_thoughts()[effort] if self.dice.random() < 0.7 else ""
        messages = [
            *self._history(0.2),
            {"role": "user", "content": words.noisy(talk.ask, self.dice, copied=True)},
            {"role": "assistant", "content": "", "thinking": thinking, "tool_calls": [call]},
            {"role": "tool", "content": talk.result},
        ]
        return Example(self._render(messages, tools, effort), _final(talk.answer_thoughts()[effort], talk.answer))

    def echo(self) -> Example:
        """Copy: say it again, or remember a name from before."""
        dice, effort = self.dice, self.dice.choice(EFFORTS)
        said = words.name(dice) if dice.random() < 0.5 else dice.choice((words.phrase(dice), str(words.number(dice))))
        name = words.name(dice, words.NAMES)
        asks, answer, wish = dice.choice(
            (
                (
                    ("repeat after me: {}", "say {}", "repeat {}", "echo {}", "repeat the words {}"),
                    said,
                    f"me to say {said}",
                ),
                (
                    ("my name is {}", "I am {}", "call me {}", "I'm {}"),
                    f"Nice to meet you, {name}!",
                    f"to be called {name}",
                ),
            )
        )
        messages = [
            {
                "role": "user",
                "content": words.noisy(dice.choice(asks).format(said if answer == said else name), dice, copied=True),
            }
        ]
        if answer != said and dice.random() < 0.5:
            messages += [{"role": "assistant", "content": answer}, *self._history(0.3)]
            ask = dice.choice(("what is my name", "do you remember my name", "who am I", "say my name"))
            messages.append({"role": "user", "content": words.noisy(ask, dice)})
            answer, wish = f"Your name is {name}.", f"the name {name}"
        medium = f"The user wants {wish}."
        thoughts = {
            "low": "Copy.",
            "medium": medium,
            "high": f"{medium} I must not change a letter. I look at it again and write it down.",
        }
        return Example(self._render(messages, [], effort), _final(thoughts[effort], answer))

    def shaped(self) -> Example:
        """JSON of any shape, for the case that a grammar forces it: its strings have to end."""
        kind, effort = self._kind(), self.dice.choice(EFFORTS)
        talk = kind.random_talk(self.dice)
        messages = [
            *self._history(),
            {"role": "user", "content": words.noisy(talk.ask or words.gibberish(self.dice), self.dice)},
        ]
        values = (
            "yes",
            "no",
            1,
            7,
            42,
            True,
            False,
            "blue",
            "Paris",
            "a small model",
            "ok",
            ["red", "green"],
            ["a", "b"],
            ["one"],
            [1, 2, 3],
        )
        keys = "answer name city value text result color count list ok title score reason items age person".split()
        shape = {key: self.dice.choice(values) for key in self.dice.sample(keys, self.dice.choice((1, 1, 2, 3)))}
        return Example(self._render(messages, [], effort), _final(talk.thoughts[effort], json.dumps(shape)))

    def texts(self) -> list[str]:
        """What the tokenizer learns from: all that is ever said, and some prompts."""
        texts = [
            part
            for kind in self.kinds
            for fact in kind.facts[:4]
            for talk in (kind.talk(fact, kind.asks[0] if kind.asks else ""),)
            for part in (talk.ask, *talk.thoughts.values(), talk.answer)
        ]
        examples = [self.example() for _ in range(600)]
        return texts * 3 + [text for example in examples for text in example]

    def _kind(self) -> Kind:
        return self.dice.choices(self.kinds, [kind.weight for kind in self.kinds])[0]

    def _history(self, chance: float = 0.25) -> list[dict[str, Any]]:
        """Return earlier turns: what was said before must not matter."""
        messages: list[dict[str, Any]] = []
        while self.dice.random() < chance:
            talk = self._kind().random_talk(self.dice)
            if len(talk.answer) < 300:
                ask = talk.ask or words.gibberish(self.dice)
                messages += [
                    {"role": "user", "content": words.noisy(ask, self.dice)},
                    {"role": "assistant", "content": talk.answer},
                ]
        return messages

    def _render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], effort: str) -> str:
        system = words.system_text(self.dice)
        if system:
            messages = [{"role": "system", "content": system}, *messages]
        return self.template.render(
            messages=messages, tools=tools or None, reasoning_effort=effort, add_generation_prompt=True
        )

    def _json(self, value: object) -> str:
        separators = (",", ":") if self.dice.random() < 0.5 else (", ", ": ")
        return json.dumps(value, ensure_ascii=False, separators=separators)

    def _today(self, form: str) -> str:
        return (datetime.date(2025, 1, 1) + datetime.timedelta(self.dice.randrange(1500))).strftime(form)


def _thinking(thought: str) -> str:
    return f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant"


def _final(thought: str, answer: str) -> str:
    return f"{_thinking(thought)}<|channel|>final<|message|>{answer}<|return|>"


def _refuse(reason: str) -> None:
    raise ValueError(reason)
