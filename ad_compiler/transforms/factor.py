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
from typing import Any

from ad_compiler.analysis.types import ArrayType, same_shape
from ad_compiler.builder import key_of
from ad_compiler.ir import (
    Block,
    Function,
    Operand,
    Operation,
    Value,
    all_blocks,
    inputs_of,
    values_in,
)
from ad_compiler.rules.notation import registry

Pair = tuple[Any, Value]  # the key of a number, and an array


def factor_products(function: Function) -> None:
    """Share the common factors of the products in every block of the reverse sweep."""
    for block in all_blocks(function.reverse) if function.reverse is not None else ():
        while share_factor(block):
            pass


def share_factor(block: Block) -> bool:
    """Compute one common factor of the products of a block once; whether there is one."""
    uses = Counter(value for node in block.operations for value in inputs_of(node))
    uses.update(values_in(block.results))
    inner = {
        value
        for node in block.operations
        if isinstance(node, Operation) and is_product(node)
        for value in values_in(node.arguments)
        if uses[value] == 1 and value.name is None and is_product_here(value, block)
    }
    products = [
        (node, list(factors(node, inner)))
        for node in block.operations
        if isinstance(node, Operation) and is_product(node) and node.result not in inner
    ]
    counts: Counter[Pair] = Counter()
    for _, of in products:
        if len(of) > 2:
            counts.update(set(pairs(of)))
    for pair, count in counts.items():
        sharing = [(node, of) for node, of in products if len(of) > 2 and pair in set(pairs(of))]
        if count > 1 and len({frozenset(map(key_of, of)) for _, of in sharing}) > 1:
            rebuild(block, pair, sharing)
            return True
    return False


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
    return kind.dtype == result.dtype and same_shape(kind.shape, result.shape)


def is_product_here(value: Value, block: Block) -> bool:
    node = value.operation
    return isinstance(node, Operation) and is_product(node) and node in block.operations


def factors(node: Operation, inner: set[Value]) -> Iterator[Operand]:
    """What is multiplied, through products that are read nowhere else."""
    for operand in node.arguments:
        if operand in inner:
            yield from factors(operand.operation, inner)
        else:
            yield operand


def pairs(of: list[Operand]) -> Iterator[Pair]:
    """Each number among the factors with each array."""
    arrays = [each for each in of if isinstance(each, Value) and rank(each)]
    for number in of:
        if not rank(number):
            yield from ((key_of(number), array) for array in arrays)


def rank(operand: Operand) -> int:
    return operand.type.rank if isinstance(operand, Value) and isinstance(operand.type, ArrayType) else 0


def rebuild(block: Block, pair: Pair, sharing: list[tuple[Operation, list[Operand]]]) -> None:
    """Let the products begin with the product of this pair."""
    key, array = pair
    first, of = sharing[0]
    number = next(each for each in of if key_of(each) == key)
    shared = product(number, array, first)
    block.operations.insert(block.operations.index(first), shared)
    for node, of in sharing:
        rest = list(of)
        rest.remove(array)
        del rest[next(place for place, each in enumerate(rest) if key_of(each) == key)]
        *middle, last = rest
        total = shared
        for each in middle:
            total = product(total.result, each, node)
            block.operations.insert(block.operations.index(node), total)
        node.arguments = (total.result, last)


def product(a: Operand, b: Operand, like: Operation) -> Operation:
    primitive = registry[operator.mul]
    result = Value(primitive.infer(a, b))
    result.operation = Operation(primitive, (a, b), result, like.statement, like.place)
    return result.operation
