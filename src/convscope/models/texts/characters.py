"""The characters that the character-level networks of their papers know, and their one-hot code."""

import torch
import torch.nn.functional as F
from torch import nn

# Zhang, Zhao & LeCun 2015, section 2.2: 70 places, of which the hyphen has two; the last is the new line.
ZHANG_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{}\n"
# Conneau et al. 2017, section 3.1, without padding and unknown: with them 69 in all.
CONNEAU_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/|_#$%^&*~`+=<>()[]{} "


class OneHotCharacters(nn.Module):
    """Tokens (N, L) to one-hot vectors (N, L, places): nothing to train. Padding and unknown (0 and 1) are zeros.

    Token n + 2 is the n-th different character of ``alphabet``; a character that has two places there has the last.
    """

    def __init__(self, alphabet: str) -> None:
        super().__init__()
        places = len(alphabet)
        rows = torch.zeros(2 + len(set(alphabet)), places)
        for number, character in enumerate(dict.fromkeys(alphabet)):
            rows[number + 2, alphabet.rindex(character)] = 1.0
        self.rows: torch.Tensor
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Tokens (N, L) to (N, L, places)."""
        return F.embedding(tokens_NL, self.rows)
