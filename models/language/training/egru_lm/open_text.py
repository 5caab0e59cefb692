"""Turns freely usable English prose into a tokenised corpus in the WikiText layout.

Why: WikiText-2 is CC BY-SA and cannot be shipped with a permissive demo. Public-domain prose can.
The output is train.tokens, valid.tokens and test.tokens: one sentence a line, tokens separated by
blanks, rare words already replaced by <unk>, so everything downstream sees one format.

Rules, in order: lower case; typographic quotes and dashes become ASCII; a number becomes <num>;
abbreviations of ABBREVIATIONS keep their full stop; every other punctuation mark is a token; a
sentence ends after . ! or ? (and a closing quote right behind it); lines with fewer than two words
and chapter headings are dropped. A text is cut into blocks of 200 sentences; of every 20 blocks the
10th goes to valid and the 20th to test, so each text is in all three parts.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

ABBREVIATIONS = ("mr.", "mrs.", "ms.", "dr.", "st.", "messrs.", "capt.", "col.", "gen.", "rev.")
BLOCK_SENTENCES = 200
BLOCKS_PER_CYCLE = 20

_ASCII = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": " - ", "–": " - ", "_": " "})
_TOKEN = re.compile(
    "|".join(re.escape(a) for a in ABBREVIATIONS)
    + r"|\$?\d[\d,.]*\d|\d+|[a-z]+(?:'[a-z]+)?|--+|[.,;:!?\"'()\-&%]"
)
_NUMBER = re.compile(r"\$?\d")
_HEADING = re.compile(r"^(chapter|volume|book|epilogue|etymology|extracts)\b.{0,60}$")


def tokenise(text: str) -> list[str]:
    """Tokens of one paragraph, by the rules above."""
    tokens = []
    for token in _TOKEN.findall(text.lower().translate(_ASCII)):
        if _NUMBER.match(token):
            token = "<num>"
        elif token.startswith("--"):
            token = "-"
        tokens.append(token)
    return tokens


def sentences(tokens: list[str]) -> Iterator[list[str]]:
    """Cuts a paragraph after each end mark, a closing quote included."""
    start = 0
    for i, token in enumerate(tokens):
        follower = tokens[i + 1] if i + 1 < len(tokens) else ""
        if token in ".!?" and follower not in (*".!?", '"', "'", ")"):
            yield tokens[start : i + 1]
            start = i + 1
        elif token in "\"')" and i > start and tokens[i - 1] in ".!?":
            yield tokens[start : i + 1]
            start = i + 1
    if start < len(tokens):
        yield tokens[start:]


def text_sentences(text: str) -> Iterator[list[str]]:
    """All sentences of a text; blank lines separate paragraphs."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r", "")):
        joined = " ".join(paragraph.split())
        if _HEADING.match(joined.lower()):
            continue
        for sentence in sentences(tokenise(joined)):
            if sum(token[0].isalpha() for token in sentence) >= 2:
                yield sentence


def split(all_sentences: Iterable[list[str]]) -> dict[str, list[list[str]]]:
    """Deterministic split of one text by blocks of sentences."""
    parts: dict[str, list[list[str]]] = {"train": [], "valid": [], "test": []}
    for i, sentence in enumerate(all_sentences):
        place = (i // BLOCK_SENTENCES) % BLOCKS_PER_CYCLE
        name = "valid" if place == 9 else "test" if place == 19 else "train"
        parts[name].append(sentence)
    return parts


def build(texts: list[str], vocabulary_size: int) -> dict[str, list[list[str]]]:
    """Split of all texts, words outside the most frequent ones replaced by <unk>.

    The vocabulary is counted on the training part alone; two places are kept for <unk> and <eos>.
    """
    parts: dict[str, list[list[str]]] = {"train": [], "valid": [], "test": []}
    for text in texts:
        for name, part in split(text_sentences(text)).items():
            parts[name].extend(part)
    counts = Counter(token for sentence in parts["train"] for token in sentence)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = {token for token, _ in ranked[: vocabulary_size - 2]}
    return {
        name: [[t if t in known else "<unk>" for t in sentence] for sentence in part]
        for name, part in parts.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=6000)
    parser.add_argument("texts", type=Path, nargs="+", help="text files, or folders of *.txt")
    arguments = parser.parse_args()
    texts = []
    for path in arguments.texts:
        files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        texts.append("\n\n".join(file.read_text(encoding="utf-8") for file in files))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, part in build(texts, arguments.vocabulary).items():
        lines = "".join(" ".join(sentence) + "\n" for sentence in part)
        (arguments.out / f"{name}.tokens").write_text(lines, encoding="utf-8")
        words = sum(map(len, part))
        unknown = sum(sentence.count("<unk>") for sentence in part)
        print(f"{name}: {len(part)} lines, {words} tokens, {unknown / words:.2%} <unk>")


if __name__ == "__main__":
    main()
