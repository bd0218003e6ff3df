"""``convscope explain topic=max_pool``: the backward pass of a max pooling, step by step."""

from collections.abc import Sequence
from pathlib import Path

import torch

from convscope.config.commands.explain import ExplainConfig, MaxPoolConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.figures.max_pool import max_pool_figure
from convscope.inference.explain import create_folder
from convscope.insight.max_pool import route
from convscope.runs.run_folder import RunFolder

LECTURE = ([[2, 4, 8, 3, 6], [9, 3, 4, 2, 5], [5, 4, 6, 3, 1], [2, 3, 1, 3, 4], [2, 7, 4, 5, 7]], 3, 1, 0, 1)
LECTURE_DERIVATIVES = [[1, 3, 1], [1, 4, 2], [6, 2, 1]]
MAX_CELLS = 400  # numbers of the matrix; a larger one is too long to print


def explain_topic(config: ExplainConfig) -> None:
    """Explain the example of ``topic=max_pool`` in a new folder, which is removed again if that fails.

    Raises:
        UserError: The folder exists and is not empty, or the matrix does not suit the window.
    """
    folder = create_folder(config.folder, Path("outputs"), config.topic)
    try:
        echo(f"\nfigure  {explain_max_pool(config.max_pool, folder)}")
    except UserError:
        folder.rmdir()
        raise


def explain_max_pool(config: MaxPoolConfig, folder: Path) -> Path:
    """Print the forward pass, the maximum of each window, and how the derivatives add up.

    Args:
        config: The matrix, the derivatives of the output, and the window.
        folder: Folder for the figure.

    Returns:
        The path of the figure.

    Raises:
        UserError: The rows of the matrix differ in length, the matrix is too large to print, or the window does not
            fit into it.
    """
    inputs = torch.tensor(_require_rectangle("max_pool.matrix", config.matrix), dtype=torch.float64)
    if inputs.numel() > MAX_CELLS:
        raise UserError(f"max_pool.matrix: has {inputs.numel()} numbers; up to {MAX_CELLS} can be read step by step")
    routing = route(inputs, config.kernel, config.stride, config.padding, config.dilation)
    shape = tuple(routing.output.shape)
    rows: Sequence[Sequence[float]] | None = config.derivatives
    if rows is None:
        settings = (config.matrix, config.kernel, config.stride, config.padding, config.dilation)
        rows = LECTURE_DERIVATIVES if settings == LECTURE else [[1.0] * shape[1]] * shape[0]
    derivatives = torch.tensor(_require_rectangle("max_pool.derivatives", rows), dtype=torch.float64)
    routed = routing.backward(derivatives)

    echo(f"input {inputs.shape[0]}×{inputs.shape[1]}")
    echo(_format_matrix(inputs.tolist()))
    padded = f", padding {config.padding}" if config.padding else ""
    dilated = f", dilation {config.dilation}" if config.dilation > 1 else ""
    echo(
        f"\nforward: the maximum of each {config.kernel}×{config.kernel} window, stride {config.stride}"
        f"{padded}{dilated}"
    )
    echo(_format_matrix(routing.output.tolist()))
    echo("\nderivatives of the output")
    echo(_format_matrix(derivatives.tolist()))
    echo("\nbackward: each output passes its derivative to the largest input of its window (of equals, the first)")
    sums: dict[tuple[int, int], list[float]] = {}
    for row in range(shape[0]):
        for column in range(shape[1]):
            winner = int(routing.rows[row, column]), int(routing.columns[row, column])
            terms = sums.setdefault(winner, [])
            terms.append(float(derivatives[row, column]))
            so_far = f"{' + '.join(f'{term:g}' for term in terms)} = {sum(terms):g}" if len(terms) > 1 else ""
            echo(
                f"  window ({row + 1}, {column + 1}): {inputs[winner]:g} in row {winner[0] + 1}, "
                f"column {winner[1] + 1} gets {derivatives[row, column]:g}" + (f"; in total {so_far}" if so_far else "")
            )
    echo("\nderivatives of the input")
    echo(_format_matrix(routed.tolist()))
    arrays = [tensor.numpy() for tensor in (inputs, routing.output, routing.winners, derivatives, routed)]
    figure = RunFolder(folder).write_figure("max_pool", max_pool_figure(*arrays))
    return figure.rename(folder / "max_pool.png")


def _require_rectangle(key: str, rows: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    """Return ``rows``; raise UserError if they differ in length."""
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise UserError(f"{key}: has rows of {' and '.join(map(str, lengths))} numbers; give all the same length")
    return rows


def _format_matrix(rows: Sequence[Sequence[float]]) -> str:
    cells = [[f"{value:g}" for value in row] for row in rows]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join("  " + " ".join(f"{cell:>{width}}" for cell in row) for row in cells)
