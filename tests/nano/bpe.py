"""The nano's tokenizer: a byte-level BPE of 1,024, 16 of them Harmony's special tokens.

Text is cut as by gpt-4o's tokenizer (o200k), which is what llama.cpp does for ``tokenizer.ggml.pre = gpt-4o``. The
merges are learned on a finer cut: a space is never merged with a capital, digits and marks are never merged with
letters. So a name has the same tokens after a space and after a quote, and can be copied token by token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZE = 1024
RESERVED = "<|reserved_{}|>"
SPECIALS = (
    "<|startoftext|>",
    "<|endoftext|>",
    RESERVED.format(200000),
    RESERVED.format(200001),
    "<|return|>",
    "<|constrain|>",
    RESERVED.format(200004),
    "<|channel|>",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    RESERVED.format(200009),
    RESERVED.format(200010),
    RESERVED.format(200011),
    "<|call|>",
    "<|endofprompt|>",
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDINGS}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDINGS}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
FINE = r" ?\p{Ll}+|\p{N}|\p{Lu}\p{Ll}*| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def cut(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges; the specials take the last 16 places."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cut(FINE)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=SIZE - len(SPECIALS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.pre_tokenizer = cut(O200K)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(special, special=True, normalized=False) for special in SPECIALS])
    assert tokenizer.get_vocab_size() == SIZE
    return tokenizer
