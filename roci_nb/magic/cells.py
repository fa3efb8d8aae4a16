"""The cells of one kernel: what each asks, what it sees of the conversation, and what stays of its answer."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from roci_nb.errors import ConfigError
from roci_nb.generation.conversation import Context, Conversation
from roci_nb.generation.conversation_file import beside, restore, save
from roci_nb.loop import Stopper, call_blocking
from roci_nb.magic.background import BackgroundAnswers
from roci_nb.magic.cell_answer import Asking, CellAnswer
from roci_nb.magic.notebook import running_cell
from roci_nb.magic.prompt import Prompt, make_prompt
from roci_nb.magic.sent_request import SentRequest
from roci_nb.markup.code_blocks import code_blocks
from roci_nb.providers.base import estimate_tokens
from roci_nb.providers.registry import provider_keys
from roci_nb.session.command import leading_word, named_output, parse_command
from roci_nb.session.load_times import last_load_s
from roci_nb.types.events import GenerationWarning
from roci_nb.types.messages import ModelMessage
from roci_nb.types.requests import ProviderRequest

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from roci_nb.magic.notebook import RunningCell
    from roci_nb.session.command import Command
    from roci_nb.session.state import InForce, Session
    from roci_nb.types.results import GenerateTextResult

LAST = "_roci"
"""The name of the last answer in the user's namespace."""
SENT_KEPT = 50
GO_ON = "Go on exactly where your last answer ends, and repeat nothing of it."
FIX = "This code failed. Say in one or two sentences why, then show the corrected code.\n\n{{ last_error }}"


class Cells:
    """Runs the cells: a prompt to an answer, in the cell's own time or in the background."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self.shell = shell
        self.session = session
        self.background = BackgroundAnswers()
        self._sent: deque[SentRequest] = deque(maxlen=SENT_KEPT)
        self._last: CellAnswer | None = None

    def ask(self, line: str, body: str) -> SentRequest | None:
        """Ask what a cell says; returns the request of a dry run. Raises what the answer failed of."""
        output = named_output(line)
        if output is not None:
            self.shell.user_ns.pop(output, None)  # a cell that fails leaves no older answer under its name
        word = leading_word(line)
        names = (word,) if word is not None and ":" not in word and self.session.is_model(word) else ()
        return self._ask(parse_command(line, body, provider_keys(), names))

    def _ask(self, command: Command) -> SentRequest | None:
        cell = running_cell(self.shell)
        in_force = self.session.in_force(command)
        prompt = make_prompt(command, self.shell)
        asking, context = self._asking(in_force, prompt.message, cell)
        if command.dry_run:
            return self._dry_run(asking, prompt)
        if asking.conversation is not None and asking.key is not None:
            run = asking.conversation.begin(asking.key, prompt.message, model=str(in_force.provider.model))
            asking = replace(asking, run=run)
        self._answer(asking, prompt, command.output, context)
        return None

    def _asking(self, in_force: InForce, message: ModelMessage, cell: RunningCell) -> tuple[Asking, Context]:
        """Put the request together: instructions, the turns before this cell's, and what it says."""
        for one in self.session.conversations.values():
            one.drop(key for key in cell.deleted if key != cell.id)  # a cell that was cut and pasted keeps its id
        conversation = self.session.conversation(in_force.options)
        context = Context() if conversation is None else conversation.context(cell.id, budget=in_force.options.budget)
        system = in_force.options.system
        messages = (*([ModelMessage.system(system)] if system else []), *context.messages, message)
        request = ProviderRequest(messages=messages, settings=in_force.settings)
        if context.left_out:
            told = f"{context.left_out} earlier turns were left out: --budget {in_force.options.budget} has no room"
            in_force = replace(in_force, warnings=(*in_force.warnings, GenerationWarning(told)))
        key = None if conversation is None else cell.id or conversation.new_key()
        return Asking(in_force, request, conversation, key, cell.name, cell.id or "", turns=context.turns), context

    def _answer(self, asking: Asking, prompt: Prompt, output: str | None, context: Context) -> None:
        from roci_nb.display.view import Look
        from roci_nb.display.views import view_for

        in_force, options = asking.in_force, asking.in_force.options
        provider, stopper = in_force.provider, Stopper()
        look = Look(
            heading=in_force.heading,
            reasoning=options.reasoning or "fold",
            footer=options.footer or "line",
            sources=in_force.sources,
            turns=context.turns,
            turn_tokens=context.tokens,
            prompt_tokens=estimate_tokens(asking.request).n,
            last_load_s=last_load_s(str(provider.model), provider.host),
            raw=bool(options.raw),
            window_told=str(provider.model) in self.session.windows_told,
        )
        view = view_for(self.shell, look, on_stop=stopper.stop, live=options.stream is not False)

        def bind(result: GenerateTextResult, done: bool) -> None:
            self.shell.user_ns[LAST] = result
            self.session.answered += 1
            if result.reasoning and result.context_window is not None:
                self.session.windows_told.add(str(provider.model))
            if output is not None and done:
                self.shell.user_ns[output] = result
            self._sent.append(
                SentRequest(
                    provider.model, provider.host, asking.request.messages, result.sent, variables=prompt.variables
                )
            )

        self._last = answer = CellAnswer(asking, self.session, view, stopper, bind)
        if options.bg and view.outlives_cell:
            view.begin()
            self.background.start(answer)
        else:
            answer.run()

    def _dry_run(self, asking: Asking, prompt: Prompt) -> SentRequest:
        provider, request = asking.in_force.provider, asking.request
        preview = call_blocking(lambda: provider.preview(request))
        tokens = call_blocking(lambda: provider.count_tokens(request))
        return SentRequest(provider.model, provider.host, request.messages, preview, tokens, prompt.variables, dry=True)

    def sent(self, back: int) -> SentRequest:
        """Return what was sent, ``back`` counted from the last."""
        if back > len(self._sent):
            raise ConfigError(f"%roci sent {back}: only {len(self._sent)} requests were sent in this kernel")
        return self._sent[-back]

    def conversation(self, name: str) -> Conversation:
        """Return a conversation; "" is the notebook's."""
        if name and name not in self.session.conversations:
            known = ", ".join(filter(None, self.session.conversations)) or "none"
            raise ConfigError(f"there is no conversation {name!r}: there is {known}")
        return self.session.conversations.setdefault(name, Conversation())

    def insert_code(self, n: int) -> None:
        """Put the n-th code block of the last answer into a new cell below; it is not run."""
        blocks = code_blocks(self._last_result().text)
        if n > len(blocks):
            raise ConfigError(f"%roci code {n}: the last answer has {len(blocks)} code blocks")
        self.shell.set_next_input(blocks[n - 1].code)

    def fix(self, line: str) -> SentRequest | None:
        """Send the last error with its code."""
        return self.ask(line, FIX)

    def go_on(self) -> None:
        """Go on with the last answer, which was cut or stopped.

        Where the server takes a begun answer it goes on in it; else a turn asks for the rest.
        """
        last = self._last
        result = self._last_result()
        if last is None or result.finish_reason == "stop" or not result.text:
            raise ConfigError("the last answer is whole, or has no text yet: ask a new one")
        provider = last.asking.in_force.provider
        begun = ModelMessage.assistant(result.text)
        messages = last.asking.request.messages
        messages = (*messages, begun) if provider.takes_begun_answers else (*messages, begun, ModelMessage.user(GO_ON))
        asking = replace(
            last.asking,
            request=last.asking.request.model_copy(update={"messages": messages}),
            in_force=replace(last.asking.in_force, heading="goes on with the answer above"),
            begun=result.text,
        )
        self._answer(asking, Prompt(messages[-1]), None, Context())

    def _last_result(self) -> GenerateTextResult:
        if self._last is None or self._last.result is None:
            raise ConfigError("there is no answer yet: ask with %%roci")
        return self._last.result

    def stop(self, number: int | None) -> str:
        """End the answers in the background; returns what is to be said of that."""
        ended = self.background.stop(number)
        return f"■ stopped {', '.join(map(str, ended))}" if ended else "no answer is under way in the background"

    def save(self, path: str) -> str:
        """Keep the conversations beside the notebook, or at ``path``."""
        file = self._conversation_file(path)
        save(self.session.conversations, file)
        return f"{len(self.session.conversations)} conversations are kept in {file}"

    def restore(self, path: str) -> str:
        """Take the conversations back from their file."""
        file = self._conversation_file(path)
        self.session.conversations.update(restore(file))
        return f"the conversations of {file} are back"

    def _conversation_file(self, path: str) -> Path:
        """Name the file: beside the notebook where the front end tells its name, else in the current folder."""
        if path:
            return Path(path).expanduser()
        name = os.environ.get("JPY_SESSION_NAME") or self.shell.user_ns.get("__vsc_ipynb_file__")
        return beside(Path(str(name))) if name else Path("conversations.roci.json")

    def close(self) -> None:
        """End what is under way."""
        self.background.close()
