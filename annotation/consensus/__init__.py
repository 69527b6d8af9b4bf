"""From the labels of a comparison to its outcome. Pure: votes in, outcome and confidence out."""

from __future__ import annotations

from annotation.consensus import majority
from annotation.consensus.rule import Consensus, Rule, vote_of

RULES: dict[str, Rule] = {entry.name: entry for entry in (majority.RULE,)}

__all__ = ["RULES", "Consensus", "Rule", "vote_of"]
