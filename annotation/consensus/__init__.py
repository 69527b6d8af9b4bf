"""From the labels of a comparison to its outcome. Pure: votes in, outcome and confidence out.

`majority` looks at one comparison at a time, so it is known the moment a label comes in. The joint rules look
at all votes of a project at once; a freeze applies them.
"""

from __future__ import annotations

from annotation.consensus import dawid_skene, majority, noisy_bradley_terry, weighted
from annotation.consensus.joint import Votes
from annotation.consensus.rule import Consensus, JointRule, Rule, vote_of

JOINT: dict[str, JointRule] = {
    entry.name: entry for entry in (weighted.RULE, dawid_skene.RULE, noisy_bradley_terry.RULE)
}
RULES: dict[str, Rule | JointRule] = {majority.RULE.name: majority.RULE, **JOINT}

__all__ = ["JOINT", "RULES", "Consensus", "JointRule", "Rule", "Votes", "vote_of"]
