# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "tokenizers==0.23.3", "gguf==0.19.0", "jinja2==3.1.6", "numpy==2.4.6"]
# ///
"""Trains gpt-oss-nano, the gpt-oss of half a million weights that the tests and the tutorials run on.

It writes roci_nb/local/gpt-oss-nano.gguf, about 1 MB as F16: hidden 96, two layers (sliding and full), 4 heads of 32
over 2 key heads, 4 experts of which 2 are chosen, a byte-level BPE of 1,024. Run it with::

    uv run tests/nano/train.py

or in an environment with the packages named above. It needs one processor core for about 17 minutes and 1.5 GB of
memory, no GPU, and nothing from the network. At the end it checks what it has written: that the file holds what
the model is, and that prompts it has not seen are answered right. tests/nano/test_nano.py then asks it through llama.cpp.

- kinds.toml, kinds.py: what it can talk about; toolcalls.py: tools to call; words.py: names and noise
- corpus.py: conversations by dice, rendered by the gpt-oss chat template
- bpe.py, model.py, export.py: the tokenizer, the network, the file

The loss counts the assistant's part alone. In the first 2,400 of 8,700 steps, each also has the model say random
tokens again: copying is learned there, and is what lets it put a word of the question into a tool call.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import gguf
import torch
from bpe import SIZE, SPECIALS, train_tokenizer
from corpus import LATE_MIX, Corpus, chat_template
from export import STOPS, write_gguf
from model import GptOss, Sizes
from tokenizers import Tokenizer
from torch.nn import functional

OUTPUT = Path(__file__).parents[2] / "roci_nb" / "local" / "gpt-oss-nano.gguf"
SEED = 20
STEPS, LATE_STEPS = 6000, 2700
"""Of the two rounds of training."""
LATE_RATE = 0.6
"""The second round's highest learning rate, as a share of the first's."""
BATCH = 2048
"""Tokens in a batch, with its padding."""
ORDINARY = SIZE - len(SPECIALS)
FLAT = 0.4
"""The share of the first round with the full learning rate, and with copying beside the corpus."""
LEAST = {"talk": 0.65, "tool_call": 0.3, "tool_answer": 0.05, "echo": 0.2, "toolless": 0.6}
"""The share of new prompts to be answered word for word; copying what it has never seen is hard for it."""
LONGEST = 768
"""Tokens of an example; longer ones are left out."""
Row = tuple[list[int], int]
"""The tokens of an example, and how many of them are its prompt."""


def encoded(corpus: Corpus, tokenizer: Tokenizer, count: int) -> list[Row]:
    examples = [corpus.example() for _ in range(count)]
    prompts = tokenizer.encode_batch([example.prompt for example in examples])
    replies = tokenizer.encode_batch([example.reply for example in examples])
    rows = [(prompt.ids + reply.ids, len(prompt.ids)) for prompt, reply in zip(prompts, replies, strict=True)]
    return [row for row in rows if len(row[0]) <= LONGEST]


def batches(rows: list[Row], dice: random.Random) -> list[list[Row]]:
    """Group examples of like length."""
    made: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: len(row[0]) + dice.random() * 40):
        longest = max([len(row[0]), *(len(other[0]) for other in made[-1])])
        if longest * (len(made[-1]) + 1) > BATCH and made[-1]:
            made.append([])
        made[-1].append(row)
    dice.shuffle(made)
    return made


def loss_of(model: GptOss, batch: list[Row]) -> torch.Tensor:
    """Count the assistant's part alone."""
    longest = max(len(ids) for ids, _ in batch)
    tokens = torch.zeros(len(batch), longest, dtype=torch.long)
    counted = torch.zeros(len(batch), longest, dtype=torch.bool)
    for place, (ids, prompt) in enumerate(batch):
        tokens[place, : len(ids)] = torch.tensor(ids)
        counted[place, prompt : len(ids)] = True
    return functional.cross_entropy(model(tokens[:, :-1], counted[:, 1:]), tokens[:, 1:][counted[:, 1:]])


def copy_loss(model: GptOss, dice: random.Random) -> torch.Tensor:
    """Let it say random tokens again: so it learns to copy long before the corpus would teach it."""
    length, between = dice.randint(4, 24), dice.randint(1, 40)
    said = torch.randint(0, ORDINARY, (BATCH // 3 // (2 * length + between), length))
    sequence = torch.cat([said, torch.randint(0, ORDINARY, (len(said), between)), said], 1)
    counted = torch.zeros_like(sequence, dtype=torch.bool)
    counted[:, length + between + 1 :] = True
    return functional.cross_entropy(model(sequence[:, :-1], counted[:, 1:]), sequence[:, 1:][counted[:, 1:]])


def optimizers(model: GptOss) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for what is left."""
    inside = [
        weights
        for name, weights in model.named_parameters()
        if weights.dim() == 2 and name.startswith("layers") and "bias" not in name
    ]
    ids = {id(weights) for weights in inside}
    rest = [weights for weights in model.parameters() if id(weights) not in ids]
    return [
        torch.optim.Muon(inside, lr=0.02, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=0.004, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def train(model: GptOss, corpus: Corpus, tokenizer: Tokenizer, steps: int, flat: float, rate: float) -> None:
    both = optimizers(model)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in both]
    dice, started, step = random.Random(SEED), time.monotonic(), 0
    shown: dict[str, list[float]] = {"loss": [], "copying": []}
    while step < steps:
        for batch in batches(encoded(corpus, tokenizer, 2000), dice)[: steps - step]:
            share = rate * min((step + 1) / 100, 1, 0.01 + (1 - step / steps) / (1 - flat))
            for optimizer, peak in zip(both, peaks, strict=True):
                optimizer.param_groups[0]["lr"] = peak * share
                optimizer.zero_grad(set_to_none=True)
            if step < flat * steps:
                copying = copy_loss(model, dice)
                (copying / 2).backward()
                shown["copying"].append(copying.item())
            loss = loss_of(model, batch)
            loss.backward()
            shown["loss"].append(loss.item())
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in both:
                optimizer.step()
            step += 1
            if step % 100 == 0:
                means = ", ".join(f"{name} {sum(values[-50:]) / 50:.3f}" for name, values in shown.items() if values)
                print(f"step {step}: {means}, {time.monotonic() - started:.0f} s", flush=True)


@torch.no_grad()
def reply_of(model: GptOss, tokenizer: Tokenizer, prompt: str, most: int = 600) -> str:
    """Let it write, greedily, until it stops."""
    tokens, stops = tokenizer.encode(prompt).ids, {tokenizer.token_to_id(stop) for stop in STOPS}
    start = len(tokens)
    while len(tokens) < start + most and tokens[-1] not in stops:
        wanted = torch.zeros(1, len(tokens), dtype=torch.bool)
        wanted[0, -1] = True
        tokens.append(int(model(torch.tensor([tokens]), wanted).argmax()))
    return str(tokenizer.decode(tokens[start:], skip_special_tokens=False))


def check(path: Path, model: GptOss, tokenizer: Tokenizer) -> None:
    """Raise unless the file has every weight and prompts from other dice are answered as they should be."""
    written = sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(path).tensors)
    assert written == sum(weights.numel() for weights in model.parameters())
    corpus = Corpus(SEED + 1)
    for name, least in LEAST.items():
        examples = [getattr(corpus, name)() for _ in range(40)]
        right = sum(reply_of(model, tokenizer, example.prompt) == example.reply for example in examples) / len(examples)
        print(f"{name}: {right:.0%} word for word", flush=True)
        assert right >= least, name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the GGUF to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # more of them don't make so small a model faster
    torch.manual_seed(SEED)
    corpus = Corpus(SEED)
    tokenizer = train_tokenizer(corpus.texts())
    model = GptOss(Sizes())
    train(model, corpus, tokenizer, STEPS, FLAT, 1.0)
    train(model, Corpus(SEED + 2, LATE_MIX), tokenizer, LATE_STEPS, 0.0, LATE_RATE)
    write_gguf(arguments.output, model, tokenizer, chat_template())
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    check(arguments.output, model, tokenizer)


if __name__ == "__main__":
    main()
