"""Everything that comes from django-unfold, in one place: an upgrade of the theme is read and tried here first."""

from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite
from unfold.views import ChangeList

__all__ = ["ChangeList", "ModelAdmin", "UnfoldAdminSite"]
