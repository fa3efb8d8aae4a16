"""Inline styles: an output that is saved, mailed or converted has no style sheet of ours.

A colour is JupyterLab's variable first, VS Code's next, and a plain one, fit for light and dark, for pages that have
neither. Where styles are stripped (GitHub; JupyterLab's sanitizer knows no variables), what is written with them still
reads in order.
"""

from __future__ import annotations

GREY = "var(--jp-ui-font-color2,var(--vscode-descriptionForeground,color-mix(in srgb,currentcolor 70%,transparent)))"
AMBER = "var(--jp-warn-color1,var(--vscode-editorWarning-foreground,#bd5b00))"
LINE = "var(--jp-border-color2,var(--vscode-panel-border,#8886))"
SMALL = "font-size:.9em;line-height:1.5"

PROSE = "overflow-wrap:break-word;overflow-wrap:anywhere"
"""Around a whole answer: a word that is too long breaks. The second is stronger; a sanitizer keeps the first."""
CODE = (
    "margin:0 0 1em;padding:.6em .8em;border-radius:3px;white-space:pre;overflow-x:auto;background:#8881;"
    "background:var(--jp-cell-editor-background,var(--vscode-textCodeBlock-background,#8881))"
)
"""A block of code: its long lines scroll within it. The plain background is for where variables are stripped."""
BARE_CODE = "background:none;padding:0;white-space:pre"
"""The code in such a block: a page's look for code (JupyterLab wraps its lines) is not meant here."""
WRAPPED = "white-space:pre-wrap"
SCROLLER = "overflow-x:auto;overflow-wrap:normal"
"""Around a table: it scrolls by itself, and its words stay whole."""
WIDE = "overflow-x:auto;overflow-y:hidden"
"""Around a formula on lines of its own."""
CELL_PADDING = 4
"""Pixels, as a table's attribute: where a page has a look for tables, that holds."""
