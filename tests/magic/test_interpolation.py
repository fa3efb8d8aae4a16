"""``{{ expression }}`` in prompts: what is active, what is literal, what is closed."""

import asyncio
import functools
import operator
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roci_nb.errors import ConfigError
from roci_nb.magic.expressions import expression_spans, open_expression
from roci_nb.magic.interpolation import interpolate, value_of


class Point:
    def __init__(self, x):
        self.x = x

    def doubled(self):
        return 2 * self.x

    def fails(self):
        raise ValueError("no\nsuch \x1b[31mluck\x1b[0m")


def told(value):
    return f"told {value}"


def broken():
    raise SystemExit("gone")


NAMES = {
    "name": "Ada",
    "n": 3,
    "numbers": [1, 2, 3],
    "facts": {"a": 1, "}}": "closing", "other": 2},
    "point": Point(4),
    "told": told,
    "broken": broken,
    "inner": "{{ name }} {% raw %} {{",
    "result": "mine",
    "os": os,
    "subprocess": subprocess,
    "Path": Path,
    "text_type": str,
    "get": getattr,
    "asyncio": asyncio,
    "functools": functools,
    "operator": operator,
}


def rendered(prompt: str, **specials: object) -> str:
    return interpolate(prompt, NAMES, specials).text


def refused(prompt: str, **specials: object) -> str:
    with pytest.raises(ConfigError) as caught:
        rendered(prompt, **specials)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("name", "Ada"),
        ("n", "3"),
        ("n + 1", "4"),
        ("numbers[1:]", "[2, 3]"),
        ("numbers[-1]", "3"),
        ("facts.a", "1"),
        ('facts["}}"]', "closing"),
        ("{'a': {'b': 1}}", '{"a": {"b": 1}}'),
        ("point.doubled()", "8"),
        ('told("it")', "told it"),
        ("name|upper", "ADA"),
        ("(n / 7)|round(2)", "0.43"),
        ("len(numbers) + sum(numbers)", "9"),
        ('"yes" if n > 2 else "no"', "yes"),
        ('"}}"', "}}"),
        ("result", "mine"),
        ("\n  name\n", "Ada"),
        ("nothing is defined", "False"),
        ('nothing|default("none")', "none"),
        ("None", "None"),
        ('"{:>4}".format(n)', "   3"),
    ],
)
def test_an_expression_becomes_its_value(expression, text):
    assert rendered(f"<{{{{ {expression} }}}}>") == f"<{text}>"


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        r"\newcommand{\half}[1]{\frac{#1}{2}} {#1} {% x %} {# y #}",
        '{"a": {"b": {}}}',
        "{% for x in numbers %}{% endfor %}",
        "{% raw %}",
        "an open {{ and no end",
        "an open {{ name } and no end",
        "}} before {{",
        "{{ }} and {{}} and {{\n}}",
        "{{ don't",
    ],
)
def test_what_is_no_expression_stays_as_it_is(prompt):
    assert rendered(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ('{{ "{{" }} x }}', "{{ x }}"),
        ('{{ "${{ secrets.KEY }}" }}', "${{ secrets.KEY }}"),
        ("{{ '{{ name }}' }}", "{{ name }}"),
        ("{% if %} {{ n }} {# c #}", "{% if %} 3 {# c #}"),
        ("{{n}}{{n}}", "33"),
        ("{{ }}{{ n }}", "{{ }}3"),
    ],
)
def test_literal_braces_are_written_as_a_string(prompt, text):
    assert rendered(prompt) == text


def test_a_value_that_holds_braces_is_not_looked_at_again():
    assert rendered("{{ inner }} {{ n }}") == "{{ name }} {% raw %} {{ 3"


def test_each_variable_says_how_it_was_rendered():
    first, second = interpolate("a {{ name }} b {{ list_ }}", NAMES | {"list_": list(range(5000))}, {}).variables
    assert (first.expression, first.kind, first.text, first.left_out, first.tokens_estimate) == (
        "name",
        "str",
        "Ada",
        "",
        1,
    )
    assert second.kind == "list"
    assert re.fullmatch(r"[\d,]+ items", second.left_out)
    assert 900 < second.tokens_estimate <= 1000


def test_an_expressions_value_can_be_had_as_it_is():
    assert value_of("point", NAMES, {}) is NAMES["point"]
    with pytest.raises(ConfigError, match="not an expression"):
        value_of("point +", NAMES, {})


def test_the_budget_is_the_callers():
    [variable] = interpolate("{{ x }}", {"x": list(range(5000))}, {}, budget_tokens=50).variables
    assert variable.tokens_estimate <= 50


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{{ nmae }}", "{{ nmae }}: there is no variable 'nmae': did you mean name?"),
        ("{{ [nmae] }}", "{{ [nmae] }}: there is no variable 'nmae': did you mean name?"),
        (
            "{{ zzzz }}",
            "{{ zzzz }}: there is no variable 'zzzz': define it in a cell first; to write braces literally: {{ \"{{\" }}",
        ),
        ("{{ point.doubeld() }}", "{{ point.doubeld() }}: the Point has no 'doubeld': did you mean doubled?"),
        ("{{ facts.othr }}", "{{ facts.othr }}: the dict has no 'othr': did you mean other?"),
        (
            "{{ numbers[7] }}",
            "{{ numbers[7] }}: the list has no element 7 (it has 3): look at it in a cell of its own",
        ),
        (
            "{{ point.fails() }}",
            "{{ point.fails() }}: ValueError: no such luck: run it in a cell of its own to see where",
        ),
        ("{{ broken() }}", "{{ broken() }}: SystemExit: gone: run it in a cell of its own to see where"),
        ("{{ 1 / 0 }}", "{{ 1 / 0 }}: ZeroDivisionError: division by zero: run it in a cell of its own to see where"),
        (
            "{{ 1 if n > 5 }}",
            "{{ 1 if n > 5 }}: the condition does not hold, and there is no else: look at it in a cell of its own",
        ),
    ],
)
def test_an_expression_without_a_value_is_one_line_that_names_it(prompt, message):
    assert refused(f"text\n{prompt}\nmore") == message


@pytest.mark.parametrize("expression", ["n +", "n }", "f(n", "don't", "n:.2f", "{ n }", "lambda: n", "%", "#", "\\"])
def test_what_can_not_be_read_says_how_to_write_it_literally(expression):
    message = refused(f"{{{{ {expression} }}}} and {{{{ n }}}}")
    assert message.startswith("{{ " + expression.split()[0])
    assert "not an expression" in message
    assert message.endswith('to write braces literally: {{ "{{" }}')


@pytest.mark.parametrize(
    "expression",
    [
        "().__class__.__mro__",
        "point.__class__",
        "told.__globals__",
        'point["__class__"]',
        'point|attr("__class__")',
        '[point]|map(attribute="__class__")|list',
        '"{0.__class__}".format(point)',
        '"{p.__class__}".format_map({"p": point})',
        'text_type.format("{0.__class__}", point)',
        'get(point, "__class__")',
        "text_type.mro()",
        "numbers.append(4)",
        "facts.pop('a')",
        "facts.update({})",
        'os.system("true")',
        'asyncio.subprocess.os.system("true")',
        'subprocess.run(["true"])',
        'Path("x").write_text("y")',
        'operator.attrgetter("__class__")(point)',
        'functools.partial(os.system, "true")()',
        "self",
    ],
)
def test_the_inside_of_python_and_the_machine_are_closed(expression):
    refused(f"{{{{ {expression} }}}}")
    assert NAMES["numbers"] == [1, 2, 3]
    assert NAMES["facts"]["a"] == 1


@pytest.mark.parametrize(
    "expression",
    ["open('/etc/passwd').read()", "__builtins__", "__import__('os')", "eval('1')", "range(3)", "lipsum()", "cycler"],
)
def test_there_are_no_builtins_but_a_few_pure_ones(expression):
    names = NAMES | {"__builtins__": __builtins__}
    with pytest.raises(ConfigError, match="there is no variable"):
        interpolate(f"{{{{ {expression} }}}}", names, {})


def test_a_power_that_would_not_end_is_refused():
    assert "the power is too large" in refused("{{ 9 ** (9 ** 9) }}")


def test_an_error_whose_text_raises_is_named_all_the_same():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    def fails():
        raise Mute

    with pytest.raises(ConfigError, match=r"^\{\{ fails\(\) \}\}: Mute: run it"):
        interpolate("{{ fails() }}", {"fails": fails}, {})


def test_an_interrupt_goes_through():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interpolate("{{ stopped() }}", {"stopped": stopped}, {})


class Lazily(dict):
    def __getitem__(self, name):
        value = super().__getitem__(name)
        if value is None:
            raise ConfigError(f"nothing is {name}: do something")
        return value


def test_specials_are_asked_for_only_where_they_are_named_and_the_users_variable_wins():
    specials = Lazily(above=None, In=["", "x = 1"], name="special")
    assert interpolate("{{ In[1] }} {{ name }}", NAMES, specials).text == "x = 1 Ada"
    with pytest.raises(ConfigError) as caught:
        interpolate("{{ above }}", NAMES, specials)
    assert str(caught.value) == "{{ above }}: nothing is above: do something"
    assert interpolate("{{ above }}", {"above": "mine"}, specials).text == "mine"


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("", None),
        ("plain", None),
        ("{{", ""),
        ("{{ ", ""),
        ("a {{ df.he", "df.he"),
        ("{{ a }} {{ b[", "b["),
        ('{{ d["ke', 'd["ke'),
        ('{{ d["}}"] }} {{ x', "x"),
        ("{{ f(a, ", "f(a, "),
        ("{{ a }}", None),
        ("{{ a }", "a }"),
        ("{% x %} {# y", None),
    ],
)
def test_the_expression_that_the_cursor_stands_in_is_found(text, expression):
    assert open_expression(text) == expression


ANYTHING = st.text(alphabet=st.sampled_from("{}{}()[]\"'\\ \n%#nax.|,:é\x00\ud800"), max_size=60)


@given(st.text().filter(lambda text: "{{" not in text))
def test_a_text_without_double_braces_is_unchanged(text):
    assert interpolate(text, NAMES, {}).text == text


@given(ANYTHING)
@example("{{" * 5000)
@example("{{ " + "(" * 3000 + " }}")
@example("{{ " + "-" * 3000 + "n }}")
@example('{{ "' + '\\"' * 20_000 + " }}")
@example("{{" + "[" * 20_000 + "}}" * 10)
def test_hostile_braces_end_in_one_line_or_in_text(text):
    try:
        interpolate(text, NAMES, {})
    except ConfigError as error:
        assert str(error).isprintable()


@given(ANYTHING, ANYTHING.filter(lambda text: "{{" not in text))
def test_values_go_in_as_they_are(value, around):
    around = around.replace("{", "(")
    assert interpolate(f"{around}{{{{ x }}}}{around}", {"x": value}, {}).text == f"{around}{value}{around}"


@given(ANYTHING)
def test_spans_lie_in_order_and_hold_their_expression(text):
    position = 0
    for span in expression_spans(text):
        assert position <= span.start < span.end
        assert text[span.start :].startswith("{{")
        assert text[: span.end].endswith("}}")
        assert text[span.start + 2 : span.end - 2].strip() == span.expression != ""
        position = span.end
