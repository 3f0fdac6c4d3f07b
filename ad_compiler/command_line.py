"""The command line: `python -m ad_compiler show|emit|graph|check|demo`."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ad_compiler.command_target import BadInput, load_function, parse_arguments
from ad_compiler.derivative import Derivative
from ad_compiler.errors import Unsupported
from ad_compiler.gradient_check import compare, differentiable_names, running, table
from ad_compiler.highlight import highlighted, wants_colours
from ad_compiler.making import derivative_of
from ad_compiler.signatures import assumed
from ad_compiler.specialisation import Specialisation
from ad_compiler.standalone import described, notes, standalone_module, unknown_names

DESCRIPTION = "Derivatives of NumPy programs, from source to source: reads Python functions, writes them."
TARGET = "a function: the path of a .py file or the dotted name of a module, a colon, its name"
ARGS = (
    "arguments as Python literals, positional or name=...; lists become arrays of floats. "
    "For instance: --args 2.0 '[[1, 2], [3, 4]]' axis=0"
)
ASSUMED = "; kinds not given are taken from annotations, then defaults, else floats are assumed"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. 0: done; 1: `check` or `demo` found a fault; 2: bad input, said on stderr."""
    given = sys.argv[1:] if argv is None else argv
    # A number below zero is no option: argparse takes what begins with a space as an argument.
    words = [f" {word}" if re.match(r"-(\.?\d|inf$|nan$)", word) else word for word in given]
    try:
        options = parser().parse_args(words)
        run: Callable[[argparse.Namespace], int] = options.run
        status = run(options)
        sys.stdout.flush()
    except BadInput as error:
        print(f"ad-compiler: {error}", file=sys.stderr)
        return 2
    except Unsupported as error:
        print(refusal(error), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def parser() -> argparse.ArgumentParser:
    made = Parser(prog="ad-compiler", description=DESCRIPTION)
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text[0].lower() + text[1:].rstrip("."), description=text)
        added.set_defaults(run=run)
        return added

    show = command("show", run_show, "Print the generated derivative, highlighted on a terminal.")
    emit = command("emit", run_emit, "Write the derivative as a module that imports only NumPy.")
    graph = command("graph", run_graph, "Print the computational graph for Graphviz (DOT).")
    check = command("check", run_check, "Compare the gradient with finite differences.")
    command("demo", run_demo, "Print generated gradients, and train classifiers with them.")
    for each in (show, emit, graph, check):
        each.add_argument("target", metavar="FILE:FUNCTION", help=TARGET)
        each.add_argument(
            "--argnums",
            metavar="WHICH",
            help="arguments to differentiate, by position or name: 0 or x,y",
        )
    for each in (show, emit, graph):
        each.add_argument(
            "--mode",
            choices=("grad", "value_and_grad", "vjp"),
            default="grad",
            help="the gradient (default), value and gradient, or value and pullback",
        )
        each.add_argument("--has-aux", action="store_true", help="the function returns (value, aux)")
    for each in (emit, graph):
        each.add_argument(
            "-o", "--output", metavar="OUT", help="the file to write, instead of standard output"
        )
    values = "; with arguments, every edge shows its value and its gradient"
    for each, note in ((show, ASSUMED), (emit, ASSUMED), (graph, values)):
        each.add_argument("--args", nargs="+", default=[], metavar="VALUE", help=ARGS + note)
    check.add_argument("--args", nargs="+", default=[], metavar="VALUE", help=ARGS)
    return made


def run_show(options: argparse.Namespace) -> int:
    _, arguments, made = specialised(options)
    text = described(made, arguments)
    sys.stdout.write(highlighted(text) if wants_colours(sys.stdout) else text)
    return 0


def run_emit(options: argparse.Namespace) -> int:
    derivative, arguments, made = specialised(options)
    unknown = unknown_names(made.text)
    if unknown:
        needed = ", ".join(unknown)
        raise BadInput(f"the derivative cannot stand alone: it needs {needed} of its module")
    name = options.target.rpartition(":")[2]
    write(standalone_module(made, arguments, name), options.output)
    for note in notes(derivative, made):
        print(f"note: {note}", file=sys.stderr)
    return 0


def run_graph(options: argparse.Namespace) -> int:
    function = load_function(options.target)
    positional, named = parse_arguments(options.args)
    arguments = bound_arguments(function, positional, named, complete=bool(options.args)).arguments
    if options.argnums is None:
        names = tuple(differentiable_names(arguments))
        if not names:
            raise BadInput("no argument holds a number to differentiate")
        derivative = derivative_of(function, options.mode, names, options.has_aux)
    else:
        derivative = derivative_for(function, options)
    if options.args:
        with running(function):
            graph = derivative.graph_at(*positional, **named)
    else:
        graph = derivative.graph
    write(graph.to_dot(), options.output)
    return 0


def run_check(options: argparse.Namespace) -> int:
    function = load_function(options.target)
    bound = bound_arguments(function, *parse_arguments(options.args), complete=True)
    if options.argnums is None:
        names: Sequence[str] = differentiable_names(bound.arguments)
        if not names:
            raise BadInput("no argument holds a number to differentiate")
    else:
        names = derivative_for(function, options, mode="vjp").request.argnums
    compared = compare(function, bound, names)
    heading = ("argument", "value", "largest gradient", "difference", "")
    print(table([heading, *(each.cells() for each in compared)]))
    if all(each.agrees for each in compared):
        return 0
    print("The gradient differs from finite differences (which are wrong at kinks and jumps).")
    return 1


def run_demo(options: argparse.Namespace) -> int:
    from ad_compiler.demo.run import main as demo

    return demo()


def specialised(
    options: argparse.Namespace,
) -> tuple[Derivative, Mapping[str, Any], Specialisation]:
    """The derivative, built for the arguments given or assumed."""
    function = load_function(options.target)
    derivative = derivative_for(function, options)
    arguments = bound_arguments(function, *parse_arguments(options.args), complete=False).arguments
    return derivative, arguments, derivative.specialise(arguments)


def derivative_for(function: Callable[..., Any], options: argparse.Namespace, mode: Any = None) -> Derivative:
    try:
        return derivative_of(
            function,
            mode or options.mode,
            argnums(options.argnums),
            getattr(options, "has_aux", False),
        )
    except (ValueError, TypeError) as error:
        raise BadInput(f"--argnums: {error}" if options.argnums else str(error)) from None


def argnums(text: str | None) -> int | str | tuple[int | str, ...]:
    """`0`, `x`, `0,2` or `x,y`; with a comma several.

    >>> argnums("x, 2")
    ('x', 2)
    """
    if text is None:
        return 0
    parts = [part.strip() for part in text.split(",")]
    chosen = tuple([int(part) if part.lstrip("-").isdigit() else part for part in parts if part])
    return chosen if len(parts) > 1 else chosen[0] if chosen else ""


def bound_arguments(
    function: Callable[..., Any],
    positional: Sequence[Any],
    named: Mapping[str, Any],
    *,
    complete: bool,
) -> inspect.BoundArguments:
    """The arguments by parameter; unless they must be `complete`, examples for those not given."""
    signature = inspect.signature(function)
    try:
        bound = (signature.bind if complete else signature.bind_partial)(*positional, **named)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        raise BadInput(f"--args does not fit {name}{signature}: {error}") from None
    if complete:
        bound.apply_defaults()
    else:
        given = bound.arguments
        bound.arguments = {
            name: given[name] if name in given else assumed(parameter)
            for name, parameter in signature.parameters.items()
        }
    return bound


def write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        with open(output, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}") from None


def refusal(error: Unsupported) -> str:
    """Place and reason, the line with a caret, and the advice."""
    if error.filename is None:
        return f"ad-compiler: {error}"
    path = os.path.relpath(error.filename) if os.path.isfile(error.filename) else error.filename
    lines = [f"{error.filename if path.startswith('..') else path}:{error.lineno}: {error.reason}"]
    if error.text and error.offset:
        text = error.text.rstrip()
        stripped = text.lstrip()
        column = error.offset - 1 - (len(text) - len(stripped))
        width = max(1, (error.end_offset or error.offset + 1) - error.offset)
        lines += [f"    {stripped}", f"    {' ' * column}{'^' * width}"]
    return "\n".join([*lines, f"    Instead: {error.advice}"])
