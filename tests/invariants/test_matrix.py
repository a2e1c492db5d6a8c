"""The access matrix against the oracle: a sample in every run; `make matrix` asks all of it and plants the mutations."""

import ast
import pathlib

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from documents.access import ownership, roles
from documents.access.admission import Ownership
from tests import cast
from tests.matrix import oracle, world
from tests.matrix.world import MatrixWorld

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
CELLS = oracle.cells()
EVERY = 23  # of how many cells one is asked here


@pytest.fixture
def made(ana: cast.Member, beto: cast.Member, carla: cast.Member) -> MatrixWorld:
    return world.build(ana=ana, beto=beto, carla=carla)


def routes(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for one in resolver.url_patterns:
        found += routes(one) if isinstance(one, URLResolver) else [one]
    return found


def test_the_oracle_knows_nothing_of_the_project_and_is_large_enough() -> None:
    tree = ast.parse(pathlib.Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert (imported, any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))) == (
        {"csv", "dataclasses", "pathlib"},
        False,
    )
    assert len(CELLS) >= 1600
    assert {cell.role for cell in CELLS} >= {role.value for role in roles.Role}
    assert {cell.right for cell in CELLS if cell.door == "right"} == set(roles.RIGHTS)


def test_every_route_that_a_role_or_a_secret_opens_is_in_the_oracle(made: MatrixWorld) -> None:
    asked = {id(rule) for cell in CELLS if (rule := world.rule_of(world=made, cell=cell)) is not None}
    # By a link's secret the first page stands for the others; two rows of an address are told apart by the method.
    beside = {"code", "logout", "readyz", "metrics", "event-list", "events", "hold-set", "holds", "api"}
    missing = {
        str(one.name)
        for one in routes(get_resolver())
        if id(one.__dict__["rule"]) not in asked and one.__dict__["rule"].ownership is not Ownership.LINK
    }
    assert missing - beside == set()


def test_a_sample_of_the_matrix_answers_as_the_oracle_says(made: MatrixWorld) -> None:
    # Each act is done once by somebody who may: what breaks its rule is answered with a 500.
    acts = {
        cell.address: cell for cell in CELLS if (cell.method, cell.expected, cell.relation) == ("POST", "in", "own")
    }
    faults = [world.wrong(world=made, cell=cell) for cell in (*CELLS[::EVERY], *acts.values())]
    assert len(acts) > 15
    assert [fault for fault in faults if fault] == []


@pytest.mark.parametrize(("right", "role"), [("see", "partner"), ("people", "support"), ("send", "auditor")])
def test_a_right_that_is_given_or_taken_by_mistake_turns_a_cell_red(
    made: MatrixWorld, monkeypatch: pytest.MonkeyPatch, right: str, role: str
) -> None:
    monkeypatch.setitem(roles.RIGHTS, right, roles.RIGHTS[right] ^ {roles.Role(role)})
    mine = [cell for cell in CELLS if cell.role == role and cell.right == right]
    assert any(world.wrong(world=made, cell=cell) for cell in mine)


@pytest.mark.parametrize("dropped", [Ownership.PARTY_OR_COUNTRY_UNMASKED, Ownership.COUNTRY, Ownership.INVITATION])
def test_a_resolver_that_is_dropped_turns_a_cell_red(
    made: MatrixWorld, monkeypatch: pytest.MonkeyPatch, dropped: Ownership
) -> None:
    [cell, *_] = [
        cell
        for cell in CELLS
        if cell.expected == "in" and getattr(world.rule_of(world=made, cell=cell), "ownership", None) is dropped
    ]
    assert world.wrong(world=made, cell=cell) == ""
    monkeypatch.delitem(ownership.RESOLVERS, dropped)
    assert world.wrong(world=made, cell=cell)
