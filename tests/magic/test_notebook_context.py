"""``above``, ``In``, ``Out``, ``last_error`` and the user's variables, in a real kernel."""

import pytest

SETUP = """
def say(prompt):
    from roci_nb.errors import ConfigError
    from roci_nb.magic.interpolation import interpolate
    from roci_nb.magic.notebook_context import notebook_specials, user_variables
    shell = get_ipython()
    try:
        print(interpolate(prompt, user_variables(shell), notebook_specials(shell)).text)
    except ConfigError as error:
        print(f"ConfigError: {error}")
"""
IGNORED = "%%roci --nonsense\nnothing"
"""A prompt that fails at once."""


@pytest.fixture
def notebook(fresh_kernel):
    assert fresh_kernel.run("%load_ext roci_nb").status == "ok"
    assert fresh_kernel.run(SETUP).status == "ok"
    return fresh_kernel


def said(notebook, prompt: str) -> str:
    cell = notebook.run(f"say({prompt!r})")
    assert cell.error is None, cell.error
    return cell.stdout.rstrip("\n")


def test_above_is_the_cell_that_ran_before_with_what_it_printed_and_gave(notebook):
    notebook.run("import sys\nprint('one\\rtwo')\nprint('\\x1b[31mred\\x1b[0m', file=sys.stderr)\n{'a': [1, 2]}")
    assert said(notebook, "{{ above }}") == (
        "Cell In[3]:\n```\nimport sys\nprint('one\\rtwo')\nprint('\\x1b[31mred\\x1b[0m', file=sys.stderr)\n{'a': [1, 2]}\n```\n"
        'Its output:\n```\ntwo\nred\n{"a": [1, 2]}\n```'
    )


def test_above_tells_how_a_cell_failed_and_leaves_prompts_out(notebook):
    notebook.run("print('half')\n1 / 0")
    notebook.run("%roci use ollama:phi4")
    notebook.run(IGNORED)
    assert said(notebook, "{{ above }}").endswith("Its output:\n```\nhalf\nZeroDivisionError: division by zero\n```")
    assert said(notebook, "{{ above.number }} {{ above.source|length }}").startswith("6 ")


def test_above_says_when_nothing_was_kept_and_cuts_what_is_long(notebook):
    notebook.run("x = 1")
    assert said(notebook, "{{ above }}").endswith("Its output:\n```\n(none that the kernel kept as text)\n```")
    notebook.run("for n in range(5000): print('line', n)")
    text = said(notebook, "{{ above }}")
    assert "more characters left out" in text
    assert text.endswith("line 4999\n```")
    assert len(text) < 1500


def test_in_and_out_are_ipythons_own(notebook):
    notebook.run("6 * 7")
    assert said(notebook, "{{ In[3] }} = {{ Out[3] }}") == "6 * 7 = 42"
    assert said(notebook, "{{ Out[99] }}") == (
        "ConfigError: {{ Out[99] }}: the dict has no 99 (it has 3): look at it in a cell of its own"
    )


def test_the_last_error_is_told_with_the_frames_of_its_cells(notebook):
    notebook.run("def divide(x):\n    return 1 / x")
    notebook.run("print('start')\ndivide(0)")
    assert said(notebook, "{{ last_error }}") == (
        "ZeroDivisionError: division by zero\nraised at:\n"
        "Cell In[4], line 2, in <module>\n     1 print('start')\n→    2 divide(0)\n"
        "Cell In[3], line 2, in divide\n     1 def divide(x):\n→    2     return 1 / x"
    )


def test_a_prompts_own_error_does_not_hide_the_users(notebook):
    notebook.run("int('x')")
    assert notebook.run(IGNORED).status == "error"
    text = said(notebook, "{{ last_error }}")
    assert "ValueError: invalid literal for int()" in text
    assert "int('x')" in text
    assert "\x1b" not in text


def test_a_syntax_error_is_an_error_too(notebook):
    notebook.run("x = = 1")
    text = said(notebook, "{{ last_error }}")
    assert "x = = 1" in text
    assert "SyntaxError: invalid syntax" in text


def test_what_is_not_there_yet_is_one_line(notebook):
    notebook.run("%reset -f in")
    assert said(notebook, "{{ last_error }}") == (
        "ConfigError: {{ last_error }}: no cell has failed in this kernel: run the one that fails first"
    )


def test_nothing_above_is_one_line(fresh_kernel):
    code = SETUP + "say('{{ above }}')"
    assert fresh_kernel.run(code).stdout.startswith("ConfigError: {{ above }}: no cell but prompts has run in this")


def test_the_users_own_variable_of_that_name_wins(notebook):
    notebook.run("above = 'mine'")
    assert said(notebook, "{{ above }}") == "mine"


@pytest.mark.parametrize("expression", ["open('x')", "get_ipython().system('true')", "exit()", "__builtins__"])
def test_what_ipython_put_beside_the_users_variables_is_not_theirs(notebook, expression):
    assert "there is no variable" in said(notebook, f"{{{{ {expression} }}}}")


def test_a_shell_under_another_name_is_closed(notebook):
    notebook.run("ip = get_ipython()")
    assert "is closed to prompts" in said(notebook, "{{ ip.system('true') }}")
