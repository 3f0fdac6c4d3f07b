"""What compiled code calls by name is there, and gives what Python and NumPy give."""

from __future__ import annotations

import pytest

from ad_compiler.backends.native.run_time import support

pytest.importorskip("numba")


@pytest.mark.parametrize("name", support.MODULE_OF)
def test_every_name_that_native_modules_import_is_there(name: str) -> None:
    assert callable(getattr(support, name))


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match=r"support' has no attribute 'subtract'"):
        support.subtract  # noqa: B018


def test_numbers_of_binary_digits() -> None:
    for number in (0, 1, 2, 3, 255, 256, 2**62, 2**63 - 1, -1, -5, -(2**63)):
        assert support.bit_length(number) == number.bit_length()
