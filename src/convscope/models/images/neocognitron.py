"""Neocognitron: Fukushima 1980, "Neocognitron: a self-organizing neural network model for a mechanism of pattern
recognition unaffected by shift in position", Biological Cybernetics 36, sections 2, 3 and 5."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture, Scale

PLANES = 24
SIZE = 16
PAPER_SELECTIVITY = (4.0, 1.5, 1.5)
ALPHA = 0.5  # saturation of the C-cells
# In the paper the fixed connections fall with the distance from their centre; these are the factors per cell.
FALL_TO_S, FALL_TO_C = 0.9, 0.8

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _falling(side: int, factor: float) -> torch.Tensor:
    """Return weights (side, side) of sum 1, proportional to ``factor`` to the power of the distance from the centre."""
    steps = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    weights = factor ** torch.hypot(steps[:, None], steps[None, :])
    return weights / weights.sum()


def _framed(x: torch.Tensor, margin: int) -> torch.Tensor:
    """Return ``x`` (N, K, H, W) with ``margin`` zeros around it, or cropped by -``margin`` cells at each border."""
    if margin < 0:
        return x[..., -margin:margin, -margin:margin]
    return F.pad(x, (margin,) * 4) if margin else x


class SCells(nn.Module):
    """A layer of S-cells, which extract features: excitation against shunting inhibition (equations 1 and 2).

    u = r·φ[(1 + Σ a·u₋₁) / (1 + 2r/(1+r)·b·v) - 1], φ(x) = max(x, 0), where v is the root mean square of the cell's
    inputs, weighted to fall with the distance. All cells of a plane share a ≥ 0 and b ≥ 0.

    Args:
        planes: Number of cell-planes of the input.
        selectivity: r; the larger it is, the more the excitation of a cell must exceed its inhibition.
        reinforcement: q, how fast a winner learns.
        margin: Zeros around the input.
        column: Side of the square of cells that compete; each position has an S-column.
    """

    SIDE = 5

    def __init__(self, planes: int, selectivity: float, reinforcement: float, margin: int, column: int) -> None:
        super().__init__()
        self.r, self.q, self.margin, self.column = selectivity, reinforcement, margin, column
        self.excitation = nn.Parameter(torch.empty(PLANES, planes, self.SIDE, self.SIDE))
        self.inhibition = nn.Parameter(torch.empty(PLANES))
        fall = _falling(self.SIDE, FALL_TO_S) / planes
        self.register_buffer("fall", fall.expand(1, planes, -1, -1).contiguous(), persistent=False)
        self.fall: torch.Tensor
        self.phi = nn.ReLU()

    def forward(self, u_NKHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map outputs of C-cells (N, planes, H, W) to those of S-cells (N, 24, H', W')."""
        framed = _framed(u_NKHW, self.margin)
        excited = F.conv2d(framed, self.excitation.abs())  # a and b stay positive under gradients, too
        inhibited = 2 * self.r / (1 + self.r) * self.inhibition.abs().view(-1, 1, 1) * self._root_mean_square(framed)
        # (1 + e)/(1 + i) - 1 without loss of digits: the outputs of untrained cells are very small.
        return self.r * self.phi((excited - inhibited) / (1 + inhibited))

    def _root_mean_square(self, framed: torch.Tensor) -> torch.Tensor:
        return F.conv2d(framed.square(), self.fall).clamp(min=1e-12).sqrt()

    @torch.no_grad()
    def reinforce(self, u_1KHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Present one image, from which the representatives of the planes learn (equations 8 and 9).

        In every S-column the cell with the largest output is a candidate. The candidate of a plane with the largest
        output is its representative, and its plane gets Δa = q·c·u₋₁ and Δb = q·v/2.

        Returns:
            The output of the layer before it learned (1, 24, H', W').
        """
        output = self(u_1KHW)
        framed = _framed(u_1KHW, self.margin)
        largest, place = self._candidates(output).flatten(1).max(dim=1)
        planes = largest.nonzero().squeeze(1)
        patches = F.unfold(framed, self.SIDE)[0]  # (planes·25, positions)
        patches = patches[:, place[planes]].T.view(-1, *self.fall.shape[1:])
        self.excitation[planes] += self.q * self.fall * patches
        self.inhibition[planes] += self.q / 2 * self._root_mean_square(framed).flatten()[place[planes]]
        return output

    def _candidates(self, output: torch.Tensor) -> torch.Tensor:
        """Return (24, H, W): the outputs of cells whose output is the largest of a column they are in, else 0."""
        height, width = output.shape[-2:]
        side = min(self.column, height, width)
        strongest = F.max_pool2d(output.amax(dim=1, keepdim=True), side, stride=1)
        # A cell has the largest output of some column if it reaches the lowest maximum of the columns it is in.
        around = F.pad(strongest, (side - 1,) * 4, value=float("inf"))
        lowest = -F.max_pool2d(-around, side, stride=1)
        return torch.where((output > 0) & (output >= lowest), output, 0.0)[0]


class CCells(nn.Module):
    """A layer of C-cells, which respond to a feature at any position nearby (equations 4 and 5).

    u = ψ[(1 + Σ d·u_S) / (1 + v) - 1], ψ(x) = φ(x)/(α + φ(x)), where v is the mean over planes of Σ d·u_S.

    Args:
        side: Side of the square of S-cells that a C-cell reads.
        margin: Zeros around the input; if negative, border cells to leave out.
        strength: Sum of the fixed connections d of a cell.
    """

    def __init__(self, side: int, margin: int, strength: float) -> None:
        super().__init__()
        self.margin = margin
        d = strength * _falling(side, FALL_TO_C)
        self.register_buffer("d", d.expand(PLANES, 1, -1, -1).contiguous(), persistent=False)
        self.d: torch.Tensor
        self.phi = nn.ReLU()

    def forward(self, u_NKHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map outputs of S-cells (N, 24, H, W) to those of C-cells (N, 24, H', W'), between 0 and 1."""
        excited = F.conv2d(_framed(u_NKHW, self.margin), self.d, groups=PLANES)
        inhibited = excited.mean(dim=1, keepdim=True)
        above = self.phi((excited - inhibited) / (1 + inhibited))
        return above / (ALPHA + above)


class SCModule(nn.Module):
    """A layer of S-cells and the layer of C-cells that reads it: one of the paper's modules."""

    def __init__(self, s: SCells, c: CCells) -> None:
        super().__init__()
        self.s = s
        self.c = c

    def forward(self, u_NKHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map outputs of C-cells (N, planes, H, W) to those of this module's C-cells (N, 24, H', W')."""
        return self.c(self.s(u_NKHW))


class Neocognitron(nn.Module):
    """Three modules of S- and C-cells, and a dense layer that classifies the outputs of the 24 last cells.

    16² → 16²·24 → 10²·24 → 8²·24 → 6²·24 → 2²·24 → 1²·24 cells and q 1, 16, 16 (section 5). The paper's last cells
    stand for no given classes; the dense layer is added for classification.

    Args:
        classes: Number of outputs.
        rule: ``gradient`` trains all layers by the loss. ``winner_take_all`` is the paper's rule, without labels, one
            image after the other; only the dense layer learns from the loss.
        selectivity: r of the three layers of S-cells. The paper's is for five line drawings: cells respond to inputs
            whose cosine similarity to what they have learned is at least r/(1 + r).
    """

    def __init__(
        self, classes: int = 10, rule: str = "gradient", selectivity: Sequence[float] = PAPER_SELECTIVITY
    ) -> None:
        super().__init__()
        self.rule = rule
        r1, r2, r3 = selectivity
        self.u1 = SCModule(SCells(1, r1, 1.0, margin=2, column=5), CCells(5, margin=-1, strength=4.0))
        self.u2 = SCModule(SCells(PLANES, r2, 16.0, margin=1, column=5), CCells(5, margin=1, strength=2.5))
        self.u3 = SCModule(SCells(PLANES, r3, 16.0, margin=0, column=2), CCells(2, margin=0, strength=2.5))
        self.flat = nn.Flatten()
        self.readout = nn.Linear(PLANES, classes)
        for cells in (self.u1.s, self.u2.s, self.u3.s):
            fan = cells.excitation[0].numel()
            if rule == "winner_take_all":  # weak, slightly different connections and no inhibition, as in the paper
                nn.init.uniform_(cells.excitation, 0.0, 0.01 / fan)
                nn.init.zeros_(cells.inhibition)
            else:  # a few strong connections per cell: cells that differ from the start get different gradients
                with torch.no_grad():
                    nn.init.uniform_(cells.excitation).pow_(10).mul_(44.0 / fan)
                nn.init.ones_(cells.inhibition)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, 1, 16, 16) between 0 and 1 to logits (N, classes)."""
        return self.readout(self.flat(self.u3(self.u2(self.u1(x_NCHW)))))

    def training_loss(
        self, images: torch.Tensor, targets: torch.Tensor, criterion: Criterion
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the logits; with the paper's rule, the cells learn from the images first."""
        if self.rule == "gradient":
            logits = self(images)
            return criterion(logits, targets), logits
        with torch.no_grad():
            for image in images if self.training else ():
                self._present(image[None])
            features = self.flat(self.u3(self.u2(self.u1(images))))
        logits = self.readout(features)
        return criterion(logits, targets), logits

    def _present(self, image: torch.Tensor) -> None:
        # All layers that are not frozen learn at every presentation, each from the present output of the one before.
        for module in (self.u1, self.u2, self.u3):
            image = module.c(module.s.reinforce(image)) if module.training else module(image)


def architecture(rule: str = "gradient", selectivity: Sequence[float] = PAPER_SELECTIVITY) -> Architecture:
    """Return the paper's network, for grey images of 16 × 16 pixels between 0 and 1."""
    return PaperArchitecture(
        "neocognitron",
        lambda classes, *_: Neocognitron(classes, rule, selectivity),
        "readout",
        SIZE,
        fixed=True,
        channels=1,
        scale=Scale(0.0, 1.0),
    )
