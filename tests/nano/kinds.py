"""What the nano can talk about, read from ``kinds.toml``."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

EFFORTS = ("low", "medium", "high")
SUMS = tuple(f"{a} + {b}={a + b}" for a in range(10) for b in range(10))


class Talk(NamedTuple):
    """One question with what is to be thought, for each effort, and said."""

    kind: str
    ask: str
    thoughts: dict[str, str]
    answer: str


@dataclass(frozen=True)
class Kind:
    """``kinds.toml`` says what its parts are."""

    name: str
    asks: tuple[str, ...]
    note: str
    thought: str
    more: str
    answer: str
    facts: tuple[str, ...] = ("",)
    weight: float = 1.0

    def talk(self, fact: str, ask: str) -> Talk:
        x, _, y = fact.partition("=")
        parts = (ask, self.answer, self.note, self.thought, f"{self.thought} {self.more}")
        ask, answer, *thoughts = [part.replace("{x}", x).replace("{y}", y) for part in parts]
        return Talk(self.name, ask, dict(zip(EFFORTS, thoughts, strict=True)), answer)

    def random_talk(self, dice: random.Random) -> Talk:
        return self.talk(dice.choice(self.facts), dice.choice(self.asks) if self.asks else "")


def read_kinds() -> tuple[Kind, ...]:
    kinds = []
    for fields in tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))["kind"]:
        if fields["name"] == "sum":
            fields["facts"] = SUMS
        kinds.append(Kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}))
    return tuple(kinds)
