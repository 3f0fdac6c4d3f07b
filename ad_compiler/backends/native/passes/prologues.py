"""What a product of matrices reads is computed while it reads it: prologue fusion.

    for j in range(d):                                  fused_product("ik, kj - k -> ij",
        for k in range(n):                      ->                    a, x, means, out)
            centred[j, k] = x[j, k] - means[j]
    product_of_matrices(a, centred, out)

An operand that is a matrix, shifted or scaled by vectors, is cheaper to compute than to write into memory and
read back. So are its sums along the subscript that the product sums over, which the reverse sweep asks for
where a vector was broadcast:

    product_of_matrices(scaled, x.T, out)               fused_product("ik * k, jk -> ij, i",
    for j in range(d):                          ->                    y, weights, x, out, totals)
        total = 0.0
        for k in range(n):
            total += scaled[j, k]
        totals[j] = total

Legal: one nest makes the whole array, of sums, differences and products of elements of one type; nothing
reads it but one product and such sums; what it is made of does not change in between, nor does anything
that stands between touch the sums. Each number is the same: only products, and sums of elements, which NumPy
computes in no order that it promises, are added up in another one.

Profitable: a few operations on one matrix and vectors. Where the lengths of the matrices make memory cheaper,
the product itself goes through it (`fused_products.py`): they are known when it is computed. `X.T @ (w * s)`
of one large matrix, whose columns are far apart in memory, is left to BLAS as it is.

This stands in front of the fusion of nests (`fusing.py`), in whose nests an array is one of several.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from ad_compiler.backends.native.accessing import accesses, alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    WHOLE,
    Allocate,
    Apply,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Scalar,
    Store,
    names_in,
    part_text,
    size_of,
    text_of,
)
from ad_compiler.backends.native.passes.clearing import ZEROS, fills
from ad_compiler.backends.native.passes.hoisting import bodies_in
from ad_compiler.backends.native.passes.recomputing import is_plain, is_unchanged
from ad_compiler.backends.native.run_time.product_forms import form_of
from ad_compiler.parsing import parse_expression

CHEAP = 3  # operations
FORMS = frozenset({"{0} + {1}", "{0} - {1}", "{0} * {1}", "-{0}"})
REALS = ("np.float64", "np.float32")
CONSTANT = re.compile(r"(?:np\.float32\()?(-?\d[\d.e+-]*)\)?")

Index = tuple[Affine, ...]


@dataclass(eq=False, slots=True)
class Factor:
    """An operand of a product: an array at some leading subscripts, and what its axes there are."""

    array: str
    leading: Index
    axes: str  # "ik" or "ki", "kj" or "jk"


@dataclass(eq=False, slots=True)
class Product:
    """`out[leading] = a[leading] @ b[leading]`, alone or in a nest."""

    code: Code
    line: Line
    factors: list[Factor]
    out: str


@dataclass(eq=False, slots=True)
class Sums:
    """`totals[leading, row] = sum(array[leading, row, :])`, or of another axis."""

    codes: list[Code]
    totals: Store
    allocation: Allocate


@dataclass(eq=False, slots=True)
class Computed:
    """A factor that its product can compute."""

    factor: Factor
    allocation: Allocate
    nest: Nest
    store: Store
    sums: Sums | None


@dataclass(eq=False, slots=True)
class Text:
    """The text of a fused product as it is written, and which parts of arrays it reads."""

    operands: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    parts: dict[str, Index] = field(default_factory=dict)
    is_clear: bool = True

    def array(self, name: str, leading: Index, rank: int) -> None:
        """Add an argument: an array at leading subscripts, that has so many more axes."""
        index = (*leading, *[WHOLE] * rank)
        self.arguments.append(part_text(name, index))
        self.is_clear = self.is_clear and self.parts.setdefault(name, index) == index


class Prologues:
    """Rewrites the products of a program."""

    def __init__(self, programs: list[list[Code]], dtypes: dict[str, str], outputs: list[str]) -> None:
        self.programs = programs
        self.dtypes = dtypes
        self.root = alias_roots(programs)
        self.outputs = {name for text in outputs for name in names_in(text)}

    def run(self) -> None:
        for program in self.programs:
            for body in list(bodies_in(program)):
                for code in list(body):
                    product = product_in(code)
                    if product is not None:
                        self.fuse(body, product)

    def fuse(self, body: list[Code], product: Product) -> None:
        """Let a product compute what it can of its operands."""
        found = [self.computed(body, product, factor) for factor in product.factors]
        left, right = found
        for chosen in ([left, right], [left, None], [None, right]):
            if any(chosen) and self.rewritten(product, chosen):
                for each in chosen:
                    if each is not None:
                        remove(body, product, each)
                return

    # What a product can compute

    def computed(self, body: list[Code], product: Product, factor: Factor) -> Computed | None:
        """How an operand is made, if its product can compute it."""
        place, array = body.index(product.code), factor.array
        own = [code for code in body if any(access.name == array for access in accesses(code))]
        if array in self.outputs or self.count(self.programs, array) != self.count([own], array):
            return None
        if len(own) < 3:
            return None
        allocation, nest, *readers = own
        store = statement_in(nest)
        if not isinstance(allocation, Allocate) or not isinstance(nest, Nest) or not isinstance(store, Store):
            return None
        between = body[body.index(nest) + 1 : place + 1]
        if not self.is_cheap(nest, store, allocation) or not is_unchanged(nest, array, between, self.root):
            return None
        others = [code for code in readers if code is not product.code]
        if not others and len(others) < len(readers):
            return Computed(factor, allocation, nest, store, None)
        sums = self.sums(body, others[0], factor, allocation) if len(others) == 1 < len(readers) else None
        if sums is None or not self.may_move(body, place, sums):
            return None
        return Computed(factor, allocation, nest, store, sums)

    def count(self, programs: list[list[Code]], name: str) -> int:
        return sum(
            access.name == name for program in programs for code in program for access in accesses(code)
        )

    def is_cheap(self, nest: Nest, store: Store, made: Allocate) -> bool:
        """Whether a nest makes a whole array, of few operations on a matrix and vectors."""
        if store.operator != "=" or made.dtype not in REALS or len(store.index) < 2:
            return False
        if not is_whole(nest.loops, store.index, made.extents) or not 0 < size_of(store.value) <= CHEAP:
            return False
        last = store.index[-2:]
        matrices = 0
        for part in leaves(store.value):
            if isinstance(part, Load):
                own = axes_of(part, last)
                if own is None or self.dtypes.get(part.array) != made.dtype:
                    return False
                matrices += len(own) == 2
            elif not isinstance(part, Scalar) or not self.is_number(part.name, made.dtype):
                return False
        return matrices <= 1

    def is_number(self, text: str, dtype: str) -> bool:
        """Whether a text is a constant, or the name of a number of a type."""
        if CONSTANT.fullmatch(text):
            return text.startswith("np.float32(") == (dtype == "np.float32")
        return text.isidentifier() and self.dtypes.get(text) == dtype

    def sums(self, body: list[Code], code: Code, factor: Factor, made: Allocate) -> Sums | None:
        """The sums of an operand along what its product sums over, if that is what a nest computes."""
        found = sums_in(code)
        if found is None:
            return None
        loops, load, totals, is_cleared = found
        if load.array != factor.array or not is_whole(loops, load.index, made.extents):
            return None
        axis = len(load.index) - 2 + factor.axes.index("k")
        kept = [*load.index[:axis], *load.index[axis + 1 :]]
        leading = len(factor.leading)
        if [each for each in totals.index if each != 0] != kept or [*totals.index[:leading]] != kept[
            :leading
        ]:
            return None
        touching = [
            each
            for each in body
            if any(self.root(access.name) == self.root(totals.array) for access in accesses(each))
        ]
        allocation, *others = touching
        codes = others[: 1 if is_cleared else 2]
        if not isinstance(allocation, Allocate) or codes[-1] is not code or allocation.dtype != made.dtype:
            return None
        if not is_cleared and not fills(codes[0], allocation):
            return None
        lengths = [*made.extents[:axis], *made.extents[axis + 1 :]]
        for index, extent in zip(totals.index, allocation.extents, strict=True):
            if extent != (1 if index == 0 else lengths.pop(0)):
                return None
        return Sums(codes, totals, allocation)

    def may_move(self, body: list[Code], place: int, sums: Sums) -> bool:
        """Whether sums may be computed where the product is: their array is, or may be, made before."""
        places = [body.index(code) for code in sums.codes]
        if places[-1] > place > places[0]:
            return False
        first, last = min(place, places[0]), max(place, places[-1])
        among = [code for code in body[first : last + 1] if code not in (sums.allocation, *sums.codes)]
        between = body[place : max(place, body.index(sums.allocation))]
        lengths = {name for extent in sums.allocation.extents for name in names_in(str(extent))}
        written = {access.name for code in between for access in accesses(code) if access.kind != "read"}
        root = self.root(sums.totals.array)
        touched = {self.root(access.name) for code in among for access in accesses(code)}
        return root not in touched and not lengths & written

    # Its text

    def rewritten(self, product: Product, computed: list[Computed | None]) -> bool:
        """Rewrite the line of a product, if it is one that vectors can compute."""
        text = Text()
        for factor, made in zip(product.factors, computed, strict=True):
            if made is None:
                text.operands.append(factor.axes)
                text.array(factor.array, factor.leading, 2)
            else:
                text.operands.append(text_of(self.operand(text, factor, made.store)))
        results = ["ij"]
        leading = product.line.parts.get(product.out, (WHOLE, WHOLE))[:-2]
        text.array(product.out, leading, 2)
        for factor, made in zip(product.factors, computed, strict=True):
            if made is not None and made.sums is not None:
                results.append(factor.axes.replace("k", ""))
                totals = made.sums.totals
                text.array(totals.array, factor.leading, len(totals.index) - len(factor.leading))
        form = f"{', '.join(text.operands)} -> {', '.join(results)}"
        is_tall = text.operands[0] == "ki" and not product.factors[0].leading
        if not text.is_clear or form_of(form) is None or is_tall:
            return False
        line = product.line
        line.text = f'fused_product("{form}", {", ".join(text.arguments)})'
        outs = [name_of(each) for each in text.arguments[-len(results) :]]
        line.writes, line.reads = frozenset(outs), names_in(", ".join(text.arguments)) - {*outs}
        line.parts = {name: index for name, index in text.parts.items() if index[0] != WHOLE}
        return True

    def operand(self, text: Text, factor: Factor, store: Store) -> Expression:
        """An element of a factor in terms of subscripts."""
        last = store.index[-2:]
        letter = dict(zip(last, factor.axes, strict=True))
        turns = {str(own): given for own, given in zip(store.index, factor.leading, strict=False)}

        def written(part: Expression) -> Expression:
            if isinstance(part, Load):
                axes = axes_of(part, last) or ()
                leading = part.index[: len(part.index) - len(axes)]
                text.array(part.array, tuple(each.substitute(turns) for each in leading), len(axes))
                return Scalar("".join(letter[axis] for axis in axes) or "_")
            if isinstance(part, Scalar):
                constant = CONSTANT.fullmatch(part.name)
                if constant:
                    return Scalar(constant[1], part.precedence)
                text.arguments.append(part.name)
                return Scalar("_")
            assert isinstance(part, Apply)
            return Apply(part.form, tuple(map(written, part.parts)), part.precedence, part.needs)

        return written(store.value)


def statements_in(nest: Nest) -> list[Code]:
    return [code for code in nest.body if not isinstance(code, Comment)]


def statement_in(code: Code) -> Code | None:
    """What a nest does, or a statement itself; None for several."""
    if not isinstance(code, Nest):
        return code
    statements = statements_in(code)
    return statements[0] if len(statements) == 1 else None


def product_in(code: Code) -> Product | None:
    """The product of matrices that a line, or a nest of one line, is."""
    line = statement_in(code)
    if not isinstance(line, Line) or not line.text.startswith("product_of_matrices("):
        return None
    call = parse_expression(line.text).body
    assert isinstance(call, ast.Call)
    factors = []
    for part, axes in zip(call.args, ("ik", "kj", "ij"), strict=True):
        is_turned = isinstance(part, ast.Attribute) and part.attr == "T"
        array = part.value if isinstance(part, ast.Attribute) and is_turned else part
        leading: Index = ()
        if isinstance(array, ast.Subscript):
            array = array.value
            leading = line.parts.get(array.id, (WHOLE,))[:-2] if isinstance(array, ast.Name) else ()
            if not leading:
                return None
        if not isinstance(array, ast.Name):
            return None
        factors.append(Factor(array.id, leading, axes[::-1] if is_turned else axes))
    out = factors.pop()
    return Product(code, line, factors, out.array)


def sums_in(code: Code) -> tuple[list[tuple[str, Affine]], Load, Store, bool] | None:
    """What a nest sums up: all loops, the elements, the sums, and whether these start at zero there."""
    if not isinstance(code, Nest):
        return None
    match statements_in(code):
        case [
            Define(name, Scalar(zero), "="),
            Nest(loops, [Define(added, Load() as load, "+=")]),
            Store(_, _, Scalar(result), "=") as store,
        ] if name == added == result and zero in ZEROS:
            return [*code.loops, *loops], load, store, True
        case [Store(_, _, Load() as load, "+=") as store]:
            return code.loops, load, store, False
    return None


def leaves(expression: Expression) -> list[Expression]:
    """What an expression of sums, differences and products is made of."""
    if isinstance(expression, Apply) and expression.form in FORMS:
        return [leaf for part in expression.parts for leaf in leaves(part)]
    return [expression]


def is_whole(loops: list[tuple[str, Affine]], index: Index, extents: Index) -> bool:
    """Whether loops go through all elements of an array, each in one turn."""
    lengths = dict(loops)
    return len(loops) == len(lengths) == len(index) and all(
        lengths.pop(str(number), None) == extent for number, extent in zip(index, extents, strict=True)
    )


def axes_of(load: Load, last: Index) -> Index | None:
    """Which of a matrix's two subscripts an array ends in; None if they stand elsewhere, too."""
    count = 0
    while count < len(load.index) and load.index[len(load.index) - 1 - count] in last:
        count += 1
    leading, axes = load.index[: len(load.index) - count], load.index[len(load.index) - count :]
    names = {str(each) for each in last}
    if len(set(axes)) < len(axes) or not all(map(is_plain, leading)):
        return None
    return None if any(names & names_in(str(each)) for each in leading) else axes


def name_of(argument: str) -> str:
    return argument.split("[")[0]


def remove(body: list[Code], product: Product, computed: Computed) -> None:
    """Remove what a product computes now."""
    gone: list[Code] = [computed.allocation, computed.nest]
    sums = computed.sums
    if sums is not None:
        gone += sums.codes
        if body.index(sums.allocation) > body.index(product.code):
            body.remove(sums.allocation)
            body.insert(body.index(product.code), sums.allocation)
    body[:] = [code for code in body if code not in gone]


def fuse_prologues(programs: list[list[Code]], dtypes: dict[str, str], outputs: list[str]) -> None:
    """Rewrite the products of a program, in place."""
    Prologues(programs, dtypes, outputs).run()
