"""LLaMA-2-7B as a module for the IPU planner: its layers and sizes, no weights.

    ionscreen accelerator plan examples/llama_on_ipus.py:llama_2_7b --predict --ipus 32 --precision fp16 --batch-size 64

The tensors lie on torch's meta device, so that 6.7 billion weights take no memory. One pass over a prompt is counted;
the cache of keys and values that generating tokens needs is not.
"""

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, HIDDEN, BLOCKS, WORDS = 4096, 32, 11008, 32, 32000
TOKENS = 512


class Attention(nn.Module):
    """Attention of all tokens to those before them, added to what comes in; and that normalised for what follows."""

    def __init__(self):
        super().__init__()
        self.norm, self.norm_after = (nn.Parameter(torch.ones(WIDTH)) for _ in range(2))
        self.query, self.key, self.value, self.out = (nn.Parameter(torch.empty(WIDTH, WIDTH)) for _ in range(4))

    def forward(self, x):
        batch, tokens, _ = x.shape
        y = normalised(x, self.norm)
        q, k, v = (
            functional.linear(y, w).reshape(batch, tokens, HEADS, -1).transpose(1, 2)
            for w in (self.query, self.key, self.value)
        )
        scores = torch.matmul(q, k.transpose(2, 3)) / (WIDTH // HEADS) ** 0.5
        later = torch.ones(tokens, tokens, device=x.device).triu(1) * -1e4
        mixed = torch.matmul(torch.softmax(scores + later, 3), v)
        x = x + functional.linear(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH), self.out)
        return x, normalised(x, self.norm_after)


class Llama(nn.Module):
    """Tokens -> logits. Rotating keys and queries, which has no weights and next to no work, is left out."""

    def __init__(self, blocks=BLOCKS):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.attention = nn.ModuleList(Attention() for _ in range(blocks))
        self.gate, self.up, self.down = (
            nn.ModuleList(nn.Linear(*sizes, bias=False) for _ in range(blocks))
            for sizes in ((WIDTH, HIDDEN), (WIDTH, HIDDEN), (HIDDEN, WIDTH))
        )
        self.norm = nn.Parameter(torch.ones(WIDTH))
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, tokens):
        x = self.words(tokens)
        for attention, gate, up, down in zip(self.attention, self.gate, self.up, self.down, strict=True):
            x, y = attention(x)
            x = x + down(functional.silu(gate(y)) * up(y))
        return self.head(normalised(x, self.norm))


def normalised(x, weight):
    """Return x over its root mean square."""
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * weight


def llama_2_7b(blocks=BLOCKS):
    """Return the module and two prompts."""
    with torch.device("meta"):
        return Llama(blocks), (torch.zeros(2, TOKENS, dtype=torch.int32),)
