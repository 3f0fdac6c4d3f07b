"""Products of a Jacobian or Hessian, or of its transpose, with directions that are the rows of an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.blocks import block_size, shapes_in
from ad_compiler.derivative import Derivative
from ad_compiler.jacobian_text import INDENT, Text
from ad_compiler.jacobians import Derived
from ad_compiler.pipeline import NUMPY
from ad_compiler.ready import kinds_of, remember


@dataclass(frozen=True)
class ProductsText(Text):
    """The program of products with the rows of `directions`; or with one `direction`.

    Compiled loops read off the entries, too, at `places` of all products, if those have the right `size`.
    """

    one: bool = False
    entries: bool = False

    @property
    def title(self) -> str:
        """The name of the program."""
        return f"{self.name}_{self.kind}_products"

    @property
    def given(self) -> str:
        """The parameter behind the arguments of the function."""
        return self.unused("direction" if self.one else "directions")

    def unused(self, name: str) -> str:
        while name in self.arguments:
            name += "_"
        return name

    def write(self) -> str:
        x = self.chosen[0]
        what = {
            "jacfwd": f"Products of the Jacobian of {self.name} by {x} and directions, one in each row.",
            "jacrev": f"Products of directions, one in each row, and the Jacobian of {self.name} by {x}.",
            "hessian": f"Products of the Hessian of {self.name} by {x} and directions, one in each row.",
        }
        lines = [f'"""{what[self.kind]}"""', *self.products()]
        parameters = [*self.arguments, self.given]
        if self.entries:
            parameters += [self.unused("places"), self.unused("size")]
        head = f"def {self.title}({', '.join(parameters)}):"
        return "\n".join([head, *(f"{INDENT}{line}" for line in lines)]) + "\n"

    def products(self) -> list[str]:
        x, ending = self.chosen[0], ", has_aux=True" if self.has_aux else ""
        known = [self.value] if self.kind != "jacrev" and (self.has_aux or self.native) else []
        if self.kind == "jacrev":
            known += [self.pullback()]
            call = f"(product,) = pullback({self.shaped('value')})"
        else:
            known += [self.gradient()] if self.kind == "hessian" else []
            function = "gradient" if self.kind == "hessian" else "f"
            targets = "_, product, _" if self.has_aux else "_, product"
            direction = "direction" if self.ranks[0] == 1 else self.shaped(x)
            call = f"{targets} = jvp({function}, {self.direction(0, direction)}{ending})"
        if self.one:
            return [*known, f"direction = {self.given}", call, "return product"]
        if not self.entries:
            return [
                *known,
                "products = []",
                f"for direction in {self.given}:",
                f"{INDENT}{call}",
                f"{INDENT}products.append(kept(product))",
                self.result("np.array(products)"),
            ]
        like = "value" if self.kind == "jacfwd" else x
        return [
            *known,
            f"products = np.empty(({self.given}.shape[0], *np.shape({like})), dtype=precision({like}))",
            f"for place, direction in enumerate({self.given}):",
            f"{INDENT}{call}",
            f"{INDENT}products[place] = product",
            "listed = np.reshape(products, -1)",
            f"if listed.size != {self.unused('size')}:",
            f"{INDENT}{self.result('listed[:0], False')}",
            self.result(f"listed[{self.unused('places')}], True"),
        ]

    def shaped(self, like: str) -> str:
        return f"np.reshape(direction, np.shape({like}))"


class DirectionalProducts(Derived):
    """The products of a Jacobian or Hessian, or of its transpose, with the rows of an array."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._programs: dict[Any, Derivative] = {}

    def text_for(self, given: dict[str, Any], one: bool = False, entries: bool = False) -> Text:
        text = super().text_for(given)
        return ProductsText(**vars(text), one=one, entries=entries)

    def entries(self, given: dict[str, Any], directions: Any, places: Any, size: int) -> tuple[Any, ...]:
        """What stands at places among all products, whether they have this size, the auxiliary result."""
        if self.backend.name == "numba":
            self._newest = program = self.program(given, directions, places, size)
            entries, fits, *aux = program(*given.values(), directions, places, size)
        else:
            products, *aux = self.products(given, directions)
            self._newest = self.program(given, directions)
            fits = products.size == size
            entries = np.ravel(products).take(places, mode="clip") if fits else None  # no buffer is copied
        return entries, fits, *(aux or [None])

    def products(self, given: dict[str, Any], directions: Any) -> tuple[Any, ...]:
        """One product in each row, by NumPy code, and the auxiliary result if there is one."""
        found = self.program(given, directions)(*given.values(), directions)
        return found if self.has_aux else (found,)

    def program(self, given: dict[str, Any], directions: Any, *places: Any) -> Derivative:
        """The program of the products, or of the entries, for arguments of these kinds."""
        kinds = kinds_of((*given.values(), directions, *places))
        known = self._programs.get(kinds)
        if known is None:
            if places:
                known = self.made_for(given, 1, entries=True)
            else:
                known = self.made_for(given, self.block(given, directions), NUMPY)
            remember(self._programs, kinds, known)
        return known

    def block(self, given: dict[str, Any], directions: Any) -> int | None:
        """How many directions at once."""
        key = (self.text_for(given), len(directions), *shapes_in(tuple(given.values())))
        if key not in self._blocks:
            program = self.made_for(given, None, NUMPY).program_for(*given.values(), directions)
            batched, parameters = program.lowered.batched, program.function.parameters
            self._blocks[key] = block_size(batched, parameters, given, len(directions))
        return self._blocks[key]
