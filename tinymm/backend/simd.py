"""Register tiles: the inside of a fast matrix product, for use in kernels.

A tile is a small matrix of vector registers that stays in the processor for a whole sum. One loaded vector is then
multiplied by several numbers, and one loaded number by several vectors, so that arithmetic and not memory sets the
speed (Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication"). LLVM's loop vectoriser does
not find this arrangement by itself; here it is spelled out::

    acc = tile(x)                                    # ROWS x tile_width(x) numbers, all zero
    for k in range(n):
        acc = tile_outer(acc, w, k * ROWS, x, k * stride)
    tile_store(acc, out, at, pitch)

All arrays are one-dimensional and contiguous, of one floating-point dtype; positions are element numbers. Nothing is
checked. A vector is as wide as the machine's registers, and LLVM splits it where they are narrower.
"""

from __future__ import annotations

import functools
from typing import Any, NoReturn

ROWS = 4            # rows of a tile
ROW_VECTORS = 9     # vectors in a tile of one row: nine sums at once hide the latency of a multiply-add
TALL_VECTORS = 2    # vectors in a row of a tall tile


def _outside(*_) -> NoReturn:
    raise RuntimeError("register tiles exist only inside compiled kernels")


def tile(like) -> Any:
    """A tile of ROWS rows, all zero, of the dtype of the array ``like``."""
    _outside(like)


def tile_row(like) -> Any:
    """A tile of one (longer) row, all zero."""
    _outside(like)


def tile_tall(like) -> Any:
    """A tile of ``tall()[0]`` short rows, all zero."""
    _outside(like)


def tile_slim(like) -> Any:
    """A tile with as many rows as a tall one, all zero, each a single vector."""
    _outside(like)


def tile_height(acc) -> Any:
    """How many rows the tile has."""
    _outside(acc)


def tile_width(acc) -> Any:
    """How many numbers a row of the tile has."""
    _outside(acc)


def tile_vectors(acc) -> Any:
    """How many vectors a row of the tile has."""
    _outside(acc)


def tile_lanes(acc) -> Any:
    """How many numbers a vector has."""
    _outside(acc)


def tile_outer(acc, w, at_w, x, at_x) -> Any:
    """acc[r, i] += w[at_w + r] * x[at_x + i]: a column times a row."""
    _outside(acc, w, at_w, x, at_x)


def tile_outer_rows(acc, w, at_w, pitch, x, at_x) -> Any:
    """acc[r, i] += w[at_w + r * pitch] * x[at_x + i]: the same where the column's numbers stand ``pitch`` apart."""
    _outside(acc, w, at_w, pitch, x, at_x)


def tile_plus(acc, other) -> Any:
    """acc + other, tiles of one shape."""
    _outside(acc, other)


def tile_inner(acc, g, at_g, pitch, x, at_x, offsets, at) -> Any:
    """acc[r, v] += g[at_g + r * pitch + l] * x[at_x + offsets[at + v] + l] in lane l: parts of inner products."""
    _outside(acc, g, at_g, pitch, x, at_x, offsets, at)


def tile_store(acc, out, at, pitch) -> Any:
    """out[at + r * pitch + i] = acc[r, i]."""
    _outside(acc, out, at, pitch)


def tile_add(acc, out, at, pitch) -> Any:
    """out[at + r * pitch + i] += acc[r, i]."""
    _outside(acc, out, at, pitch)


def tile_add_sums(acc, out, at, pitch) -> Any:
    """out[at + r * pitch + v] += the sum of the lanes of vector v of row r."""
    _outside(acc, out, at, pitch)


@functools.lru_cache(maxsize=1)
def registers() -> tuple[int, int]:
    """Bytes of a vector register of the processor that Numba compiles for, and how many vectors a row of a tile has.

    That processor is this machine, or another one that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name.
    """
    import platform

    assembly = _sum_of_vectors()
    if "zmm" in assembly:
        return 64, 4       # 32 registers: 16 sums, 4 vectors, 1 number
    if "ymm" in assembly:
        return 32, 3       # 16 registers: 12 sums, 3 vectors, 1 number
    return 16, 4 if platform.machine().lower() in ("arm64", "aarch64") else 3


def tall(dtype) -> tuple[int, int]:
    """How many rows a tall tile has, and how many numbers of ``dtype`` a row of it has, for the caller of a kernel."""
    size, vectors = registers()
    return ROWS * vectors // TALL_VECTORS, TALL_VECTORS * size // dtype.itemsize   # as many sums at once as in a tile of ROWS rows


def _sum_of_vectors() -> str:
    """The assembly of a sum of two 64-byte vectors: which registers it takes is the answer that no table can give."""
    from llvmlite import binding
    from numba.core.registry import cpu_target

    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    v = "<16 x float>"
    return machine.emit_assembly(binding.parse_assembly(
        f"define {v} @sum({v} %a, {v} %b) {{ %c = fadd {v} %a, %b ret {v} %c }}"))


def width(dtype) -> int:
    """How many numbers of ``dtype`` a row of a tile has, for the caller of a kernel."""
    size, vectors = registers()
    return vectors * size // dtype.itemsize


@functools.cache
def install() -> None:
    """Tell Numba how to compile the functions above; called once, when Numba is first needed."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import lower_builtin, models, register_model, type_callable

    i32, i64 = ir.IntType(32), ir.IntType(64)

    class Tile(types.Type):
        def __init__(self, dtype, rows, vectors):
            self.dtype, self.rows, self.vectors = dtype, rows, vectors
            self.lanes = registers()[0] * 8 // dtype.bitwidth
            super().__init__(f"Tile({dtype}, {rows}, {vectors}, {self.lanes})")

        @property
        def element(self):
            return ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()

        @property
        def vector(self):
            return ir.VectorType(self.element, self.lanes)

        def cells(self):
            """(number in the tile, row, vector) of every vector."""
            return [(r * self.vectors + v, r, v) for r in range(self.rows) for v in range(self.vectors)]

    @register_model(Tile)
    class TileModel(models.PrimitiveModel):
        def __init__(self, manager, kind):
            super().__init__(manager, kind, ir.ArrayType(kind.vector, kind.rows * kind.vectors))

    def operation(function, result):
        """Decorator: the code generator of ``function``, whose result type follows from its arguments' types."""
        type_callable(function)(lambda context: result)

        def register(generate):
            def lower(context, builder, signature, args):
                kinds = signature.args
                args = [context.make_array(k)(context, builder, a).data if isinstance(k, types.Array) else
                        context.cast(builder, a, k, types.int64) if isinstance(k, types.Integer) else a
                        for k, a in zip(kinds, args)]
                return generate(builder, signature.return_type if isinstance(signature.return_type, Tile) else kinds[0],
                                *args)
            lower_builtin(function, types.VarArg(types.Any))(lower)
        return register

    def load(builder, kind, pointer, at):
        loaded = builder.load(builder.bitcast(builder.gep(pointer, [at]), kind.vector.as_pointer()))
        loaded.align = kind.dtype.bitwidth // 8   # windows start anywhere
        return loaded

    def plus(builder, at, more: int):
        return builder.add(at, ir.Constant(i64, more))

    def row_start(builder, at, pitch, r: int):
        return builder.add(at, builder.mul(pitch, ir.Constant(i64, r)))

    def spread(builder, kind, number):
        undefined = ir.Constant(kind.vector, ir.Undefined)
        one = builder.insert_element(undefined, number, ir.Constant(i32, 0))
        return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(i32, kind.lanes), [0] * kind.lanes))

    def multiply_add(builder, kind, acc, cell, a, b):
        name = f"llvm.fmuladd.v{kind.lanes}f{kind.dtype.bitwidth}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind.vector, [kind.vector] * 3), name)
        return builder.insert_value(acc, builder.call(fma, [a, b, builder.extract_value(acc, cell)]), cell)

    @operation(tile, lambda like: Tile(like.dtype, ROWS, registers()[1]))
    def _(builder, kind, like):
        return ir.Constant(ir.ArrayType(kind.vector, kind.rows * kind.vectors), None)

    @operation(tile_row, lambda like: Tile(like.dtype, 1, ROW_VECTORS))
    def _(builder, kind, like):
        return ir.Constant(ir.ArrayType(kind.vector, kind.rows * kind.vectors), None)

    @operation(tile_tall, lambda like: Tile(like.dtype, ROWS * registers()[1] // TALL_VECTORS, TALL_VECTORS))
    def _(builder, kind, like):
        return ir.Constant(ir.ArrayType(kind.vector, kind.rows * kind.vectors), None)

    @operation(tile_slim, lambda like: Tile(like.dtype, ROWS * registers()[1] // TALL_VECTORS, 1))
    def _(builder, kind, like):
        return ir.Constant(ir.ArrayType(kind.vector, kind.rows * kind.vectors), None)

    @operation(tile_height, lambda acc: types.int64)
    def _(builder, kind, acc):
        return ir.Constant(i64, kind.rows)

    @operation(tile_width, lambda acc: types.int64)
    def _(builder, kind, acc):
        return ir.Constant(i64, kind.vectors * kind.lanes)

    @operation(tile_vectors, lambda acc: types.int64)
    def _(builder, kind, acc):
        return ir.Constant(i64, kind.vectors)

    @operation(tile_lanes, lambda acc: types.int64)
    def _(builder, kind, acc):
        return ir.Constant(i64, kind.lanes)

    def outer(builder, kind, acc, column, x, at_x):
        row = [load(builder, kind, x, plus(builder, at_x, v * kind.lanes)) for v in range(kind.vectors)]
        column = [spread(builder, kind, builder.load(number)) for number in column]
        for cell, r, v in kind.cells():
            acc = multiply_add(builder, kind, acc, cell, column[r], row[v])
        return acc

    @operation(tile_outer, lambda acc, w, at_w, x, at_x: acc)
    def _(builder, kind, acc, w, at_w, x, at_x):
        column = [builder.gep(w, [plus(builder, at_w, r)]) for r in range(kind.rows)]
        return outer(builder, kind, acc, column, x, at_x)

    @operation(tile_outer_rows, lambda acc, w, at_w, pitch, x, at_x: acc)
    def _(builder, kind, acc, w, at_w, pitch, x, at_x):
        column = [builder.gep(w, [row_start(builder, at_w, pitch, r)]) for r in range(kind.rows)]
        return outer(builder, kind, acc, column, x, at_x)

    @operation(tile_plus, lambda acc, other: acc)
    def _(builder, kind, acc, other):
        for cell, _, _ in kind.cells():
            total = builder.fadd(builder.extract_value(acc, cell), builder.extract_value(other, cell))
            acc = builder.insert_value(acc, total, cell)
        return acc

    @operation(tile_inner, lambda acc, g, at_g, pitch, x, at_x, offsets, at: acc)
    def _(builder, kind, acc, g, at_g, pitch, x, at_x, offsets, at):
        shift = [builder.load(builder.gep(offsets, [plus(builder, at, v)])) for v in range(kind.vectors)]
        right = [load(builder, kind, x, builder.add(at_x, s)) for s in shift]
        left = [load(builder, kind, g, row_start(builder, at_g, pitch, r)) for r in range(kind.rows)]
        for cell, r, v in kind.cells():
            acc = multiply_add(builder, kind, acc, cell, left[r], right[v])
        return acc

    def store(builder, kind, acc, out, at, pitch, add: bool):
        for cell, r, v in kind.cells():
            start = plus(builder, row_start(builder, at, pitch, r), v * kind.lanes)
            vector = builder.extract_value(acc, cell)
            if add:
                vector = builder.fadd(load(builder, kind, out, start), vector)
            place = builder.bitcast(builder.gep(out, [start]), kind.vector.as_pointer())
            builder.store(vector, place).align = kind.dtype.bitwidth // 8
        return ir.Constant(ir.IntType(8).as_pointer(), None)   # None

    @operation(tile_store, lambda acc, out, at, pitch: types.none)
    def _(builder, kind, acc, out, at, pitch):
        return store(builder, kind, acc, out, at, pitch, False)

    @operation(tile_add, lambda acc, out, at, pitch: types.none)
    def _(builder, kind, acc, out, at, pitch):
        return store(builder, kind, acc, out, at, pitch, True)

    def halves(builder, a, b, group: int):
        """Of vectors of groups of that many lanes: the groups' lower halves plus their upper ones, those of a, then of b's."""
        n = a.type.count
        lower = [i for i in range(2 * n if b is not None else n) if i % group < group // 2]
        mask = lambda lanes: ir.Constant(ir.VectorType(i32, len(lanes)), lanes)
        b = ir.Constant(a.type, ir.Undefined) if b is None else b
        return builder.fadd(builder.shuffle_vector(a, b, mask(lower)),
                            builder.shuffle_vector(a, b, mask([i + group // 2 for i in lower])))

    @operation(tile_add_sums, lambda acc, out, at, pitch: types.none)
    def _(builder, kind, acc, out, at, pitch):
        for r in range(kind.rows):
            # two vectors become one of half sums, and so on: as few additions as there are sums, and no lane by itself
            parts = [builder.extract_value(acc, r * kind.vectors + v) for v in range(kind.vectors)]
            group = kind.lanes
            while group > 1:
                if len(parts) == 1:
                    parts = [halves(builder, parts[0], None, group)]
                else:
                    parts = [halves(builder, parts[i], parts[min(i + 1, len(parts) - 1)], group) for i in range(0, len(parts), 2)]
                group //= 2
            start = row_start(builder, at, pitch, r)
            for i, part in enumerate(parts):
                first = i * part.type.count
                n = min(part.type.count, kind.vectors - first)   # the last vector may have stood for two
                if n < part.type.count:
                    part = builder.shuffle_vector(part, part, ir.Constant(ir.VectorType(i32, n), list(range(n))))
                place = builder.bitcast(builder.gep(out, [plus(builder, start, first)]), part.type.as_pointer())
                before = builder.load(place)
                before.align = kind.dtype.bitwidth // 8
                builder.store(builder.fadd(before, part), place).align = kind.dtype.bitwidth // 8
        return ir.Constant(ir.IntType(8).as_pointer(), None)   # None
