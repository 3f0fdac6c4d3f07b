"""The command `demo`: prints generated gradients, then trains with them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

from ad_compiler import grad
from ad_compiler.demo.circuits import product_of_sum, sigmoid_neuron

NEEDED = {"scipy": "scipy", "sklearn": "scikit-learn"}  # module: package


def main() -> int:
    """Run the demo: 0 if every classifier is good enough, 1 if one is not, 2 if it cannot run."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        packages = " ".join(missing)
        print(
            f"The demo needs {' and '.join(missing)}: pip install {packages} "
            "(the extra `demo` of this package brings all it needs)",
            file=sys.stderr,
        )
        return 2
    show_circuits()
    return train_classifiers()


def show_circuits() -> None:
    """Print the gradients of the lecture's circuits, at the lecture's points."""
    show_circuit("(x + y) * z", product_of_sum, {"x": -2.0, "y": 5.0, "z": -4.0})
    show_circuit(
        "1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))",
        sigmoid_neuron,
        {"w0": 2.0, "w1": -3.0, "w2": -3.0, "x0": -1.0, "x1": -2.0},
    )


def show_circuit(title: str, circuit: Callable[..., float], point: dict[str, float]) -> None:
    """Print the generated gradient of a circuit, then its value and gradient at a point."""
    gradient = grad(circuit, argnums=tuple(point))
    print_heading(f"Gradient of {title}")
    print(gradient.source)
    print(f"at {', '.join(f'{name} = {value:g}' for name, value in point.items())}:")
    print(f"value = {circuit(**point):.6g}")
    for name, derivative in zip(point, gradient(*point.values()), strict=True):
        print(f"d/d{name} = {derivative:.6g}")
    print()


def train_classifiers() -> int:
    """Train each classifier and print how it went; 1 if one fell short of its accuracy, else 0."""
    from ad_compiler.demo.digits import load_train_and_test
    from ad_compiler.demo.experiments import experiments

    began = time.perf_counter()
    training, test = load_train_and_test()
    hinge, *nets = experiments()

    print_heading("Loss and gradient of the hinge classifier")
    print(hinge.gradient_source(training))

    print_heading(f"Training on {len(training.labels)} digits, testing on {len(test.labels)}")
    good_enough = True
    for experiment in (hinge, *nets):
        trained = experiment.train(training)
        accuracy = experiment.accuracy(trained.params, test)
        good_enough = good_enough and accuracy >= experiment.required_accuracy
        print(
            f"{experiment.name + ':':<18} {trained.iterations:>4} iterations, "
            f"loss {trained.loss:.4f}, test accuracy {accuracy:.3f} "
            f"(required {experiment.required_accuracy}), {trained.seconds:.1f} s",
            flush=True,
        )
    print(f"all three: {time.perf_counter() - began:.1f} s")
    return 0 if good_enough else 1


def print_heading(text: str) -> None:
    """Print an underlined heading."""
    print(text, "-" * len(text), sep="\n")
