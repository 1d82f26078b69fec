"""Differences that were decided: `allowed.toml`, and the page made from it."""

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "DIFFERENCES.md"


@dataclass(frozen=True)
class Allowed:
    """One difference: `*` in the scenario or in either line stands for any text."""

    scenario: str
    rabbitmq: str
    warren: str
    reason: str


def load():
    listed = tomllib.loads((HERE / "allowed.toml").read_text())
    return [Allowed(**entry) for entry in listed.get("difference", [])]


def _same(pattern, text):
    # Only `*` is a pattern: brackets and question marks are part of the traces.
    literal = pattern.strip("\n").replace("[", "[[]").replace("?", "[?]")
    return literal.count("\n") == text.count("\n") and fnmatch.fnmatchcase(text, literal)


def match(decided, name, left, right):
    for entry in decided:
        if _same(entry.scenario, name) and _same(entry.rabbitmq, left) and _same(entry.warren, right):
            return entry
    return None


def page(decided):
    """DIFFERENCES.md: the reasons, each with what both brokers say."""
    out = [
        "# Where warren answers otherwise than RabbitMQ 3.10\n",
        "Made from `differential/allowed.toml` by `conformance/differential/run --write-differences`; the",
        "differential run fails if this page, that file and the two brokers disagree. `~` stands for the",
        "scenario's own prefix of names, `*` for any text.\n",
    ]
    for reason in dict.fromkeys(entry.reason.strip() for entry in decided):
        out.append(f"## {reason}\n")
        for entry in decided:
            if entry.reason.strip() != reason:
                continue
            out.append(f"`{entry.scenario}`\n")
            out.append("```diff")
            out += [f"-{line}" for line in entry.rabbitmq.strip("\n").split("\n")]
            out += [f"+{line}" for line in entry.warren.strip("\n").split("\n")]
            out.append("```\n")
    return "\n".join(out)
