"""The completer of a notebook's cells, as IPython asks it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion, context_matcher

from roci_nb.magic.completion import Known, complete
from roci_nb.session.options import SETTABLE, VERBS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from roci_nb.magic.cells import Cells
    from roci_nb.magic.magics import _CellMagics

WAIT_S = 0.1
"""How long a completion waits for the servers, and for what has to be imported first."""


class RociCompleter:
    """Completes ``%%roci`` and ``%roci``; for any other cell it says nothing."""

    def __init__(self, magics: _CellMagics) -> None:
        self._magics = magics
        self._warming: threading.Thread | None = None

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython's has no types
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """Offer what may stand at the cursor."""
        lines = context.full_text.split("\n")
        before = "\n".join((*lines[: context.cursor_line], lines[context.cursor_line][: context.cursor_position]))
        if "%roci" not in before:
            return {"completions": []}
        known = Known(tuple(VERBS), SETTABLE, self._models, self._variables())
        offer = complete(before, known)
        if offer is None:
            return {"completions": []}
        # IPython lets Python's names in where a matcher has none of its own: what is typed already completes itself.
        found = [SimpleCompletion(text, type=offer.kind) for text in offer.texts or (offer.fragment,)]
        return {"completions": found, "matched_fragment": offer.fragment, "suppress": True, "ordered": True}

    def _variables(self) -> dict[str, object]:
        from roci_nb.magic.notebook_context import notebook_specials, user_variables

        shell = self._magics.shell
        return {**dict.fromkeys(notebook_specials(shell)), **user_variables(shell)}

    def _models(self) -> Iterable[str]:
        cells = self._ready_cells()
        if cells is None:
            return ()
        from roci_nb.config import RociConfig
        from roci_nb.local.weights import WEIGHTS
        from roci_nb.providers.registry import provider_keys

        session = cells.session
        installed = [str(info.model) for info in session.installed.known(RociConfig.from_env(), wait_s=WAIT_S)]
        embedded = [f"embedded:{name}" for name in WEIGHTS]
        return dict.fromkeys([*session.aliases, *installed, *embedded, *(f"{key}:" for key in provider_keys())])

    def _ready_cells(self) -> Cells | None:
        """Make the session in another thread the first time: what it imports takes longer than a completion may."""
        if self._warming is None:
            self._warming = threading.Thread(target=lambda: self._magics.cells, name="roci_nb warms up", daemon=True)
            self._warming.start()
        self._warming.join(WAIT_S)
        return None if self._warming.is_alive() else self._magics.cells
