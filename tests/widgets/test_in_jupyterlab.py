"""The panel and the tuner in a real JupyterLab in Chromium, driven as a person would."""

import json

import pytest

from tests.servers.scripted import Reset, Stall, chat_chunk, head, json_reply, send

LOAD = "%load_ext roci_nb\n%roci use embedded:gpt-oss-nano"
STATE = "from roci_nb.widgets.found_session import found_session\nprint(found_session().settings.in_force())"
MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}]})
CHAT = "POST /v1/chat/completions"
NAMELESS = """root => [...root.querySelectorAll('input, select, textarea, button, .noUi-handle')]
    .filter(one => one.offsetParent && getComputedStyle(one).visibility !== 'hidden')
    .filter(one => !(one.getAttribute('aria-label') || one.textContent.trim() && one.tagName === 'BUTTON'
        || one.labels?.length && one.labels[0].textContent.trim()))
    .map(one => one.outerHTML.slice(0, 120))"""


def field(page, name: str, nth: int = 0):
    return page.page.locator(f'.roci-panel input[aria-label="{name}"]').nth(nth)


def give(page, name: str, text: str, nth: int = 0) -> None:
    field(page, name, nth).fill(text)
    field(page, name, nth).press("Enter")


def wait_value(page, name: str, text: str, nth: int = 0) -> None:
    page.page.wait_for_function(
        "([name, nth, text]) => document.querySelectorAll(`.roci-panel input[aria-label='${name}']`)[nth]?.value === text",
        arg=[name, nth, text],
        timeout=60_000,
    )


def wait_text(page, selector: str, text: str) -> None:
    page.page.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)].some(one => one.textContent.includes(text))",
        arg=[selector, text],
        timeout=60_000,
    )


def shown(page, *cells: int) -> None:
    for cell in cells:
        page.run(cell)
    page.page.wait_for_selector(".roci-panel .roci-row .noUi-handle[aria-label]", timeout=60_000)


def stdout(outputs: list[dict]) -> str:
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def test_what_is_typed_dragged_and_chosen_holds_for_the_next_cell_and_its_footer_says_so(notebook):
    page = notebook(LOAD, "%roci panel", "%%roci --seed 3\nDo you know the capital of France?", height=1500)
    shown(page, 0, 1)
    give(page, "temperature", "0.3")
    wait_text(page, ".roci-set", "temperature")
    handle = page.page.locator('.roci-panel .noUi-handle[aria-label="top-p"]').bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x - 60, y, steps=6)
    page.page.mouse.up()
    wait_text(page, ".roci-set", "top-p")
    assert 0.3 < float(field(page, "top-p").input_value()) < 1
    page.page.get_by_role("button", name="top-p: as the server has it").click()
    page.page.wait_for_function(
        "() => document.querySelectorAll('.roci-panel .roci-set').length === 2"
    )  # and the model
    page.page.locator('.roci-panel select[aria-label="effort"]').select_option("low")
    wait_text(page, ".roci-set", "effort")
    [answer] = page.run(2)
    assert answer["metadata"]["roci"]["settings"] == {"temperature": 0.3, "seed": 3, "reasoning_effort": "low"}
    assert "0.3 (panel)" in answer["data"]["text/html"]
    assert "3 (line)" in answer["data"]["text/html"]
    assert "Paris" in answer["data"]["text/plain"]


def test_tab_goes_down_the_controls_and_each_has_a_name(notebook):
    page = notebook(LOAD, "%roci panel", height=1500)
    shown(page, 0, 1)
    assert page.page.eval_on_selector(".roci-panel", NAMELESS) == []
    page.page.locator('.roci-panel select[aria-label="model"]').focus()
    names = []
    for _ in range(8):
        page.page.keyboard.press("Tab")
        names.append(page.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert names == [
        "ask the servers again",
        "system prompt",
        "preset",
        "temperature",
        "temperature",
        "top-p",
        "top-p",
        "top-k",
    ]
    page.page.locator('.roci-panel .noUi-handle[aria-label="min-p"]').focus()
    page.page.keyboard.press("ArrowRight")
    wait_text(page, ".roci-set", "min-p")


def test_a_preset_that_harms_and_a_wrong_value_are_told_in_place(notebook):
    page = notebook(LOAD, "%roci panel", STATE, height=1500)
    shown(page, 0, 1)
    page.page.locator('.roci-panel select[aria-label="preset"]').select_option(index=3)
    wait_text(page, ".roci-note", "disturbs gpt-oss")
    wait_text(page, ".roci-note", "is not this server's to say")
    give(page, "top-p", "7")
    wait_text(page, ".roci-note", "top_p must be a number from 0 to 1, not 7")
    assert stdout(page.run(2)).strip() == "{}"


def test_the_line_and_two_panels_are_one_state_and_closing_leaves_a_table(notebook):
    page = notebook(LOAD, "%roci panel", "%roci panel", "%roci set temperature 1.5", STATE, height=2400)
    shown(page, 0, 1, 2)
    page.page.wait_for_function("() => document.querySelectorAll('.roci-panel').length === 2")
    page.run(3)
    wait_value(page, "temperature", "1.5", 0)
    wait_value(page, "temperature", "1.5", 1)
    give(page, "temperature", "0.4", nth=1)
    wait_value(page, "temperature", "0.4", 0)
    assert stdout(page.run(4)).strip() == "{'temperature': 0.4}"
    page.page.get_by_role("button", name="close the panel; a table of the settings stays").first.click()
    page.page.wait_for_function("() => document.querySelectorAll('.roci-panel').length === 1")
    [output] = page.outputs(1)
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "temperature" in output["data"]["text/plain"]
    give(page, "temperature", "0.7")
    assert "0.7" in stdout(page.run(4))
    [output] = page.save()["cells"][2]["outputs"]
    assert output["data"]["text/html"]


def test_a_page_that_is_loaded_again_has_the_panel_alive(notebook):
    page = notebook(LOAD, "%roci panel", STATE, height=1500)
    shown(page, 0, 1)
    give(page, "temperature", "0.4")
    wait_text(page, ".roci-set", "temperature")
    page.save()
    page.reload()
    wait_value(page, "temperature", "0.4")
    give(page, "temperature", "0.6")
    wait_text(page, ".roci-set .roci-name", "set · panel")
    assert stdout(page.run(2)).strip() == "{'temperature': 0.6}"


@pytest.mark.parametrize("what", ["panel", "tune"])
def test_at_400_pixels_nothing_is_cut_off(notebook, what):
    page = notebook(LOAD, f"%roci {what}", width=400, height=2400)
    shown(page, 0, 1)
    page.js("await app.commands.execute('application:toggle-left-area');")
    page.page.wait_for_timeout(500)
    wider = page.page.eval_on_selector(
        ".roci-panel",
        """root => [root, ...root.querySelectorAll('.roci-row, .roci-row > *, .roci-bar > *, .roci-scroll')]
            .filter(one => one.offsetParent && (!one.matches('.roci-scroll') && one.scrollWidth > one.clientWidth + 1
                || one.getBoundingClientRect().right > root.getBoundingClientRect().right + 1))
            .map(one => one.outerHTML.slice(0, 100))""",
    )
    assert wider == []


def test_runs_are_compared_taken_along_and_used(notebook):
    page = notebook(LOAD, "%roci tune", "%%roci\nDo you know the capital of France?", STATE, height=2400)
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown(page, 0, 1)
    assert page.page.eval_on_selector(".roci-panel", NAMELESS) == []
    run = page.page.get_by_role("button", name="ask with these settings")
    page.page.locator(".roci-ask textarea").fill("Do you know the capital of France?")
    run.click()
    wait_text(page, ".roci-tuner-answer", "Paris")
    wait_text(page, ".roci-choosing td", "#1")
    give(page, "temperature", "0.2")
    wait_text(page, ".roci-set", "temperature")
    run.click()
    wait_text(page, ".roci-choosing td", "#2")
    page.page.locator(".roci-choosing select").nth(1).select_option(label=page_label(page, 1))
    wait_text(page, ".roci-tuner-answer mark", "0.2")
    assert page.page.locator(".roci-beside section").count() == 2
    page.page.locator(".roci-copy button").click()
    wait_text(page, ".roci-copy [role=status]", "copied")
    copied = page.page.evaluate("navigator.clipboard.readText()")
    assert copied == "%%roci embedded:gpt-oss-nano --temperature 0.2\nDo you know the capital of France?"
    page.page.get_by_role("button", name="put this run's settings into the session").click()
    wait_text(page, ".roci-status", "run #2's settings are in force")
    [answer] = page.run(2)
    assert answer["metadata"]["roci"]["settings"] == {"temperature": 0.2}
    assert "0.2 (tuner)" in answer["data"]["text/html"]
    page.page.get_by_role("button", name="close the tuner; the table of its runs stays").click()
    page.page.wait_for_function("() => document.querySelectorAll('.roci-panel').length === 0")
    [output] = page.outputs(1)
    assert "#2" in output["data"]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in output["data"]


def page_label(page, number: int) -> str:
    labels = page.page.locator(".roci-choosing select").nth(1).locator("option").all_text_contents()
    return next(label for label in labels if label.startswith(f"#{number}"))


def event(text: str) -> str:
    return f"data: {json.dumps(chat_chunk(text))}\n\n"


def test_stop_works_while_it_streams_also_beside_a_cell_that_runs_and_a_server_that_dies_is_told(notebook, scripted):
    scripted.routes |= {"GET /v1/models": MODELS, CHAT: [head(), send(event("Half an answer")), Stall()]}
    page = notebook(
        f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n%load_ext roci_nb\n"
        "%roci use openai-compatible:phi4",
        "%roci tune",
        "import time\nwhile not os.path.exists('go'):\n    time.sleep(0.05)",
        height=1800,
    )
    shown(page, 0, 1)
    run = page.page.get_by_role("button", name="ask with these settings")
    stop = page.page.get_by_role("button", name="stop this run; what has come is kept")
    page.page.locator(".roci-ask textarea").fill("Hello")
    run.click()
    wait_text(page, ".roci-live", "Half an answer")
    page.start(2)
    connection = scripted.wait_stalled()
    stop.click()
    assert connection.closed.wait(60)
    wait_text(page, ".roci-status", "■ stopped")
    wait_text(page, ".roci-tuner-answer", "Half an answer")
    (page.path.parent / "go").touch()
    page.wait(2)
    (page.path.parent / "go").unlink()
    scripted.routes[CHAT] = [head(), send(event("Before the end")), Reset()]
    run.click()
    wait_text(page, ".roci-tuner-answer", "Before the end")
    wait_text(page, ".roci-tuner-answer", "⚠")
    assert run.is_enabled()
    scripted.routes[CHAT] = [head(), send(event("Closed before the end")), Stall()]
    run.click()
    wait_text(page, ".roci-live", "Closed before the end")
    page.page.get_by_role("button", name="close the tuner; the table of its runs stays").click()
    page.wait_for_output(1, "#3")
    [output] = page.outputs(1)
    assert output["data"]["text/plain"].count("stopped") == 2
