"""No query joins a long column of another row to each of its own rows: with 1,500 rows that is 1,500 copies."""

import ast
from collections.abc import Iterator

from django.apps import apps
from django.db.models import Model

from documents.models import Document, Event, Issuer
from tests.invariants import test_laws

LONG: dict[type[Model], str] = {Document: "content", Event: "body", Issuer: "logo"}
# TABLE: module and column -> why many rows are read with it. One row may be read whole: `.get()` and `.first()` are free.
READ = {
    ("config/management/commands/demo.py", "issuer__logo"): "the demo renders every document again",
    ("documents/delivery/outbox.py", "document__content"): "the letter names the owner's tax id as the document does",
    ("payouts/review/worklist.py", "document__content"): "at most 200 items, whose amounts are compared",
    ("payouts/review/worklist.py", "event__body"): "at most 200 items, whose amounts are compared",
}


def relations() -> dict[str, str]:
    """Return the long column of the row that each relation's name leads to."""
    fields = [field for model in apps.get_models() for field in model._meta.concrete_fields if field.is_relation]
    return {field.name: LONG[field.related_model] for field in fields if field.related_model in LONG}


def calls(node: ast.AST, *methods: str) -> Iterator[tuple[ast.Call, ast.Attribute]]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in methods:
            yield each, each.func


def texts(call: ast.Call, *, module: ast.Module) -> set[str]:
    """Return the texts that a call is given, also those of a tuple with a name of its own."""
    named = {
        target.id: node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    given = [named.get(ast.unparse(part.value)) if isinstance(part, ast.Starred) else part for part in call.args]
    constants = [node.value for part in given if part for node in ast.walk(part) if isinstance(node, ast.Constant)]
    return {constant for constant in constants if isinstance(constant, str)}


def joined(node: ast.stmt, *, module: ast.Module) -> set[str]:
    """Return the long columns that queries of a function or class join to many rows."""
    if any(calls(node, "only")):
        return set()
    single = {id(inner) for _, last in calls(node, "get", "first") for inner, _ in calls(last, "select_related")}
    paths = [
        path.split("__")
        for call, _ in calls(node, "select_related")
        if id(call) not in single
        for path in texts(call, module=module)
    ]
    leads_to = relations()
    columns = {
        "__".join([*path[:place], leads_to[name]])
        for path in paths
        for place, name in enumerate(path, 1)
        if name in leads_to
    }
    return columns - {text for call, _ in calls(node, "defer") for text in texts(call, module=module)}


def test_no_query_reads_what_is_long_of_another_row_with_each_of_its_rows() -> None:
    found = {
        (file, column)
        for file, module in test_laws.trees()
        for node in module.body
        for column in joined(node, module=module)
    }
    assert found == set(READ)


def test_the_law_sees_a_join_and_is_content_once_its_long_columns_are_left_out() -> None:
    faulty = ast.parse('PARTS = ("payout__statement",)\nrows = Settlement.objects.filter().select_related(*PARTS)')
    assert joined(faulty.body[1], module=faulty) == {"payout__statement__content"}
    mended = ast.parse('rows = Settlement.objects.select_related("document").defer("document__content")')
    assert joined(mended.body[0], module=mended) == set()
    alone = ast.parse('row = Settlement.objects.select_related("document").filter(pk=1).first()')
    assert joined(alone.body[0], module=alone) == set()
