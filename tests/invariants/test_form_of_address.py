"""Whoever reads Spanish here is called "tú": by this product, and by the sentences of what it stands on."""

import gettext as catalogs
import importlib.util
import pathlib
import re
from collections.abc import Iterator

import pytest
from django.utils import translation

from config import env

# Of these the catalogs can reach a person; nothing of allauth's is reachable.
PACKAGES = (
    *("django", "django.contrib.auth", "django.contrib.admin", "django.contrib.postgres", "rest_framework"),
    *("django_filters", "unfold"),
)
FORMAL = re.compile(
    r"\b(usted(es)?|introduzca|introduza|seleccione|elija|escoja|corrija|inténte(lo)?|intente|escriba|haga|asegúrese|"
    r"compruebe|pulse|vuelva|ingrese|verifique|utilice|confirme|revise|póngase|proporcione|desmarque|observe|desea|"
    r"mantenga|presione|envíe|marque|guarde|habilite|[Ss]u (contraseña|cuenta|dirección|navegador|correo|paciencia)|"
    r"le (enviaremos|enviamos)|olvidó)\b",
    re.IGNORECASE,
)
OF_A_DEVELOPER = "DEBUG=True"  # a page that is shown where DEBUG is set alone


def sentences(*, package: str) -> Iterator[str]:
    """Yield what a package says in English where its own Spanish is formal."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = pathlib.Path(spec.origin).parent / ("conf/locale" if package == "django" else "locale")
    file = folder / "es" / "LC_MESSAGES" / "django.mo"
    if file.exists():
        with file.open("rb") as opened:
            known: dict[str | tuple[str, int], str] = vars(catalogs.GNUTranslations(opened))["_catalog"]
        yield from {key[0] if isinstance(key, tuple) else key for key, text in known.items() if FORMAL.search(text)}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_the_product_stands_on_says_tu(package: str) -> None:
    with translation.override("es"):
        said = {
            english: (
                translation.gettext(plain),
                translation.ngettext(plain, plain, 1),
                translation.ngettext(plain, plain, 2),
            )
            for english in sentences(package=package)
            if OF_A_DEVELOPER not in english
            for plain in [english.rpartition("\x04")[2]]
        }
    assert {english: texts for english, texts in said.items() if any(FORMAL.search(text) for text in texts)} == {}


def test_the_products_own_pages_and_sentences_say_tu() -> None:
    own = [*env.BASE_DIR.glob("templates/**/*.html"), *env.BASE_DIR.glob("locale/*/LC_MESSAGES/django.po")]
    own += [
        path for floor in ("audit", "documents", "payouts", "config") for path in (env.BASE_DIR / floor).rglob("*.py")
    ]
    formal = re.compile(
        r"\b(usted(es)?|introduzca|seleccione|asegúrese|escriba|inténtelo|pulse|compruebe|ingrese)\b", re.IGNORECASE
    )
    lines = ((path, line) for path in own for line in path.read_text(encoding="utf-8").splitlines())
    assert [(path.name, line.strip()) for path, line in lines if formal.search(line)] == []
