"""The theme of the Document Center. Callbacks are dotted names: settings may not import apps."""

from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": _("Centro de documentos"),
    "SITE_HEADER": _("Centro de documentos"),
    "SITE_SUBHEADER": "billing-docs",
    "SITE_SYMBOL": "verified_user",
    "SITE_ICON": "documents.admin.navigation.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "documents.admin.navigation.icon"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"action": "documents.admin.navigation.language_url"},
    "ENVIRONMENT": "documents.admin.navigation.environment",
    "STYLES": ["documents.admin.navigation.style"],
    "SCRIPTS": ["documents.admin.navigation.script"],
    "ACCOUNT": {"navigation": "documents.admin.navigation.account"},
    "BORDER_RADIUS": "8px",
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "documents.admin.navigation.sidebar",
    },
    # The palette is ours (`DocumentCenter.search`): unfold's own would load every hit of every model.
    "COMMAND": {"search_models": False, "show_history": False},
    "TABS": "documents.admin.navigation.tabs",
    # A blue with at least 4.5:1 on white from 600 on, and a slate darker than unfold's for what is subtle.
    "COLORS": {
        "primary": {
            "50": "oklch(97.0% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(70.0% .150 257.5)",
            "600": "oklch(50.5% .190 262.3)",
            "700": "oklch(45.0% .180 263.5)",
            "800": "oklch(39.0% .155 264.4)",
            "900": "oklch(34.0% .120 265.5)",
            "950": "oklch(26.0% .085 267.9)",
        },
        "font": {
            "subtle-light": "var(--color-base-600)",
            "subtle-dark": "var(--color-base-300)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-200)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
}
