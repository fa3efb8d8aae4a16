"""A gpt-oss in plain PyTorch, small enough to read: the same sums as llama.cpp's ``gpt-oss`` graph.

Attention with learned sinks, sliding in every even layer; a mixture of experts with clamped SwiGLU. All experts
are computed and the unchosen ones weighted with zero: at this size that is faster than gathering.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LIMIT, ALPHA = 7.0, 1.702
"""Of the clamped SwiGLU, as llama.cpp has them built in."""


@dataclass(frozen=True)
class Sizes:
    """The shape of the model; the defaults are the nano's."""

    vocab: int = 1024
    hidden: int = 96
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head: int = 32
    experts: int = 4
    chosen: int = 2
    inner: int = 96
    window: int = 128
    context: int = 131_072
    theta: float = 150_000.0
    epsilon: float = 1e-5


class RmsNorm(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sizes.hidden))
        self.epsilon = sizes.epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight, self.epsilon)


class Attention(nn.Module):
    def __init__(self, sizes: Sizes, window: int | None) -> None:
        super().__init__()
        self.sizes, self.window = sizes, window
        self.q = nn.Linear(sizes.hidden, sizes.heads * sizes.head)
        self.k = nn.Linear(sizes.hidden, sizes.kv_heads * sizes.head)
        self.v = nn.Linear(sizes.hidden, sizes.kv_heads * sizes.head)
        self.output = nn.Linear(sizes.heads * sizes.head, sizes.hidden)
        self.sinks = nn.Parameter(torch.zeros(sizes.heads))

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], hidden_keys: Tensor) -> Tensor:
        batch, length, _ = x.shape
        shape = (batch, length, -1, self.sizes.head)
        q = rotate(self.q(x).view(shape).transpose(1, 2), rotation)
        k = rotate(self.k(x).view(shape).transpose(1, 2), rotation)
        v = self.v(x).view(shape).transpose(1, 2)
        groups = self.sizes.heads // self.sizes.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        scores = (q @ k.transpose(2, 3)) * self.sizes.head**-0.5 + hidden_keys
        sinks = self.sinks.view(1, -1, 1, 1).expand(batch, -1, length, 1)
        weights = torch.cat([scores, sinks], -1).softmax(-1)[..., :-1]
        return self.output((weights @ v).transpose(1, 2).reshape(batch, length, -1))


class Experts(nn.Module):
    """Each of ``gate``, ``up`` and ``down`` holds the experts' matrices one above the other, inner by hidden."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.router = nn.Linear(sizes.hidden, sizes.experts)
        rows = sizes.experts * sizes.inner
        self.gate, self.up, self.down = (nn.Parameter(torch.empty(rows, sizes.hidden)) for _ in range(3))
        self.gate_bias = nn.Parameter(torch.zeros(rows))
        self.up_bias = nn.Parameter(torch.zeros(rows))
        self.down_bias = nn.Parameter(torch.zeros(sizes.experts, sizes.hidden))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        logits = self.router(flat)
        best, index = logits.topk(self.sizes.chosen, -1)
        shares = torch.zeros_like(logits).scatter(1, index, best.softmax(-1))
        gate = functional.linear(flat, self.gate, self.gate_bias).clamp(max=LIMIT)
        up = functional.linear(flat, self.up, self.up_bias).clamp(-LIMIT, LIMIT)
        inner = (up + 1) * gate * torch.sigmoid(gate * ALPHA)
        inner = inner.view(-1, self.sizes.experts, self.sizes.inner) * shares[..., None]
        return (inner.flatten(1) @ self.down + shares @ self.down_bias).view_as(x)


class Layer(nn.Module):
    def __init__(self, sizes: Sizes, window: int | None) -> None:
        super().__init__()
        self.attention_norm, self.experts_norm = RmsNorm(sizes), RmsNorm(sizes)
        self.attention, self.experts = Attention(sizes, window), Experts(sizes)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], hidden_keys: Tensor, wanted: Tensor | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation, hidden_keys)
        x = x if wanted is None else x[wanted]
        return x + self.experts(self.experts_norm(x))


class GptOss(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocab, sizes.hidden)
        self.layers = nn.ModuleList(
            Layer(sizes, sizes.window if number % 2 == 0 else None) for number in range(sizes.layers)
        )
        self.norm = RmsNorm(sizes)
        self.head = nn.Linear(sizes.hidden, sizes.vocab, bias=False)
        for name, weights in self.named_parameters():
            if weights.dim() > 1 and "bias" not in name:
                nn.init.normal_(weights, std=0.05)

    def forward(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Return the logits at the wanted places of (batch, length), one row for each."""
        length = tokens.shape[1]
        rotation = self.rotation(length)
        behind = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        x = self.embedding(tokens)
        for layer in self.layers:
            seen = behind >= 0
            if layer.attention.window is not None:
                seen &= behind < layer.attention.window
            hidden_keys = torch.zeros(length, length).masked_fill(~seen, float("-inf"))
            x = layer(x, rotation, hidden_keys, wanted if layer is self.layers[-1] else None)
        return self.head(self.norm(x))

    def rotation(self, length: int) -> tuple[Tensor, Tensor]:
        half = torch.arange(0, self.sizes.head, 2) / self.sizes.head
        angles = torch.arange(length)[:, None] / self.sizes.theta ** half[None, :]
        return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rotation
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
