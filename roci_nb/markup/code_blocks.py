"""The code in a Markdown text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: its language as it was written, "" where none was, and its code without the fences."""

    language: str
    code: str


def code_blocks(text: str) -> tuple[CodeBlock, ...]:
    """Return the fenced blocks of a text, in order; one that is not closed goes to the end."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(text) if text.strip() else []
    return tuple(
        CodeBlock(token.info.strip().partition(" ")[0], token.content.removesuffix("\n"))
        for token in tokens
        if token.type == "fence"
    )
