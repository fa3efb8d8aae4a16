"""The live view in a real JupyterLab in Chromium."""

import json

import pytest

from tests.servers.scripted import Pause, Stall, chat_chunk, head, json_reply, send

MODELS = json_reply({"data": [{"id": "phi4", "owned_by": "llamacpp", "meta": {"n_ctx": 100_000}}]})
CHAT = "POST /v1/chat/completions"
ASK = "%%roci openai-compatible:phi4\nHello"


def event(text: str = "", reasoning: str = "") -> str:
    delta = {"content": text} if text else {"reasoning_content": reasoning}
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n"


END = f"data: {json.dumps(chat_chunk(finish='stop'))}\n\ndata: [DONE]\n\n"
THOUGHTS = "".join(event(reasoning=f"thought {n}\n") for n in range(40))


@pytest.fixture
def asked(notebook, scripted):
    """A notebook whose second cell asks the scripted server."""

    def start(*steps, width: int = 1100, cells: tuple[str, ...] = (ASK,)):
        scripted.routes |= {"GET /v1/models": MODELS, CHAT: [head(), *steps]}
        page = notebook(
            f"import os\nos.environ['OPENAI_COMPAT_BASE_URL'] = {scripted.url!r}\n%load_ext roci_nb",
            *cells,
            width=width,
        )
        page.run(0)
        page.start(1)
        return page

    return start


def seen(page, expression: str) -> object:
    """Evaluate with ``root``, the live view's element."""
    return page.page.evaluate(f"() => {{ const root = document.querySelector('.roci-live'); return {expression}; }}")


def wait_seen(page, expression: str) -> None:
    page.page.wait_for_function(
        f"() => {{ const root = document.querySelector('.roci-live'); return root && ({expression}); }}", timeout=60_000
    )


def test_reasoning_has_five_lines_and_folds_at_the_first_word_without_a_jump(asked):
    answer = Stall()
    page = asked(send(THOUGHTS), answer, send(event("The answer")), Stall())
    page.wait_for_text(1, "thought 39")
    lines = seen(
        page,
        "root.querySelector('.roci-box').clientHeight / parseFloat(getComputedStyle(root.querySelector('.roci-box')).lineHeight)",
    )
    assert 4.5 < lines < 5.5
    assert seen(page, "(b => b.scrollHeight - b.scrollTop - b.clientHeight < 6)(root.querySelector('.roci-box'))")
    tall = seen(page, "root.offsetHeight")
    answer.release.set()
    page.wait_for_text(1, "The answer")
    assert seen(page, "root.querySelector('details').open") is False
    assert "s · ~40 tok" in seen(page, "root.querySelector('summary').textContent")
    assert tall <= seen(page, "root.offsetHeight") <= tall + 80  # no jump, and no room that nothing fills
    page.interrupt()
    page.wait(1)


def test_the_views_button_stops_a_stalled_answer_and_goes(asked, scripted):
    page = asked(send(event("Half an answer")), Stall())
    wait_seen(page, "!root.querySelector('.roci-stop').hidden")
    connection = scripted.wait_stalled()
    page.page.click(".roci-stop")
    assert connection.closed.wait(30)
    page.wait(1)
    answer, error = page.outputs(1)
    assert answer["data"]["text/plain"] == "Half an answer"
    assert error["traceback"] == ["■ stopped"]
    assert page.page.query_selector(".roci-stop") is None


def test_the_interrupt_stops_a_flowing_answer(asked, scripted):
    page = asked(*[step for n in range(2000) for step in (send(event(f"word{n} ")), Pause(0.02))])
    page.wait_for_text(1, "word20 ")
    page.interrupt()
    page.wait(1)
    assert scripted.connections[-1].closed.wait(30)
    assert "■ stopped after" in page.outputs(1)[0]["data"]["text/html"]


def test_a_page_loaded_again_in_mid_answer_shows_the_whole_of_it_when_the_cell_has_ended(asked, scripted):
    going_on = Stall()
    page = asked(send(THOUGHTS, event("# Title\n\nThe answer")), going_on, send(event(" goes on."), END))
    page.wait_for_text(1, "The answer")
    page.save()
    page.page.reload(wait_until="domcontentloaded")
    page.page.wait_for_function(
        "() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 1", timeout=60_000
    )
    going_on.release.set()
    page.wait_for_text(1, "The answer goes on.")
    assert "phi4" in seen(page, "root.textContent")


def test_a_second_view_is_whole(asked):
    page = asked(send(THOUGHTS, event("# Title\n\n```python\nx = 1\n")), Stall())
    page.wait_for_text(1, "x = 1")
    page.js("p.content.activeCellIndex = 1; await app.commands.execute('notebook:create-output-view');")
    page.page.wait_for_function(
        """() => [...document.querySelectorAll('.roci-live')].filter(root => root.offsetParent && /Title/.test(root.textContent)
            && /x = 1/.test(root.textContent)).length > 1""",
        timeout=60_000,
    )
    page.interrupt()


def test_the_page_follows_the_answer_only_while_the_reader_is_at_its_end(asked):
    more = Stall()
    lines = [step for n in range(80) for step in (send(event(f"line {n}\n\n")), Pause(0.03))]
    later = [step for n in range(80, 120) for step in (send(event(f"line {n}\n\n")), Pause(0.03))]
    page = asked(*lines, more, *later, Stall())
    page.wait_for_text(1, "line 79")
    bottom = "root.getBoundingClientRect().bottom <= window.innerHeight"
    assert seen(page, bottom)
    box = page.page.query_selector(".jp-WindowedPanel-outer").bounding_box()
    page.page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.page.mouse.wheel(0, -600)
    page.page.wait_for_function(
        "() => document.querySelector('.roci-live').getBoundingClientRect().bottom > window.innerHeight + 100"
    )
    before = page.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop")
    more.release.set()
    page.wait_for_text(1, "line 119")
    assert page.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop") == before
    page.interrupt()
    page.wait(1)


HOSTILE = [
    "<script>window.evil = 1</script>",
    "<img src='{url}/img' onerror='window.evil = 2'>",
    "![x]({url}/markdown-image)",
    "![x][ref]\n\n[ref]: {url}/reference",
    "<style>@import '{url}/style'; body {{ background: url({url}/background) }}</style>",
    "<meta http-equiv=refresh content='0;url={url}/meta'>",
    "<svg onload='window.evil = 3'><image href='{url}/svg'/></svg>",
    "<iframe src='{url}/iframe' srcdoc='<script>parent.evil = 4</script>'></iframe>",
    "<object data='{url}/object'></object><embed src='{url}/embed'>",
    "<video src='{url}/video' poster='{url}/poster' autoplay></video><audio src='{url}/audio' autoplay></audio>",
    "<link rel=stylesheet href='{url}/link'><base href='{url}/'>",
    "<table background='{url}/table'><tr><td>x</td></tr></table><input type=image src='{url}/input'>",
    "<details open ontoggle='window.evil = 5'><summary>x</summary></details>",
    "[x](javascript:window.evil=6) [y](data:text/html,<script>window.evil=7</script>) <javascript:window.evil=8>",
    "```mermaid\ngraph TD; A[\"<img src='{url}/mermaid'>\"]\n```",
    "```html\n<img src='{url}/fence' onerror='window.evil = 9'>",
    "`` `<img src='{url}/span'>` ``\n\n~~~\n```\n~~~\n<img src='{url}/broken-fence'>",
    "$\\href{{javascript:window.evil=10}}{{x}}$ $$\\style{{background:url({url}/tex)}}{{x}}$$ \\(\\includegraphics{{{url}/tex2}}\\)",
    "<math><maction actiontype='statusline'><mtext href='javascript:window.evil=11'>x</mtext></maction></math>",
    "<form action='{url}/form'><button autofocus onfocus='window.evil = 12'>x</button></form>",
]


def test_hostile_text_does_nothing_live_saved_and_opened_again(asked, scripted):
    listened = scripted.url
    text = "\n\n".join(line.format(url=listened) for line in HOSTILE)
    page = asked(
        send(event(reasoning=text), *[event(text[at : at + 40]) for at in range(0, len(text), 40)]), Stall(), send(END)
    )
    page.wait_for_text(1, "autofocus")
    page.page.wait_for_timeout(500)
    assert page.page.evaluate("window.evil") is None
    scripted.routes[CHAT] = []
    page.interrupt()
    page.wait(1)
    page.page.wait_for_timeout(500)
    saved = page.save()
    cell = saved["cells"][1]["outputs"][0]
    assert set(cell["data"]) == {"text/html", "text/plain"}
    page.reload()
    page.wait_for_text(1, "autofocus")
    page.page.wait_for_timeout(500)
    assert page.page.evaluate("window.evil") is None
    saved["metadata"]["changed"] = "elsewhere, so that its signature is wrong and nothing in it is trusted"
    page.path.with_name("untrusted.ipynb").write_text(json.dumps(saved))
    page.js("await app.commands.execute('docmanager:open', {path: 'untrusted.ipynb'});")
    page.page.wait_for_function(
        "() => { const p = window.jupyterapp.shell.currentWidget; "
        "return p?.title?.label === 'untrusted.ipynb' && /autofocus/.test(p.node.textContent); }"
    )
    page.page.wait_for_timeout(500)
    assert page.page.evaluate("window.evil") is None
    for path in (request.path for request in scripted.requests):
        assert path in ("/v1/models", "/v1/chat/completions", "/props", "/health", "/slots"), path
    assert [url for url in page.requests if url.startswith(listened)] == []


def test_ten_thousand_tokens_arrive_whole(asked):
    words = [f"word{n} " if n % 12 else f"word{n}\n\n" for n in range(10_000)]
    bursts = ["".join(event(word) for word in words[at : at + 25]) for at in range(0, len(words), 25)]
    page = asked(*[step for burst in bursts for step in (send(burst), Pause(0.02))], send(END))
    page.wait_for_text(1, "word9001 ")
    live = page.page.evaluate("document.querySelector('.roci-live')?.textContent ?? ''")
    page.wait(1)
    assert page.outputs(1)[0]["data"]["text/plain"] == "".join(words)
    if live:  # it may have ended meanwhile
        assert all(f"word{n}" in live for n in range(0, 9000, 7))
