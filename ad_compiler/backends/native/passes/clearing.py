"""Arrays that are made to be filled with zeros are made of zeros.

    a = np.empty((n, m))
    for i in range(n):              ->      a = np.zeros((n, m))
        for j in range(m):
            a[i, j] = 0.0

Inside of loops they stay as they are: there the memory is allocated once, in front of the loop.
"""

from __future__ import annotations

from ad_compiler.backends.native.accessing import accesses
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import Allocate, Code, Nest, Scalar, Store, names_in

ZERO_OF = {"np.float64": "0.0", "np.float32": "np.float32(0.0)", "np.bool_": "False"}
ZEROS = {*ZERO_OF.values(), "0"}


def clear(body: list[Code]) -> None:
    """Rewrite the statements outside of loops, in place."""
    place = 0
    while place < len(body):
        code = body[place]
        spot = next((n for n in range(place) if fills(code, body[n])), None)
        if spot is None or any(touches(each, body[spot]) for each in body[spot + 1 : place]):
            place += 1
            continue
        made = body[spot]
        assert isinstance(made, Allocate)
        body[spot] = Allocate(made.name, made.extents, made.dtype, zeros=True)
        del body[place]


def fills(code: Code, made: Code) -> bool:
    """Whether a nest fills an array, whole, with zeros."""
    if not isinstance(code, Nest) or not isinstance(made, Allocate) or len(code.body) != 1:
        return False
    (store,) = code.body
    if not isinstance(store, Store) or store.array != made.name or not is_zero(store):
        return False
    extents = dict(code.loops)
    if len(store.index) != len(made.extents) or len(extents) != len(code.loops):
        return False
    return all(
        extents.pop(str(number), Affine.of(1) if number == 0 else None) == extent
        for number, extent in zip(store.index, made.extents, strict=True)
    )


def filled_with_zeros(made: Allocate, subscripts: list[str]) -> Nest:
    """What fills an array with zeros; `subscripts` are the names of those that nests have."""
    loops = list(zip(subscripts, made.extents, strict=False))
    index = tuple(Affine.of(name) for name, _ in loops)
    return Nest(loops, [Store(made.name, index, Scalar(ZERO_OF.get(made.dtype, "0")))])


def is_zero(store: Store) -> bool:
    """Whether zero is assigned."""
    return store.operator == "=" and isinstance(store.value, Scalar) and store.value.name in ZEROS


def touches(code: Code, made: Code) -> bool:
    assert isinstance(made, Allocate)
    if isinstance(code, Allocate):
        return made.name in {name for extent in code.extents for name in names_in(str(extent))}
    return any(access.name == made.name for access in accesses(code))
