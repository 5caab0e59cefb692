"""A model card from what a run recorded; it contains measured numbers only."""

from __future__ import annotations

from typing import Any

from .config import Run

_PROTOCOLS = (
    ("carried, batch 1", "test_carried_b1"),
    ("reset every {window} tokens, batch 1", "test_reset_b1"),
    ("carried, batched", "test_carried"),
    ("reset every {window} tokens, batched", "test_reset"),
    ("valid, carried, batched", "valid_carried"),
    ("valid, reset, batched", "valid_reset"),
)


def _list(values: list[float], digits: int = 3) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def _recipe(table: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines.append(f"{indent}- {key}:")
            lines.extend(_recipe(value, indent + "  "))
        elif value not in ("", ()):
            shown = " / ".join(map(str, value)) if isinstance(value, tuple) else value
            lines.append(f"{indent}- {key}: {shown}")
    return lines


def render(run: Run, recipe: dict[str, Any], results: dict[str, Any]) -> str:
    """Markdown. results holds scores by the keys above and facts about corpus, time and size."""
    window = run.save.reset_every
    lines = [f"# {run.name}", "", run.purpose or "(no purpose stated)", ""]
    facts = results["facts"]
    both = any("perplexity_calibrated" in score for score in results["scores"].values())
    title = " calibrated |" if both else ""
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += [
        "",
        "Perplexity per token, `<eos>` included. Carried: the state goes on between windows.",
        f"Reset: h (LSTM: c) restarts from zero every {window} tokens, y is carried.",
        "",
        f"| protocol | perplexity |{title} tokens | active units per layer | "
        "effective MACs per token |",
        f"|---|---|{'---|' if title else ''}---|---|---|",
    ]
    for label, key in _PROTOCOLS:
        if key in results["scores"]:
            s = results["scores"][key]
            calibrated = f" {s['perplexity_calibrated']:.2f} |" if both else ""
            lines.append(
                f"| {label.format(window=window)} | {s['perplexity']:.2f} |{calibrated} "
                f"{s['tokens']} | "
                f"{_list(s['active'])} | {s['macs'] / 1e6:.4f} M |"
            )
    first = next(iter(results["scores"].values()), None)
    if first is not None:
        lines += [
            "",
            f"Recurrent stack, MACs per token: {first['macs_dense'] / 1e6:.4f} M dense, "
            f"{first['macs_all_active'] / 1e6:.4f} M with the stored weights and every unit "
            "active. The embedding input of layer 1 counts as dense; the decoder is not included.",
        ]
    lines += ["", "## Recipe", "", *_recipe(recipe), ""]
    return "\n".join(lines)
