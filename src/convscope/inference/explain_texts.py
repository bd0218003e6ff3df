"""``convscope explain run=PATH text="not good at all"``: which words a text network answered for."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from convscope.callbacks.text_figures import explain_tokens
from convscope.config.explain import ExplainConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.figures.token_maps import AGAINST, FOR, TokenMap, token_figure, token_html
from convscope.inference.explanation_folder import explanation_folder
from convscope.insight.frozen_network import Score
from convscope.insight.saliency.token_saliency import find_method
from convscope.modalities.texts.trained import load_trained_text
from convscope.runs.run_folder import RunFolder

METHODS = ("input_x_gradient", "integrated_gradients")  # where none are named

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{body}
</body>
</html>
"""


def explain_text(config: ExplainConfig) -> None:
    """Explain ``config.text`` to a run that was trained on texts.

    Raises:
        UserError: There is no text, or no such run, method or class.
    """
    assert config.run is not None
    if config.text is None or config.images is not None:
        raise UserError('text: must be given for a run that was trained on texts, as in text="not good at all"')
    if config.target == "label":
        raise UserError("target=label: is not known of a text that was typed; name a class, or leave it out")
    target = None if config.target == "predicted" else str(config.target)
    folder = explanation_folder(config, Path(config.run).expanduser())
    try:
        explain_texts(
            Path(config.run).expanduser(),
            [config.text],
            config.method or METHODS,
            folder,
            target,
            config.checkpoint,
            config.score,
        )
    except UserError:
        folder.rmdir()
        raise


def explain_texts(
    run: Path,
    texts: Sequence[str],
    methods: Sequence[str],
    folder: Path,
    target: str | None = None,
    checkpoint: str = "best",
    score: Score = "logit",
) -> None:
    """Say what a run answers to ``texts`` and which of their words spoke for it; leave figures and a table behind.

    Args:
        run: The folder of a text run.
        texts: What is asked about.
        methods: Of ``insight.saliency.tokens``.
        into: The folder for ``media/<method>.png`` and ``.html``, and ``tables/tokens.csv``.
        target: The class that is asked for; None: the one that the network answers.
        checkpoint: ``best`` or ``last``.
        score: Of a class: its logit, its probability, or its own sigmoid.

    Raises:
        UserError: There is no such run, method or class.
    """
    for method in methods:
        find_method(method)
    trained = load_trained_text(run, checkpoint)
    if target is not None and target not in trained.classes:
        raise UserError(f"target={target}: the run knows no such class; it knows {', '.join(trained.classes)}")
    read = [trained.read(text) for text in texts]
    probabilities = trained.logits(read).softmax(dim=1)
    asked = probabilities.argmax(dim=1).tolist() if target is None else [trained.classes.index(target)] * len(texts)
    titles = [
        f"{trained.classes[row.argmax()]} {float(row.max()):.1%}"
        + ("" if target is None else f"; asked for {target}: {float(row[label]):.1%}")
        for row, label in zip(probabilities, asked, strict=True)
    ]
    into = RunFolder(folder)
    rows: list[list[object]] = []
    for method in methods:
        maps = explain_tokens(
            trained.network, read, asked, titles, trained.preprocessing.min_length, method=method, score=score
        )
        into.write_figure(method, token_figure(maps, method.replace("_", " ")))
        into.write_html(method, PAGE.format(title=method, body=token_html(maps)))
        for number, (each, text, label) in enumerate(zip(maps, read, asked, strict=True)):
            _print(each, method)
            rows += [
                [number, method, trained.classes[label], place, token, start, end, value]
                for place, (token, (start, end), value) in enumerate(
                    zip(each.tokens, text.spans, each.values, strict=True)
                )
            ]
    columns = ["text", "method", "class", "place", "token", "start", "end", "value"]
    into.write_table("tokens", columns, rows)
    echo(f"figures  {into.media}\ntable    {into.tables / 'tokens.csv'}")


def _print(each: TokenMap, method: str) -> None:
    line = Text()
    for token, share, gap in zip(each.tokens, each.shares, each.gaps, strict=True):
        line.append(" " if gap else "")
        red, green, blue = (round(255 - (255 - part) * abs(share) * 0.75) for part in (FOR if share >= 0 else AGAINST))
        line.append(token.replace("\0", "␀"), style=f"black on rgb({red},{green},{blue})")
    echo(f"{each.title}  ({method})")
    Console(highlight=False).print(line)
    echo("  ".join(f"{token} {value:+.3f}" for token, value in zip(each.tokens, each.values, strict=True)))
