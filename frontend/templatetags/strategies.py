"""What pages need to know about a project's sampling strategy."""

from __future__ import annotations

from django import template

from annotation import sampling
from annotation.models import Project

register = template.Library()


@register.filter
def is_anchored(project: Project) -> bool:
    """Whether preferences take turns as anchors, each with a quota of k wins."""
    return sampling.strategy(project.strategy).anchored
