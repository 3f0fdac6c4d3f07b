"""Common factors of products: a number times an array that several products begin with is computed once.

    a_bar = g * (c * b)              product = c * g
    b_bar = (g * a) * c      ->      a_bar = product * b
                                     b_bar = product * a

The chain rule multiplies in the order in which the program computed; what is shared shows only once the
products are seen as sets of factors. They are multiplied in another order then, which changes the result
by rounding alone.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator

from ad_compiler.analysis.slice_lengths import same_shape_together
from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Block, Function, Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of
from ad_compiler.traversal import all_blocks, inputs_of, values_in

Pair = tuple[Value, Value]  # a number, and an array


def factor_products(function: Function) -> None:
    """Share the common factors of the products in every block of the reverse sweep."""
    for block in all_blocks(function.reverse) if function.reverse is not None else ():
        share_factors(block)


def share_factors(block: Block) -> None:
    """Compute the common factors of the products of a block once."""
    while True:
        inner = inner_products(block)
        products = [
            (node, list(factors(node, inner)))
            for node in block.operations
            if isinstance(node, Operation) and is_product(node) and node.result not in inner
        ]
        products = [(node, of) for node, of in products if len(of) > 2]
        counts = Counter(pair for _, of in products for pair in set(pairs(of)))
        found = next((pair for pair, count in counts.items() if count > 1), None)
        if found is None:
            return
        sharing = [(node, of) for node, of in products if found in set(pairs(of))]
        gone = {value for node, _ in sharing for value in between(node, inner)}
        rebuild(block, found, sharing)
        block.operations[:] = [
            node for node in block.operations if not (isinstance(node, Operation) and node.result in gone)
        ]


def inner_products(block: Block) -> set[Value]:
    """The products that are read by one other product of the block and by nothing else."""
    uses = Counter(value for node in block.operations for value in inputs_of(node))
    uses.update(values_in(block.results))
    products = [node for node in block.operations if isinstance(node, Operation) and is_product(node)]
    read = {value for node in products for value in values_in(node.arguments)}
    return {
        node.result
        for node in products
        if node.result in read and uses[node.result] == 1 and node.result.name is None
    }


def is_product(node: Operation) -> bool:
    """Whether it is a product of floats that all have the shape and dtype of the result, or are numbers."""
    result = node.result.type
    if node.primitive.name != "mul" or node.primitive.text or not isinstance(result, ArrayType):
        return False
    return result.dtype.kind == "f" and all(fits(operand, result) for operand in node.arguments)


def fits(operand: Operand, result: ArrayType) -> bool:
    if not isinstance(operand, Value):
        return isinstance(operand, (int, float))
    kind = operand.type
    if not isinstance(kind, ArrayType):
        return False
    if not kind.rank:
        return kind.python or kind.dtype == result.dtype
    return kind.dtype == result.dtype and same_shape_together(kind.shape, result.shape)


def factors(node: Operation, inner: set[Value]) -> Iterator[Operand]:
    """What is multiplied, through products that are read nowhere else."""
    for operand in node.arguments:
        if operand in inner:
            yield from factors(operand.operation, inner)
        else:
            yield operand


def between(node: Operation, inner: set[Value]) -> Iterator[Value]:
    """The products inside of a product."""
    for operand in node.arguments:
        if operand in inner:
            yield operand
            yield from between(operand.operation, inner)


def pairs(of: list[Operand]) -> Iterator[Pair]:
    """Each number among the factors, if it is not a constant, with each array."""
    values = [each for each in of if isinstance(each, Value)]
    for number in values:
        if not rank_of(number):
            yield from ((number, array) for array in values if rank_of(array))


def rebuild(block: Block, pair: Pair, sharing: list[tuple[Operation, list[Operand]]]) -> None:
    """Let the products begin with the product of this pair."""
    shared = product(*pair, block, sharing[0][0])
    for node, of in sharing:
        rest = list(of)
        for factor in pair:
            rest.remove(factor)
        *middle, last = rest
        total = shared
        for each in middle:
            total = product(total, each, block, node)
        node.arguments = (total, last)


def product(a: Operand, b: Operand, block: Block, before: Operation) -> Value:
    """`a * b`, computed in front of an operation, as a part of its statement."""
    primitive = registry[operator.mul]
    result = Value(primitive.infer(a, b))
    result.operation = Operation(primitive, (a, b), result, before.statement, before.place)
    block.operations.insert(block.operations.index(before), result.operation)
    return result
