"""A logistic map: a loop whose reverse sweep needs what the forward sweep passed through."""


def logistic(x: float, rate: float, steps: int):
    for _ in range(steps):
        x = rate * x * (1 - x)
    return x
