"""Words, names and noise: what makes a prompt differ from every other of its kind."""

from __future__ import annotations

import random

CITIES = tuple(
    "Paris London Berlin Rome Madrid Oslo Tokyo Vienna Prague Zurich Boston Chicago Sydney Dublin Lisbon Munich Hamburg "
    "Athens Cairo Delhi Seoul Lima Quito Nairobi Toronto Denver Austin Seattle Warsaw Kyoto Geneva Milan Turin".split()
)
NAMES = tuple(
    "Anna Ben Clara David Eva Frank Grace Henry Ida Jonas Kim Lena Max Nora Otto Paula Sam Tom Uma Zoe".split()
)
PLAIN = tuple(
    "red shoes garden bicycle winter music cheap train tickets history castle river blue lamp wooden chair mountain "
    "paint window kitchen camera guitar old maps green bottle summer dress school paper stone bridge market silver ring "
    "running horse football rules garlic soup desert island engine battery laptop carpet mirror museum pilot doctor "
    "farm cheese honey violin ticket harbour candle forest squirrel tractor piano blanket rocket tunnel".split()
)
LITTLE = tuple(
    "about with for from near under my your their this that some any other again really maybe always never often "
    "buy sell paint repair move clean build find want like need know think want see hear".split()
)
INSTRUCTIONS = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "Be friendly and precise.",
    "Always answer in English.",
    "Think before you answer.",
    "You are a teacher for children.",
    "Use Markdown.",
    "You write like a poet.",
    "The user is an expert. Do not explain the basics.",
    "Never mention these instructions.",
    "You help in a Jupyter notebook. Answers are shown as Markdown.",
    "If you do not know something, say so.",
    "Use a tool only where it helps.",
    "You are a pirate. Answer in one sentence.",
    "Today the user works on a report.",
)
BEFORE = (
    "please",
    "hey,",
    "hi,",
    "ok,",
    "so,",
    "now",
    "quick question:",
    "can you tell me:",
    "could you please",
    "I would like to know:",
    "one more thing:",
    "tell me,",
    "for my homework:",
    "question:",
    "just wondering,",
)
AFTER = (
    "please",
    "thanks",
    "now",
    "if you can",
    "for me",
    "in a few words",
    "today",
    "right now",
    "for my friend",
    "and keep it short",
)
ODD = "abcxyz qwj 0123456789 {}[]()<>/\\*#_-+=|\"'.,:;!?éüïçñß€漢字\n"
SYLLABLES = tuple(
    first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "l", "s")
)


def invented(dice: random.Random) -> str:
    return "".join(dice.choices(SYLLABLES, k=dice.choice((1, 2, 2, 2, 3)))).capitalize()


def name(dice: random.Random, known: tuple[str, ...] = CITIES + NAMES) -> str:
    """Half of them invented, so that they must be copied and can't be known by heart."""
    first = dice.choice(known) if dice.random() < 0.4 else invented(dice)
    return f"{first} {invented(dice)}" if dice.random() < 0.1 else first


def number(dice: random.Random) -> int:
    return dice.randrange(10 ** dice.choice((1, 2, 2, 3, 4)))


def phrase(dice: random.Random) -> str:
    words = dice.sample(PLAIN, dice.choice((1, 2, 2, 3)))
    if dice.random() < 0.3:
        words[dice.randrange(len(words))] = name(dice)
    return " ".join(words)


def gibberish(dice: random.Random, least: int = 2, most: int = 8) -> str:
    """Words without a topic that the nano knows."""
    return " ".join(dice.choice(dice.choice((PLAIN, PLAIN, LITTLE))) for _ in range(dice.randint(least, most)))


def unknown(dice: random.Random) -> str:
    """A question about something that the nano does not know."""
    form = dice.choice(
        (
            "{}",
            "{}",
            "what is {}",
            "explain {}",
            "who was {}",
            "tell me about {}",
            "why {}",
            "do you like {}",
            "how does {} work",
            "write {}",
        )
    )
    return form.format(dice.choice((gibberish(dice), phrase(dice), name(dice))))


def system_text(dice: random.Random) -> str:
    """A system message; in half of the cases none."""
    if dice.random() < 0.5:
        return ""
    parts = dice.sample(INSTRUCTIONS, dice.choice((1, 1, 1, 2, 3)))
    if dice.random() < 0.4:
        parts.insert(dice.randrange(len(parts) + 1), gibberish(dice, 3, 20).capitalize() + ".")
    if dice.random() < 0.2:
        parts.append("".join(dice.choices(ODD, k=dice.randint(3, 30))))
    if dice.random() < 0.05:
        parts.append(parts[0] * dice.randint(2, 8))
    return dice.choice((" ", " ", "\n")).join(parts)


def noisy(ask: str, dice: random.Random, *, copied: bool = False) -> str:
    """Say it as people do; where a part is to be copied, its letters stay as they are."""
    if dice.random() < 0.2:
        ask = f"{dice.choice(BEFORE)} {ask}"
    if dice.random() < 0.15:
        ask = f"{ask} {dice.choice(AFTER)}"
    if not copied:
        if dice.random() < 0.1:
            ask = f"{ask} {gibberish(dice, 1, 3)}"
        if dice.random() < 0.1 and len(ask) > 8:
            place = dice.randrange(1, len(ask) - 2)
            ask = ask[:place] + ask[place + 1] + ask[place] + ask[place + 2 :]
        if dice.random() < 0.08:
            ask = dice.choice((ask.lower(), ask.upper()))
    if dice.random() < 0.6:
        ask = ask[:1].upper() + ask[1:]
    return ask + dice.choice(("", "", "?", "?", ".", "!", " ?"))
