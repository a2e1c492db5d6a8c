"""Shorter ways to lay out and draw text with Pango, under the promise of `weasyprint_patches`.

WeasyPrint makes a Pango context for every piece of text and shapes each piece twice, to measure it and to draw it.
"""

from typing import Any

from weasyprint.text import fonts, line_break
from weasyprint.text.ffi import ffi, gobject, pango, unicode_to_char_p

Untyped = Any  # WeasyPrint's and pydyf's objects: neither library has types

_setup, _reactivate, _set_text, _strut = (
    line_break.Layout.setup,
    line_break.Layout.reactivate,
    line_break.Layout.set_text,
    line_break.strut,
)


def _set_up(self: Untyped, style: Untyped) -> None:
    """Set up a text layout with the Pango context that the style already has."""
    if style["text_decoration_line"] != "none":
        _setup(self, style)
        return
    ready = style.__dict__.get("pango")
    if ready is None:
        ready = style.pango = _prepared(style)
    self.style, self.first_line_direction, self.ascent = style, 0, None
    self.underline_position = self.strikethrough_position = None
    context, self.language, description, special = ready
    self.layout = ffi.gc(pango.pango_layout_new(context), gobject.g_object_unref)
    pango.pango_layout_set_auto_dir(self.layout, 0)
    pango.pango_layout_set_font_description(self.layout, description)
    if special:
        _setup(self, style)


def _prepared(style: Untyped) -> tuple[Untyped, Untyped, Untyped, bool]:
    """Return what `Layout.setup` makes for each text: context, language, description, if special."""
    context = ffi.gc(pango.pango_font_map_create_context(style.font_config.font_map), gobject.g_object_unref)
    pango.pango_context_set_round_glyph_positions(context, 0)
    pango.pango_context_set_base_dir(context, line_break.PANGO_DIRECTION[style["direction"]])
    if style["font_language_override"] == "normal" and style["lang"]:
        pointer, _kept = unicode_to_char_p(style["lang"])
        language = pango.pango_language_from_string(pointer)
        pango.pango_context_set_language(context, language)
    else:
        language = pango.pango_language_get_default()
    features = fonts.font_features(
        style["font_kerning"], style["font_variant_ligatures"], style["font_variant_position"],
        style["font_variant_caps"], style["font_variant_numeric"], style["font_variant_alternates"],
        style["font_variant_east_asian"], style["font_feature_settings"],
    )  # fmt: skip
    special = features or style["font_language_override"] != "normal"
    return context, language, line_break.get_font_description(style), bool(special)


def _keep(_self: Untyped) -> None:
    """Keep a measured layout for drawing; the document's end frees it."""


def _again(self: Untyped, style: Untyped) -> None:
    """Draw with the layout that was measured, instead of shaping the text a second time."""
    if self.justification_spacing:
        _reactivate(self, style)


def _text(self: Untyped, text: str, *others: Untyped, **named: Untyped) -> None:
    """Set a text in the mode in which it is drawn; changing the mode later shapes it again."""
    if "\n" not in text:
        pango.pango_layout_set_single_paragraph_mode(self.layout, 1)
    _set_text(self, text, *others, **named)


def strut(style: Untyped) -> Untyped:
    """Store a style's strut with the style: its key in the common cache is slow to make."""
    known = style.__dict__.get("strut")
    if known is None:
        known = style.strut = _strut(style)
    return known


def apply() -> None:
    """Replace WeasyPrint's functions by the faster ones."""
    layout = line_break.Layout
    layout.setup, layout.deactivate, layout.reactivate, layout.set_text = _set_up, _keep, _again, _text
