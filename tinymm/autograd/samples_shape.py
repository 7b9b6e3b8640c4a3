"""Sample inputs of the operations that move elements, pick them, or multiply matrices; for the registry."""

from __future__ import annotations

import numpy as np

from . import einsum as es
from . import indexing as ix
from . import join as j
from . import linalg as la
from . import pad as p
from . import scatter as sc
from . import shape as s
from . import triangles as t
from .registry import Sample, register


def _register(room, name: str, *make, torch: str | None = "", **options) -> None:
    """Register ``room.name``; each ``make(draw)`` gives the arguments of one sample, as a tuple or a Sample."""
    def samples(draw):
        for one in make:
            arguments = one(draw)
            yield arguments if isinstance(arguments, Sample) else Sample(*arguments)
    register(name, getattr(room, name.partition(":")[0]), samples,
             torch=name.partition(":")[0] if torch == "" else torch, **options)


# ---------------------------------------------------------------------- shape

_register(s, "clone", lambda d: (d.normal(3, 2),), lambda d: (d.normal(),), lambda d: (d.normal(0, 2),))
_register(s, "contiguous", lambda d: (d.normal(3, 2),), lambda d: (d.normal(),), torch="Tensor.contiguous")
_register(s, "reshape", lambda d: (d.normal(3, 4), (2, 6)), lambda d: (d.normal(3, 4), (-1,)),
          lambda d: (d.normal(), (1, 1)), lambda d: (d.normal(1, 1), ()), lambda d: (d.normal(0, 3), (3, 0)),
          lambda d: (d.normal(0, 3), (-1, 3)))
_register(s, "view", lambda d: (d.normal(3, 4), 2, 6), lambda d: (d.normal(2, 1, 3), -1), lambda d: (d.normal(), 1),
          torch="Tensor.view")
_register(s, "view_as", lambda d: (d.normal(3, 4), d.normal(2, 6)), torch="Tensor.view_as")
_register(s, "reshape_as", lambda d: (d.normal(3, 4), d.normal(12)), torch="Tensor.reshape_as")
_register(s, "ravel", lambda d: (d.normal(3, 4),), lambda d: (d.normal(),), lambda d: (d.normal(0, 2),))
_register(s, "flatten", lambda d: (d.normal(2, 3, 4),), lambda d: (d.normal(2, 3, 4), 1),
          lambda d: (d.normal(2, 3, 4), 0, -2), lambda d: (d.normal(),), lambda d: (d.normal(2, 0, 3), 1))
_register(s, "unflatten", lambda d: (d.normal(2, 6), 1, (3, 2)), lambda d: (d.normal(2, 6), -1, (-1, 2)),
          lambda d: (d.normal(4), 0, (2, 1, 2)))
_register(s, "permute", lambda d: (d.normal(2, 3, 4), (2, 0, 1)), lambda d: (d.normal(2, 3), (-1, 0)),
          lambda d: (d.normal(), ()))
_register(s, "transpose", lambda d: (d.normal(2, 3, 4), 0, -1), lambda d: (d.normal(), 0, -1),
          lambda d: (d.normal(2, 0), 0, 1))
_register(s, "swapaxes", lambda d: (d.normal(2, 3, 4), 1, 2))
_register(s, "t", lambda d: (d.normal(2, 3),), lambda d: (d.normal(3),), lambda d: (d.normal(),))
_register(s, "movedim", lambda d: (d.normal(2, 3, 4), 0, 2), lambda d: (d.normal(2, 3, 4), (0, 2), (1, 0)))
_register(s, "squeeze", lambda d: (d.normal(2, 1, 3, 1),), lambda d: (d.normal(2, 1, 3, 1), 1),
          lambda d: (d.normal(2, 1, 3), 0), lambda d: (d.normal(1, 2, 1), (0, 2)), lambda d: (d.normal(),))
_register(s, "unsqueeze", lambda d: (d.normal(2, 3), 1), lambda d: (d.normal(2, 3), -1), lambda d: (d.normal(), 0))
_register(s, "broadcast_to", lambda d: (d.normal(3, 1), (2, 3, 4)), lambda d: (d.normal(), (2, 2)),
          lambda d: (d.normal(1, 2), (0, 2)))
_register(s, "expand", lambda d: (d.normal(3, 1), -1, 4), lambda d: (d.normal(3, 1), (2, -1, 4)),
          lambda d: (d.normal(), 3), torch="Tensor.expand")
_register(s, "expand_as", lambda d: (d.normal(3, 1), d.normal(2, 3, 4)), torch="Tensor.expand_as")
_register(s, "broadcast_tensors", lambda d: (d.normal(3, 1), d.normal(4)),
          lambda d: (d.normal(), d.normal(2, 1), d.normal(1, 3)))

# ---------------------------------------------------------------------- diagonals and triangles

_register(t, "diagonal", lambda d: (d.normal(3, 4),), lambda d: (d.normal(3, 4), 1), lambda d: (d.normal(3, 4), -2),
          lambda d: (d.normal(2, 3, 2), 0, 2, 0), lambda d: (d.normal(2, 2), 5), lambda d: (d.normal(0, 3),))
_register(t, "diag_embed", lambda d: (d.normal(3),), lambda d: (d.normal(2, 3), 1),
          lambda d: (d.normal(2, 3), -1, 0, 2), lambda d: (d.normal(2, 3), 1, 2, 0), lambda d: (d.normal(0),))
_register(t, "diag", lambda d: (d.normal(3),), lambda d: (d.normal(3, 4), 1), lambda d: (d.normal(2), -1))
_register(t, "tril", lambda d: (d.normal(3, 4),), lambda d: (d.normal(2, 3, 3), 1), lambda d: (d.normal(3, 3), -1),
          lambda d: (d.normal(0, 2),))
_register(t, "triu", lambda d: (d.normal(3, 4),), lambda d: (d.normal(2, 3, 3), 1), lambda d: (d.normal(3, 3), -1))

# ---------------------------------------------------------------------- joining and cutting

_register(j, "cat", lambda d: ([d.normal(2, 3), d.normal(1, 3)],),
          lambda d: ([d.normal(2, 3), d.normal(2, 0), d.normal(2, 1)], -1), lambda d: ((d.normal(2),),),
          lambda d: ([d.normal(0), d.normal(2, 3)],))
_register(j, "stack", lambda d: ([d.normal(2, 3), d.normal(2, 3)],), lambda d: ([d.normal(2, 3)] * 3, -1),
          lambda d: ([d.normal(), d.normal()],), lambda d: ([d.normal(0, 2), d.normal(0, 2)], 1))
_register(j, "split", lambda d: (d.normal(5, 2), 2), lambda d: (d.normal(2, 6), [1, 0, 5], 1),
          lambda d: (d.normal(3), 7), lambda d: (d.normal(0, 2), 3))
_register(j, "chunk", lambda d: (d.normal(5, 2), 2), lambda d: (d.normal(2, 6), 4, -1), lambda d: (d.normal(2), 5),
          lambda d: (d.normal(0, 2), 3))
_register(j, "unbind", lambda d: (d.normal(3, 2),), lambda d: (d.normal(2, 3, 2), 1), lambda d: (d.normal(2),))
_register(j, "repeat", lambda d: (d.normal(2, 3), 2, 1), lambda d: (d.normal(3), (2, 2)), lambda d: (d.normal(), 3),
          lambda d: (d.normal(2, 1), 0, 2), torch="Tensor.repeat")
_register(j, "tile", lambda d: (d.normal(2, 3), (2,)), lambda d: (d.normal(3), (2, 2)),
          lambda d: (d.normal(2, 1), (2, 3)))
_register(j, "repeat_interleave", lambda d: (d.normal(2, 3), 2), lambda d: (d.normal(2, 3), 2, 1),
          lambda d: (d.normal(3, 2), np.array([2, 0, 1]), 0))
_register(j, "flip", lambda d: (d.normal(2, 3), (0,)), lambda d: (d.normal(2, 3, 2), (0, -1)),
          lambda d: (d.normal(0, 3), (1,)))
_register(j, "roll", lambda d: (d.normal(2, 3), 1), lambda d: (d.normal(2, 3), 4, 1),
          lambda d: (d.normal(2, 3), (1, -1), (0, 1)), lambda d: (d.normal(2, 0), 1, 1))
_register(j, "meshgrid", lambda d: Sample(d.normal(2), d.normal(3), indexing="ij"),
          lambda d: Sample(d.normal(2), d.normal(3), d.normal(1), indexing="xy"),
          lambda d: Sample(d.normal(2), indexing="xy"))
_register(p, "pad", lambda d: (d.normal(2, 3), (1, 2)), lambda d: Sample(d.normal(2, 3), (1, 0, 2, 1), value=1.5),
          lambda d: (d.normal(3, 4), (-1, 2, 0, -1)), lambda d: (d.normal(2, 3, 4), (2, 1), "reflect"),
          lambda d: (d.normal(1, 2, 3, 4), (2, 1, 1, 2), "reflect"),
          lambda d: (d.normal(1, 2, 3), (2, 4), "replicate"),
          lambda d: (d.normal(1, 2, 3, 2), (1, 2, 0, 3), "replicate"),
          lambda d: (d.normal(1, 2, 3), (2, 3), "circular"),
          lambda d: (d.normal(1, 2, 3, 4), (0, 2, 1, 1), "circular"), lambda d: (d.normal(0, 2), (1, 1)),
          lambda d: (d.normal(1, 2, 3), (0, 0), "reflect"), torch="nn.functional.pad")

# ---------------------------------------------------------------------- indexing

INT = lambda d, n, *shape: d.integers(0, n, *shape)
_register(ix, "getitem", lambda d: (d.normal(3, 4), 1), lambda d: (d.normal(3, 4), (slice(None), slice(1, 4, 2))),
          lambda d: (d.normal(3, 4), (Ellipsis, None, -1)), lambda d: (d.normal(3, 4), INT(d, 3, 5)),
          lambda d: (d.normal(3, 4), INT(d, 3, 2, 2)), lambda d: (d.normal(3, 4), (slice(None), INT(d, 4, 6))),
          lambda d: (d.normal(3, 4), (INT(d, 3, 5), INT(d, 4, 5))), lambda d: (d.normal(3, 4), d.mask(3, 4)),
          lambda d: (d.normal(3, 4), d.mask(3)),
          lambda d: (d.normal(2, 3, 4), (INT(d, 2, 3), slice(None), INT(d, 4, 3))),
          lambda d: (d.normal(2, 3, 4), (0, slice(1, 3), INT(d, 4, 2, 1))),
          lambda d: (d.normal(2, 3, 4), (Ellipsis, INT(d, 4, 3))),
          lambda d: (d.normal(2, 3, 4), (INT(d, 2, 3), slice(None), 1)),
          lambda d: (d.normal(2, 3, 4), (np.array(1), None, d.mask(3, 4))),
          lambda d: (d.normal(3, 4), (INT(d, 3, 2, 1), None, INT(d, 4, 1, 3))), lambda d: (d.normal(3, 4), [2, 0, 2]),
          lambda d: (d.normal(3, 4), np.array([-1, 0, -1])), lambda d: (d.normal(3, 0), INT(d, 3, 2)),
          lambda d: (d.normal(3, 4), INT(d, 3, 0)), lambda d: (d.normal(), (None,)),
          lambda d: (d.normal(5), np.array(2)), torch="Tensor.__getitem__")
_register(ix, "getitem:negative_step", lambda d: (d.normal(5, 4), (slice(None, None, -2), slice(3, 0, -1))),
          lambda d: (d.normal(5, 4), (slice(None, None, -1), INT(d, 4, 3))), torch=None)
_register(sc, "gather", lambda d: (d.normal(3, 4), 0, INT(d, 3, 2, 4)), lambda d: (d.normal(3, 4), 1, INT(d, 4, 3, 6)),
          lambda d: (d.normal(2, 3, 2), -1, INT(d, 2, 1, 2, 5)), lambda d: (d.normal(), 0, np.array(0)),
          lambda d: (d.normal(3), 0, INT(d, 3, 0)))
_register(sc, "take_along_dim", lambda d: (d.normal(3, 4), INT(d, 4, 3, 2), 1),
          lambda d: (d.normal(3, 4), INT(d, 3, 1, 4), 0), lambda d: (d.normal(3, 4), INT(d, 12, 5)))
_register(sc, "index_select", lambda d: (d.normal(3, 4), 0, INT(d, 3, 5)),
          lambda d: (d.normal(2, 3, 4), -1, INT(d, 4, 2)), lambda d: (d.normal(3, 4), 1, INT(d, 4, 0)),
          lambda d: (d.normal(3, 4), 1, np.array(2)))
_register(sc, "take", lambda d: (d.normal(3, 4), INT(d, 12, 2, 3)))
_register(sc, "masked_select", lambda d: (d.normal(3, 4), d.mask(3, 4)), lambda d: (d.normal(3, 4), d.mask(4)),
          lambda d: (d.normal(3, 1), d.mask(3, 4)))
_register(sc, "scatter", lambda d: (d.normal(3, 4), 0, np.array([[2, 0, 1, 2], [0, 1, 2, 1]]), d.normal(2, 4)),
          lambda d: (d.normal(3, 4), 1, np.array([[1], [3], [0]]), d.normal(3, 1)),
          lambda d: (d.normal(3, 4), 1, np.array([[1, 0], [3, 2]]), 2.5))
_register(sc, "scatter:add", lambda d: Sample(d.normal(3, 4), 0, INT(d, 3, 5, 4), d.normal(5, 4), reduce="add"),
          lambda d: Sample(d.normal(3, 4), 0, INT(d, 3, 5, 4), 0.5, reduce="add"), torch=None)
_register(sc, "scatter:part", lambda d: (d.normal(3, 4), 1, np.array([[1], [3]]), d.normal(3, 2)), torch=None)
# PyTorch has no gradient for these
_register(sc, "scatter_add:part", lambda d: (d.normal(2, 3), -1, INT(d, 3, 2, 2), d.normal(2, 4)),
          lambda d: (d.normal(3), 0, INT(d, 3, 0), d.normal(2)), torch=None)
_register(sc, "scatter_add", lambda d: (d.normal(3, 4), 0, INT(d, 3, 5, 4), d.normal(5, 4)),
          lambda d: (d.normal(2, 3), -1, INT(d, 3, 2, 2), d.normal(2, 2)),
          lambda d: (d.normal(3), 0, INT(d, 3, 0), d.normal(0)), lambda d: (d.normal(), 0, np.array(0), d.normal()))
_register(sc, "index_add", lambda d: (d.normal(3, 4), 0, INT(d, 3, 5), d.normal(5, 4)),
          lambda d: Sample(d.normal(2, 3, 4), 1, INT(d, 3, 2), d.normal(2, 2, 4), alpha=-0.5))
_register(sc, "index_copy", lambda d: (d.normal(3, 4), 1, np.array([2, 0]), d.normal(3, 2)))
_register(sc, "index_fill", lambda d: (d.normal(3, 4), 1, INT(d, 4, 2), 1.5),
          lambda d: (d.normal(3, 4), 0, INT(d, 3, 2), d.normal()))
_register(sc, "index_put", lambda d: (d.normal(3, 4), (np.array([0, 2]), np.array([1, 3])), d.normal(2)),
          lambda d: (d.normal(3, 4), (np.array([2, 0]),), d.normal(4)),
          lambda d: (d.normal(3, 4), (d.mask(3, 4),), d.normal()))
_register(sc, "index_put:accumulate", lambda d: (d.normal(3, 4), (INT(d, 3, 5), INT(d, 4, 5)), d.normal(5), True),
          lambda d: (d.normal(3, 4), (INT(d, 3, 5),), d.normal(4), True),
          lambda d: (d.normal(3, 4), (d.mask(3),), d.normal(1, 4), True))
_register(sc, "one_hot", lambda d: (INT(d, 4, 2, 3), 5), lambda d: (INT(d, 4, 3),), torch="nn.functional.one_hot",
          differentiable=False)

# ---------------------------------------------------------------------- products of matrices

_register(la, "matmul", lambda d: (d.normal(3, 4), d.normal(4, 2)), lambda d: (d.normal(4), d.normal(4)),
          lambda d: (d.normal(3, 4), d.normal(4)), lambda d: (d.normal(4), d.normal(4, 3)),
          lambda d: (d.normal(2, 3, 4), d.normal(4)), lambda d: (d.normal(4), d.normal(2, 4, 3)),
          lambda d: (d.normal(2, 3, 4), d.normal(4, 2)), lambda d: (d.normal(3, 4), d.normal(2, 4, 2)),
          lambda d: (d.normal(2, 3, 4), d.normal(2, 4, 2)), lambda d: (d.normal(2, 1, 3, 4), d.normal(5, 4, 2)),
          lambda d: (d.normal(3, 0), d.normal(0, 2)), lambda d: (d.normal(2, 3, 0), d.normal(0, 2)),
          lambda d: (d.normal(0, 3), d.normal(3, 2)), lambda d: (d.normal(2, 0, 3), d.normal(3)),
          lambda d: (d.normal(1, 1), d.normal(1, 1)), lambda d: (d.normal(0), d.normal(0)))
_register(la, "mm", lambda d: (d.normal(3, 4), d.normal(4, 2)), lambda d: (d.normal(1, 1), d.normal(1, 3)))
_register(la, "bmm", lambda d: (d.normal(2, 3, 4), d.normal(2, 4, 2)),
          lambda d: (d.normal(0, 3, 4), d.normal(0, 4, 2)))
_register(la, "mv", lambda d: (d.normal(3, 4), d.normal(4)), lambda d: (d.normal(2, 0), d.normal(0)))
_register(la, "dot", lambda d: (d.normal(4), d.normal(4)), lambda d: (d.normal(1), d.normal(1)))
_register(la, "outer", lambda d: (d.normal(3), d.normal(4)), lambda d: (d.normal(0), d.normal(2)))
_register(la, "addmm", lambda d: (d.normal(2), d.normal(3, 4), d.normal(4, 2)),
          lambda d: Sample(d.normal(3, 2), d.normal(3, 4), d.normal(4, 2), beta=0.5, alpha=-2.0))
_register(la, "baddbmm", lambda d: (d.normal(2, 3, 2), d.normal(2, 3, 4), d.normal(2, 4, 2)),
          lambda d: Sample(d.normal(3, 1), d.normal(2, 3, 4), d.normal(2, 4, 2), beta=0.5, alpha=-2.0))
_register(la, "tensordot", lambda d: (d.normal(2, 3, 4), d.normal(3, 4, 5)),
          lambda d: (d.normal(2, 3), d.normal(4), 0),
          lambda d: (d.normal(2, 3, 4), d.normal(4, 5, 2), ([0, 2], [2, 0])),
          lambda d: (d.normal(2, 0), d.normal(0, 3), 1))
_register(es, "einsum", lambda d: ("ij,jk->ik", d.normal(2, 3), d.normal(3, 4)),
          lambda d: ("ij,jk", d.normal(2, 3), d.normal(3, 4)),
          lambda d: ("bij,bjk->bik", d.normal(2, 3, 4), d.normal(2, 4, 2)),
          lambda d: ("bi,bi->b", d.normal(3, 4), d.normal(3, 4)), lambda d: ("i,j->ij", d.normal(2), d.normal(3)),
          lambda d: ("ii", d.normal(3, 3)), lambda d: ("ii->i", d.normal(3, 3)), lambda d: ("ba", d.normal(2, 3)),
          lambda d: ("...ij,...jk->...ik", d.normal(2, 1, 3, 4), d.normal(5, 4, 2)),
          lambda d: ("...i,...i", d.normal(2, 3), d.normal(3)), lambda d: ("i...->...", d.normal(2, 3)),
          lambda d: ("ij,jk,kl->il", d.normal(2, 3), d.normal(3, 4), d.normal(4, 2)),
          lambda d: ("bhqd,bkhd->bhqk", d.normal(2, 2, 3, 4), d.normal(2, 5, 2, 4)),
          lambda d: ("ij,k->k", d.normal(2, 3), d.normal(4)),
          lambda d: ("iij,jk->ik", d.normal(2, 2, 3), d.normal(3, 2)),
          lambda d: ("ij,ij->", d.normal(2, 3), d.normal(2, 3)),
          lambda d: ("ij,ij->ij", d.normal(2, 1), d.normal(2, 3)),
          lambda d: ("i,ij,j", d.normal(2), d.normal(2, 3), d.normal(3)),
          lambda d: ("ij,jk->ki", d.normal(0, 3), d.normal(3, 2)),
          lambda d: ("ij,jk->ik", d.normal(2, 0), d.normal(0, 3)), lambda d: ("->", d.normal()),
          lambda d: (",i->i", d.normal(), d.normal(3)),
          lambda d: (" b n i , d i -> b n d ", d.normal(2, 2, 3), d.normal(4, 3)))
_register(es, "bilinear", lambda d: (d.normal(2, 3), d.normal(2, 4), d.normal(5, 3, 4), d.normal(5)),
          lambda d: (d.normal(2, 2, 3), d.normal(2, 2, 1), d.normal(1, 3, 1)), torch="nn.functional.bilinear")
