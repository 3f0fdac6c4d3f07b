"""Linear forms, and products and sums of their factors, as expressions: minus signs are taken outwards.

(-a) * b  ->  -(a * b)        a + -(b * c)  ->  a - b * c        1.0 * a  ->  a
"""

from __future__ import annotations

from ad_compiler.backends.native.nests import Apply, Expression, Scalar

ADD, MULTIPLY, UNARY = 9, 11, 12
ONE = Scalar("1.0")
UNIT = "1.0"  # the column of what is added without a factor

Form = dict[str, Expression]  # a linear form: the factor of each adjoint


def without_minus(factor: Expression) -> Expression | None:
    """What stands behind a minus; None where there is none."""
    return factor.parts[0] if isinstance(factor, Apply) and factor.form == "-{0}" else None


def negated(factor: Expression) -> Expression:
    inner = without_minus(factor)
    return inner if inner is not None else Apply("-{0}", (factor,), UNARY, (UNARY,))


def multiplied(first: Expression, second: Expression) -> Expression:
    if first == ONE or second == ONE:
        return second if first == ONE else first
    inner = without_minus(first)
    if inner is not None:
        return negated(multiplied(inner, second))
    inner = without_minus(second)
    if inner is not None:
        return negated(multiplied(first, inner))
    return Apply("{0} * {1}", (first, second), MULTIPLY, (MULTIPLY, MULTIPLY + 1))


def added(first: Expression | None, second: Expression) -> Expression:
    if first is None:
        return second
    inner = without_minus(second)
    if inner is not None:
        return Apply("{0} - {1}", (first, inner), ADD, (ADD, ADD + 1))
    if without_minus(first) is not None:
        return added(second, first)
    return Apply("{0} + {1}", (first, second), ADD, (ADD, ADD + 1))


def label(name: str, column: str) -> str:
    """A name for how one adjoint depends on another, or for what is added to it."""
    return f"{name}_added" if column == UNIT else f"{name}_per_{column}"


def operations_of(form: Form) -> int:
    """How many operations wait for what is carried, if a form is computed as it stands."""
    return len(form) - 1 + any(factor != ONE for column, factor in form.items() if column != UNIT)


def with_products(expression: Expression) -> Expression:
    """An expression of cotangents with sums and products in one step, which may round once.

    a + b * c  ->  plus_product(a, b, c)        a - b * c  ->  minus_product(a, b, c)
    """
    if not isinstance(expression, Apply):
        return expression
    parts = tuple(map(with_products, expression.parts))
    if expression.form in ("{0} + {1}", "{0} - {1}"):
        function = "plus_product" if expression.form == "{0} + {1}" else "minus_product"
        total, term = parts
        if isinstance(total, Apply) and is_product(total) and not is_product(term):  # a * b - c
            total, term = term if function == "plus_product" else negated(term), total
            function = "plus_product"
        if isinstance(term, Apply) and is_product(term):
            return Apply(f"{function}({{0}}, {{1}}, {{2}})", (total, *term.parts))
    return Apply(expression.form, parts, expression.precedence, expression.needs)


def is_product(expression: Expression) -> bool:
    return isinstance(expression, Apply) and expression.form == "{0} * {1}"
