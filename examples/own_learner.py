"""A decoder in the style of Hugging Face's as a learner: check it, train it on a summary, rank a log with it.

    python examples/own_learner.py SUMMARY LOG      for instance: runs/demo/summary ml-100k

`Decoder` is what such libraries give you: it takes `inputs_embeds` and `attention_mask` and returns an object with
`last_hidden_state`; its normalisation computes in single precision, and rotary positions stand where a table of
positions would. It knows nothing of seqdistill. `DecoderLearner` is all there is to write: a width, a length, and a
`forward` that passes the embedded items and the mask on. From the command line the same is

    seqdistill check examples.own_learner:DecoderLearner
    seqdistill train SUMMARY --learner examples.own_learner:DecoderLearner --out MODEL
"""

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import seqdistill


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder."""

    hidden_size: int
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int = 64
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6


@dataclass(frozen=True)
class DecoderOutput:
    """What a decoder returns."""

    last_hidden_state: Tensor


class RMSNorm(nn.Module):
    """x / rms(x), times a gain; in single precision whatever the precision of x."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[..., width] -> the same."""
        x = hidden_states.float()
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * x.to(hidden_states.dtype)


class Attention(nn.Module):
    """Causal attention with rotary positions, written out: fused kernels have no second derivative."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.head_width = width // self.heads
        self.theta = config.rope_theta
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, hidden_states: Tensor, visible: Tensor) -> Tensor:
        """`visible` [batch, 1, positions, positions] is True where a row may read a column."""
        batch, positions, width = hidden_states.shape
        shape = (batch, positions, self.heads, self.head_width)
        query, key, value = (
            project(hidden_states).view(shape).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        scores = self._rotated(query) @ self._rotated(key).mT / self.head_width**0.5
        weights = scores.masked_fill(~visible, torch.finfo(scores.dtype).min).softmax(-1)
        return self.o_proj((weights @ value).transpose(1, 2).reshape(batch, positions, width))

    def _rotated(self, x: Tensor) -> Tensor:
        half = self.head_width // 2
        frequencies = self.theta ** (-torch.arange(half, device=x.device) / half)
        angles = torch.arange(x.shape[2], device=x.device)[:, None] * frequencies
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = x[..., :half], x[..., half:]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class DecoderLayer(nn.Module):
    """Attention and a gated network, each with a normalisation before it and a residual sum."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.self_attn = Attention(config)
        self.input_layernorm = RMSNorm(width, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(width, config.rms_norm_eps)
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden_states: Tensor, visible: Tensor) -> Tensor:
        """[batch, positions, width] -> the same."""
        hidden_states = hidden_states + self.self_attn(self.input_layernorm(hidden_states), visible)
        normed = self.post_attention_layernorm(hidden_states)
        return hidden_states + self.down_proj(nn.functional.silu(self.gate_proj(normed)) * self.up_proj(normed))


class Decoder(nn.Module):
    """Layers and a last normalisation; it never looks tokens up, but takes them embedded."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor) -> DecoderOutput:
        """[batch, positions, width] and [batch, positions], nonzero at real positions."""
        positions = inputs_embeds.shape[1]
        causal = torch.ones(positions, positions, dtype=torch.bool, device=inputs_embeds.device).tril()
        visible = causal & attention_mask.bool()[:, None, None]
        hidden_states = inputs_embeds
        for layer in self.layers:
            hidden_states = layer(hidden_states, visible)
        return DecoderOutput(self.norm(hidden_states))


class DecoderLearner(nn.Module):
    """The decoder as a learner. It is causal, which is what a learner without a `view` is taken to be."""

    def __init__(self, dim: int, length: int, *, layers: int = 2, heads: int = 2) -> None:
        super().__init__()
        self.dim, self.length = dim, length
        self.decoder = Decoder(DecoderConfig(dim, num_hidden_layers=layers, num_attention_heads=heads))

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Embedded items [batch, positions, dim], padded on the right, and their mask -> states of the same shape."""
        return self.decoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state


def main() -> None:
    """Check, train, evaluate."""
    parser = argparse.ArgumentParser(description="Train a decoder on a summary and rank a log with it.")
    parser.add_argument("summary")
    parser.add_argument("log")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()

    print(seqdistill.check_learner(DecoderLearner(dim=16, length=12)))
    learner = "examples.own_learner:DecoderLearner"
    for regime in ("shared", "fresh"):
        settings = [f"train.learner={learner}", f"train.regime={regime}", f"train.steps={arguments.steps}"]
        model = seqdistill.train(arguments.summary, config=seqdistill.load_config(None, settings))
        metrics = seqdistill.evaluate(model, arguments.log)["metrics"]
        print(f"{regime}: test NDCG@10 {metrics['ndcg@10']:.4f}")


if __name__ == "__main__":
    main()
