"""Tools to call: what is asked, which call it makes, what comes back and what is said then."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

import words


class ToolTalk(NamedTuple):
    """A question for a tool, from the question to the answer."""

    tool: dict[str, Any]
    ask: str
    arguments: dict[str, Any]
    wish: str
    """What the user wants, in the thoughts."""
    result: str
    answer: str

    @property
    def name(self) -> str:
        return str(self.tool["function"]["name"])

    def call_thoughts(self) -> dict[str, str]:
        medium = f"The user wants {self.wish}. I call {self.name}."
        more = (
            f"I can't know this by heart. The tool {self.name} fits, and I have all that it needs. Then I can answer."
        )
        return {"low": f"Call {self.name}.", "medium": medium, "high": f"{medium} {more}"}

    def answer_thoughts(self) -> dict[str, str]:
        medium = f"The tool {self.name} has answered. I tell the user."
        more = "The result looks right. I don't add anything to it. One short sentence is enough."
        return {"low": "Tell it.", "medium": medium, "high": f"{medium} {more}"}


def tool(dice: random.Random, name: str, description: str, parameters: dict[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for key, kind in parameters.items():
        properties[key] = {"type": kind}
        if dice.random() < 0.3:
            properties[key]["description"] = dice.choice((f"The {key}", f"{key.capitalize()} to use", "Required"))
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def as_result(dice: random.Random, values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=dice.choice(((", ", ": "), (",", ":"))))


def weather(dice: random.Random) -> ToolTalk:
    city, key = words.name(dice, words.CITIES), dice.choice(("city", "city", "location", "place", "town"))
    name = dice.choice("get_weather get_weather weather current_weather fetch_weather get_current_weather".split())
    description = dice.choice(("Get the weather", "The weather in a city", "Current weather of a place", "Weather now"))
    asks = (
        "what is the weather in {}|how is the weather in {}|weather in {}|will it rain in {}|is it sunny in {}|"
        "how warm is it in {}|what's the weather like in {} today|do I need an umbrella in {}|weather for {}"
    )
    degrees, sky = dice.randrange(40), dice.choice("sunny cloudy rainy windy foggy clear".split())
    result = dice.choice(
        (
            as_result(
                dice,
                {
                    dice.choice(("temperature", "degrees", "temp")): degrees,
                    dice.choice(("sky", "condition", "weather")): sky,
                },
            ),
            f"{sky}, {degrees} degrees",
            f"{degrees} C and {sky}",
        )
    )
    return ToolTalk(
        tool(dice, name, description, {key: "string"}),
        dice.choice(asks.split("|")).format(city),
        {key: city},
        f"the weather in {city}",
        result,
        f"The weather in {city}: {sky}, {degrees} degrees.",
    )


SUMS = {
    "add": (int.__add__, "{a} plus {b}|{a} + {b}|add {a} and {b}|the sum of {a} and {b}", "add sum add_numbers plus"),
    "multiply": (
        int.__mul__,
        "{a} times {b}|{a} * {b}|multiply {a} by {b}|the product of {a} and {b}",
        "multiply times mul",
    ),
    "subtract": (int.__sub__, "{a} minus {b}|{a} - {b}|subtract {b} from {a}", "subtract minus difference"),
}


def arithmetic(dice: random.Random) -> ToolTalk:
    verb = dice.choice(("add", "add", "multiply", "subtract"))
    operate, asks, names = SUMS[verb]
    a, b = words.number(dice), words.number(dice)
    first, second = dice.choice((("a", "b"), ("a", "b"), ("x", "y"), ("first", "second"), ("left", "right")))
    ask = dice.choice(("{}", "what is {}", "calculate {}", "how much is {}")).format(
        dice.choice(asks.split("|")).format(a=a, b=b)
    )
    total = operate(a, b)
    return ToolTalk(
        tool(
            dice,
            dice.choice(names.split()),
            f"{verb.capitalize()} two numbers",
            dict.fromkeys((first, second), dice.choice(("integer", "number"))),
        ),
        ask,
        {first: a, second: b},
        f"to {verb} {a} and {b}",
        dice.choice((str(total), as_result(dice, {"result": total}))),
        f"The result is {total}.",
    )


def search(dice: random.Random) -> ToolTalk:
    query, key = words.phrase(dice), dice.choice(("query", "query", "q", "text", "term"))
    name = dice.choice("search search web_search search_web lookup find search_docs".split())
    asks = "search for {}|search the web for {}|look up {}|find pages about {}|find {}|google {}|search {}"
    found = words.phrase(dice)
    return ToolTalk(
        tool(
            dice,
            name,
            dice.choice(("Search the web", "Search for text", "Find documents", "Look something up")),
            {key: "string"},
        ),
        dice.choice(asks.split("|")).format(query),
        {key: query},
        f"to find {query}",
        dice.choice((found, as_result(dice, {"title": found}))),
        f"I found: {found}.",
    )


def clock(dice: random.Random) -> ToolTalk:
    name = dice.choice("current_time current_time get_time now clock get_current_time".split())
    asks = "what time is it|tell me the time|what is the current time|do you have the time|how late is it|time please"
    time = f"{dice.randrange(24):02}:{dice.randrange(60):02}"
    return ToolTalk(
        tool(dice, name, dice.choice(("The current time", "Get the time", "Tell the time")), {}),
        dice.choice(asks.split("|")),
        {},
        "the time",
        dice.choice((time, as_result(dice, {"time": time}))),
        f"It is {time}.",
    )


THINGS = "price population distance status address birthday score size phone balance speed rating owner length height".split()


def thing(dice: random.Random) -> ToolTalk:
    """A tool of any name: the word that it shares with the question tells that it fits."""
    what, whose = dice.choice(THINGS), words.name(dice)
    key = dice.choice("name symbol id city person country item product order".split())
    value = words.number(dice)
    asks = (
        "what is the {} of {}|the {} of {}|tell me the {} of {}|get the {} for {}|show the {} of {}|find the {} of {}"
    )
    return ToolTalk(
        tool(
            dice,
            dice.choice(("get_{}", "{}", "find_{}", "{}_of", "lookup_{}", "fetch_{}")).format(what),
            dice.choice(("Get the {}", "The {} of something", "Look up the {}")).format(what),
            {key: "string"},
        ),
        dice.choice(asks.split("|")).format(what, whose),
        {key: whose},
        f"the {what} of {whose}",
        dice.choice((str(value), as_result(dice, {what: value}))),
        f"The {what} of {whose} is {value}.",
    )


FAMILIES = (weather, arithmetic, search, clock, thing)


def random_tool_talk(dice: random.Random) -> tuple[ToolTalk, list[dict[str, Any]]]:
    """Return a talk and the tools that are offered: its own, sometimes among others."""
    family = dice.choice(FAMILIES)
    talk = family(dice)
    tools = [other(dice).tool for other in dice.sample(FAMILIES, dice.choice((0, 0, 0, 1, 2))) if other is not family]
    tools.insert(dice.randrange(len(tools) + 1), talk.tool)
    return talk, tools


UNFIT = {"weather": weather, "time": clock, "sum": arithmetic, "count": arithmetic}


def unfit_tools(dice: random.Random, kind: str) -> list[dict[str, Any]]:
    """Offer tools that don't fit a kind of prompt."""
    fit = UNFIT.get(kind)
    families = dice.sample([family for family in FAMILIES if family is not fit], dice.choice((1, 1, 2)))
    return [family(dice).tool for family in families]
