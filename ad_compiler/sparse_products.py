"""Products of a Jacobian or Hessian, or of its transpose, with directions that are the rows of an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ad_compiler.blocks import block_size, shapes_in
from ad_compiler.jacobian_text import INDENT, Text
from ad_compiler.jacobians import Derived
from ad_compiler.ready import kinds_of, remember


@dataclass(frozen=True)
class ProductsText(Text):
    """The program of products with the rows of `directions`; or with one `direction`."""

    one: bool = False

    @property
    def title(self) -> str:
        """The name of the program."""
        return f"{self.name}_{self.kind}_products"

    @property
    def given(self) -> str:
        """The parameter behind the arguments of the function."""
        name = "direction" if self.one else "directions"
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
        head = f"def {self.title}({', '.join([*self.arguments, self.given])}):"
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
        if not self.native:
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
            self.result("products"),
        ]

    def shaped(self, like: str) -> str:
        return f"np.reshape(direction, np.shape({like}))"


class DirectionalProducts(Derived):
    """The products of a Jacobian or Hessian, or of its transpose, with the rows of an array."""

    def text_for(self, given: dict[str, Any], one: bool = False) -> Text:
        text = super().text_for(given)
        return ProductsText(**vars(text), one=one)

    def run(self, given: dict[str, Any], directions: Any) -> Any:
        """One product in each row."""
        kinds = kinds_of((*given.values(), directions))
        derivative = self._ready.get(kinds)
        if derivative is None:
            derivative = self.made_for(given, self.block(given, directions))
            remember(self._ready, kinds, derivative)
        self._newest = derivative
        return derivative(*given.values(), directions)

    def block(self, given: dict[str, Any], directions: Any) -> int | None:
        """How many directions at once."""
        if self.backend.name == "numba":
            return 1
        key = (self.text_for(given), len(directions), *shapes_in(tuple(given.values())))
        if key not in self._blocks:
            program = self.made_for(given, None).program_for(*given.values(), directions)
            batched, parameters = program.lowered.batched, program.function.parameters
            self._blocks[key] = block_size(batched, parameters, given, len(directions))
        return self._blocks[key]
