"""The whole matrix, and a mutation for each cell of `RIGHTS` and each resolver: `make matrix` (some minutes)."""

import itertools

import pytest

from documents.access import ownership, roles
from documents.access.admission import Ownership
from tests import cast
from tests.matrix import oracle, world
from tests.matrix.world import MatrixWorld

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
CELLS = oracle.cells()


@pytest.fixture
def made(ana: cast.Member, beto: cast.Member, carla: cast.Member) -> MatrixWorld:
    return world.build(ana=ana, beto=beto, carla=carla)


@pytest.mark.parametrize("role", sorted({cell.role for cell in CELLS}))
def test_every_cell_answers_as_the_oracle_says(made: MatrixWorld, role: str) -> None:
    faults = [world.wrong(world=made, cell=cell) for cell in CELLS if cell.role == role]
    assert [fault for fault in faults if fault] == []


def test_every_flipped_cell_of_the_rights_turns_a_cell_red(made: MatrixWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    survived = []
    for right, role in itertools.product(roles.RIGHTS, roles.Role):
        mine = [cell for cell in CELLS if cell.role == role and cell.right == right]
        with monkeypatch.context() as mutated:
            mutated.setitem(roles.RIGHTS, right, roles.RIGHTS[right] ^ {role})
            if not any(world.wrong(world=made, cell=cell) for cell in mine):
                survived.append((right, role))
    assert survived == []


def test_every_dropped_resolver_turns_a_cell_red(made: MatrixWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    survived = []
    for dropped in Ownership:
        cells = [cell for cell in CELLS if getattr(world.rule_of(world=made, cell=cell), "ownership", None) is dropped]
        with monkeypatch.context() as mutated:
            mutated.delitem(ownership.RESOLVERS, dropped)
            if not any(world.wrong(world=made, cell=cell) for cell in cells):
                survived.append(dropped)
    assert survived == []
