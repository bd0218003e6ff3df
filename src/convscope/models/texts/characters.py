"""The alphabets of the papers' character-level networks, and the one-hot code of their characters."""

import torch
import torch.nn.functional as F
from torch import nn

# Zhang, Zhao & LeCun 2015, section 2.2: 70 characters, the hyphen twice; the last is the newline.
ZHANG_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{}\n"
# Conneau et al. 2017, section 3.1, without padding and unknown; with them there are 69.
CONNEAU_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/|_#$%^&*~`+=<>()[]{} "


class OneHotCharacters(nn.Module):
    """Maps tokens to one-hot vectors, without parameters; padding and unknown (0 and 1) become zeros.

    Token n + 2 is the n-th distinct character of ``alphabet``. Its one is at its place in ``alphabet``; a character
    that occurs twice there uses the last place.
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
        """Map tokens (N, L) to one-hot vectors (N, L, len(alphabet))."""
        return F.embedding(tokens_NL, self.rows)
