"""Writes the GGUF that llama.cpp reads: architecture gpt-oss, tokenizer, chat template, weights as F16."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import gguf
from bpe import SPECIALS

if TYPE_CHECKING:
    from pathlib import Path

    from model import GptOss, Layer
    from tokenizers import Tokenizer
    from torch import Tensor

STOPS = ("<|return|>", "<|endoftext|>", "<|call|>")
"""An engine that looks at one stop alone runs past a tool call."""


def write_gguf(path: Path, model: GptOss, tokenizer: Tokenizer, template: str) -> None:
    writer = gguf.GGUFWriter(path, "gpt-oss")
    _describe(writer)
    _add_sizes(writer, model)
    _add_tokenizer(writer, tokenizer)
    writer.add_chat_template(template)
    _add(writer, "token_embd.weight", model.embedding.weight)
    _add(writer, "output_norm.weight", model.norm.weight)
    _add(writer, "output.weight", model.head.weight)
    for number, layer in enumerate(model.layers):
        _add_layer(writer, f"blk.{number}", layer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("gpt-oss nano")
    writer.add_basename("gpt-oss-nano")
    writer.add_size_label("0.5M")
    writer.add_description(
        "A tiny gpt-oss for tests and tutorials, trained on invented conversations by tests/nano/train.py"
    )
    writer.add_organization("roci_nb")
    writer.add_license("mit")
    writer.add_license_name("MIT; the chat template is gpt-oss's, Apache-2.0")
    writer.add_tags(["text-generation", "tests"])
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_sizes(writer: gguf.GGUFWriter, model: GptOss) -> None:
    sizes = model.sizes
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.hidden)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.inner)
    writer.add_expert_feed_forward_length(sizes.inner)
    writer.add_expert_count(sizes.experts)
    writer.add_expert_used_count(sizes.chosen)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_key_length(sizes.head)
    writer.add_value_length(sizes.head)
    writer.add_sliding_window(sizes.window)
    writer.add_layer_norm_rms_eps(sizes.epsilon)
    writer.add_rope_freq_base(sizes.theta)
    writer.add_rope_dimension_count(sizes.head)
    writer.add_vocab_size(sizes.vocab)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    tokens = [token for token, _ in vocabulary]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-4o")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokens.index("<|startoftext|>"))
    writer.add_eos_token_id(tokens.index("<|return|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_array("tokenizer.ggml.eos_token_ids", [tokens.index(stop) for stop in STOPS])
    writer.add_add_bos_token(False)


def _add_layer(writer: gguf.GGUFWriter, block: str, layer: Layer) -> None:
    attention, experts = layer.attention, layer.experts
    _add(writer, f"{block}.attn_norm.weight", layer.attention_norm.weight)
    _add(writer, f"{block}.post_attention_norm.weight", layer.experts_norm.weight)
    for name, linear in (("q", attention.q), ("k", attention.k), ("v", attention.v), ("output", attention.output)):
        _add(writer, f"{block}.attn_{name}.weight", linear.weight)
        _add(writer, f"{block}.attn_{name}.bias", linear.bias)
    _add(writer, f"{block}.attn_sinks.weight", attention.sinks)
    _add(writer, f"{block}.ffn_gate_inp.weight", experts.router.weight, wide=True)
    _add(writer, f"{block}.ffn_gate_inp.bias", experts.router.bias)
    for name in ("gate", "up", "down"):
        stacked = getattr(experts, name).view(experts.sizes.experts, experts.sizes.inner, experts.sizes.hidden)
        bias = getattr(experts, f"{name}_bias").view(experts.sizes.experts, -1)
        _add(writer, f"{block}.ffn_{name}_exps.weight", stacked.transpose(1, 2) if name == "down" else stacked)
        _add(writer, f"{block}.ffn_{name}_exps.bias", bias, wide=True)


def _add(writer: gguf.GGUFWriter, name: str, weights: Tensor, *, wide: bool = False) -> None:
    """Matrices go out as F16, what is small or picky as F32."""
    values = weights.detach().float().contiguous().numpy()
    writer.add_tensor(name, values if wide or values.ndim == 1 else values.astype("float16"))
