"""The passes over loop nests, in their order.

    relaxing         sweeps over a grid, cell by cell, are done ten at a time
    contracting      loops that add up products become products of matrices
    overwriting      what turns clear at their end is cleared where the next one adds to it
    gathering        additions into neighbours become sums over neighbours
    preaccumulating  derivatives of turns that wait for each other are computed ahead of the loop
    jamming          turns of an outer loop run side by side
    windows          elements that neighbouring turns share are handed on in scalars
    bordering        readers of an array with a border read what it is made of
    prologues        products of matrices compute operands that are cheap while they read them
    fusing           what one nest makes, the next one reads while it is at hand
    interchanging    the innermost loop goes along the rows of arrays; what has come together is fused
    scalarising      arrays of which a turn makes and reads one element become scalars
    shrinking        arrays of which a turn makes and reads one row become that row
    clearing         arrays that are filled with zeros first are made of zeros
    hoisting         memory of turns is allocated once, in front of the loop
    skewing          sweeps over the rows of a grid become one, some rows behind each other
    vectorising      calls and sums that keep LLVM from vectorising a loop are replaced
    blocking         short loops over exp, log and tanh are written so that LLVM vectorises them
    reusing          arrays take over the memory of those that are not needed any more
    starting         sweeps over a grid begin with what its array would be filled with

Each changes the sweeps in place, and relies on what those before it leave: gathering looks for nests as they
were lowered; that an array is needed for an element or a row at a time shows once nests are fused; memory is
allocated in front of loops when it is known which arrays are left.
"""

from __future__ import annotations

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.lowering.frame import Frame
from ad_compiler.backends.native.lowering.products import are_fused
from ad_compiler.backends.native.nests import Allocate, Code, codes_in
from ad_compiler.backends.native.passes.blocking import block_loops
from ad_compiler.backends.native.passes.bordering import Borderer
from ad_compiler.backends.native.passes.clearing import clear
from ad_compiler.backends.native.passes.contracting import Contractor
from ad_compiler.backends.native.passes.fusing import fuse
from ad_compiler.backends.native.passes.gathering import Gatherer
from ad_compiler.backends.native.passes.hoisting import hoist
from ad_compiler.backends.native.passes.interchanging import Interchanger
from ad_compiler.backends.native.passes.jamming import Jammer
from ad_compiler.backends.native.passes.overwriting import overwrite
from ad_compiler.backends.native.passes.preaccumulating import Preaccumulator
from ad_compiler.backends.native.passes.prologues import fuse_prologues
from ad_compiler.backends.native.passes.relaxing import Relaxer
from ad_compiler.backends.native.passes.reusing import reuse
from ad_compiler.backends.native.passes.scalarising import scalarise
from ad_compiler.backends.native.passes.shrinking import shrink
from ad_compiler.backends.native.passes.skewing import skew
from ad_compiler.backends.native.passes.starting import Starter
from ad_compiler.backends.native.passes.vectorising import vectorise
from ad_compiler.backends.native.passes.windows import Windower


def optimise(
    sweeps: list[list[Code]], outputs: list[str], frame: Frame, parallel: bool
) -> set[frozenset[str]]:
    """Run the passes over the sweeps of a program that returns `outputs`, in place.

    Returns the pairs of names that turns exchange: of arrays that are never the same one. Where the code is
    to be `parallel`, sweeps that follow each other stay apart: each has rows to be shared.
    """
    Relaxer(sweeps, dtypes(frame, sweeps), frame.fresh).run()
    Contractor(sweeps, dtypes(frame, sweeps), frame.fresh, frame.length_of).run()
    overwrite(sweeps)
    Gatherer(sweeps, outputs, frame.require_nonnegative).run()
    Preaccumulator(sweeps, dtypes(frame, sweeps), outputs, frame.fresh).run()
    Jammer(sweeps, outputs, frame.fresh).run()
    Windower(sweeps, dtypes(frame, sweeps), frame.fresh).run()
    Borderer(sweeps, dtypes(frame, sweeps), outputs).run()
    if not parallel and are_fused():  # threads share the nests that make operands
        fuse_prologues(sweeps, dtypes(frame, sweeps), outputs)
    fuse(sweeps)
    if Interchanger(sweeps, outputs).run():
        fuse(sweeps)
    scalarise(sweeps, outputs)
    shrink(sweeps, outputs)
    for sweep in sweeps:
        clear(sweep)
    apart = hoist(sweeps, frame.made_in_loops, outputs)
    if not parallel:
        skew(sweeps)
    for sweep in sweeps:
        vectorise(sweep)
    block_loops(sweeps, apart, frame.fresh)
    if not parallel:
        reuse(sweeps, outputs, frame.subscripts)
        Starter(sweeps, dtypes(frame, sweeps), frame.subscripts).run()
    return apart


def dtypes(frame: Frame, sweeps: list[list[Code]]) -> dict[str, str]:
    """The dtypes of arrays and numbers, as code names them."""
    known = {
        name: scalars.dtype_text(value.type.dtype)
        for name, value in frame.value_of.items()
        if isinstance(value.type, ArrayType)
    }
    made = {
        code.name: code.dtype for sweep in sweeps for code in codes_in(sweep) if isinstance(code, Allocate)
    }
    return known | made
