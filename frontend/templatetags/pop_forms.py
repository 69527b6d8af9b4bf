"""How a form field is rendered: its widget linked to its help and errors for screen readers."""

from __future__ import annotations

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def is_check(field: BoundField) -> bool:
    """A single checkbox stands before its label."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def with_aria(field: BoundField) -> SafeString:
    """The widget, with `aria-describedby` and `aria-invalid` as the field needs them."""
    described = []
    if field.help_text:
        described.append(f"{field.auto_id}_help")
    if field.errors:
        described.append(f"{field.auto_id}_errors")
    attrs = dict(field.field.widget.attrs)
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)
