"""What may become a Tensor: one door for tensor(), as_tensor(), from_numpy(), Tensor(...), operands, indices and assignments."""

import numpy as np
import pytest

import tinymm as tm
from tinymm import Tensor, nn

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")

ONES = np.ones((2, 3), np.float32)
REFUSED = {
    "complex": (np.ones(3, np.complex64), "complex64.*array.real"), "object": (np.array([1, None]), "object.*no None"),
    "text": (np.array(["1.5", "2"]), "<U3.*Vocabulary"), "bytes": (np.array([b"1"]), "S1"),
    "dates": (np.array(["2020-01-01"], "datetime64[D]"), "datetime64.*date"),
    "spans": (np.array([3], "m8[s]"), "timedelta64.*unit"),
    "records": (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]), r"take one field"), "raw": (np.zeros(2, "V2"), "V2"),
    "masked": (np.ma.array([1.0, 2.0], mask=[True, False]), r"1 masked entries.*filled"),
}
if np.dtype(np.longdouble) != np.float64:
    REFUSED["extended"] = (np.ones(2, np.longdouble), "astype\\(np.float64\\)")
DOORS = {
    "tensor": tm.tensor, "as_tensor": tm.as_tensor, "from_numpy": tm.from_numpy, "Tensor": Tensor,
    "tensor to float": lambda a: tm.tensor(a, dtype=np.float32), "as_tensor to float": lambda a: tm.as_tensor(a, np.float32),
    "add": lambda a: tm.ones(1) + a, "radd": lambda a: a + tm.ones(1), "mul": lambda a: tm.mul(tm.ones(1), a),
    "eq": lambda a: tm.ones(1) == a, "maximum": lambda a: tm.maximum(tm.ones(1), a),
    "where": lambda a: tm.where(tm.tensor([True]), tm.ones(1), a), "exp": tm.exp, "isnan": tm.isnan,
    "clamp": lambda a: tm.clamp(tm.ones(1), min=a), "isclose": lambda a: tm.isclose(tm.ones(1), a),
    "allclose": lambda a: tm.allclose(tm.ones(1), a), "add_": lambda a: tm.ones(3).add_(a), "copy_": lambda a: tm.ones(3).copy_(a),
    "assignment": lambda a: tm.ones(3).__setitem__(slice(None), a), "data": lambda a: setattr(tm.ones(*a.shape), "data", a),
    "matmul": lambda a: tm.ones(1, a.size) @ a, "masked_select": lambda a: tm.ones(3).masked_select(a),
    "index": lambda a: tm.arange(9)[a], "index_put": lambda a: tm.index_put(tm.ones(3), (tm.tensor([0]),), a),
    "embedding": lambda a: tm.embedding(a, tm.ones(9, 2)), "gather": lambda a: tm.gather(tm.ones(9), 0, a), "one_hot": tm.one_hot,
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("door", DOORS)
def test_refused_with_the_dtype_and_the_fix(kind, door):
    array, message = REFUSED[kind]
    if (door, kind) == ("radd", "masked"):   # NumPy's own arithmetic, which keeps the mask
        assert type(DOORS[door](array)) is np.ma.MaskedArray and DOORS[door](array).mask.tolist() == [True, False]
        return
    with pytest.raises(TypeError, match=message) as caught:
        DOORS[door](array)
    assert str(caught.value).split(":")[0].isidentifier()


CLEAR = {"matrix": np.matrix, "recarray": lambda a: a.view(np.recarray), "masked": np.ma.array,
         "unmasked": lambda a: np.ma.array(a, mask=False), "swapped": lambda a: a.astype(a.dtype.newbyteorder())}


@pytest.mark.parametrize("make", CLEAR.values(), ids=CLEAR)
@pytest.mark.parametrize("door", ["tensor", "as_tensor", "Tensor", "tensor to float", "add", "radd", "mul", "eq", "where", "exp",
                                  "isnan", "clamp", "isclose", "index"])
def test_clear_in_meaning_and_so_a_plain_array(make, door):
    plain = np.array([[1, 2, 0]]) if door == "index" else np.array([[1.5, 2.5, 0.5]], np.float32)
    got, want = DOORS[door](make(plain)), DOORS[door](plain)
    assert type(got._data) is np.ndarray and got._data.dtype.isnative
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_array_equal(got._data, want._data)


def test_matrix_is_shared_and_multiplied_element_by_element():
    matrix = np.matrix(ONES)
    shared = tm.from_numpy(matrix)
    matrix[0, 0] = 5
    assert shared[0, 0].item() == 5
    x = tm.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (x * np.matrix([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[1, 4], [9, 16]]
    assert (np.matrix([[2.0, 0.0]]) * x).tolist() == [[2, 0], [6, 0]]


def test_other_byte_order_cannot_be_shared():
    with pytest.raises(TypeError, match="from_numpy: an array of >f4.*tinymm.tensor"):
        tm.from_numpy(np.ones(3, ">f4"))
    assert tm.zeros(2, dtype=">f8").dtype == np.float64 and tm.zeros(2, dtype=">f8").dtype.isnative


class Frame:
    """Like a table of pandas: an object that can become an array."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_objects_that_become_arrays():
    assert tm.tensor(Frame([[1, 2]])).tolist() == [[1, 2]]
    assert tm.as_tensor(Frame([1.5])).dtype == np.float32
    with pytest.raises(TypeError, match="cannot hold <U1 values of Frame"):
        tm.tensor(Frame(["a"]))


@pytest.mark.parametrize("data, message", [
    ((i for i in range(3)), "object values of generator"), ({1: 2.0}, "object values of dict"),
    ({1.0, 2.0}, "object values of set"),
    ([1.0, None], "object values of list"), ([1j, 2], "complex128 values of list"), (["1", "2"], "<U1 values of list"),
    ([np.datetime64("2020-01-01")], "datetime64"), (object(), "object"), (b"12", r"\|S2"), (np.complex64(1), "complex64"),
])
@pytest.mark.parametrize("dtype", [None, np.float32, np.int64])
def test_python_data_that_are_no_numbers(data, message, dtype):
    with pytest.raises(TypeError, match=f"tensor: cannot hold {message}"):
        tm.tensor(data, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "M8[s]", np.longdouble, "V4", "nonsense", 7])
def test_dtypes_that_no_tensor_has(dtype):
    if np.dtype(np.longdouble) == np.float64 and dtype is np.longdouble:
        pytest.skip("long double is float64 here")
    x = tm.ones(2)
    for call in (lambda: tm.tensor([1.0], dtype=dtype), lambda: tm.tensor(ONES, dtype=dtype), lambda: tm.zeros(2, dtype=dtype),
                 lambda: tm.ones(2, dtype=dtype), lambda: tm.empty(2, dtype=dtype), lambda: tm.full((2,), 1, dtype=dtype),
                 lambda: tm.zeros_like(x, dtype=dtype), lambda: tm.eye(2, dtype=dtype), lambda: x.to(dtype),
                 lambda: tm.as_tensor(x, dtype), lambda: tm.arange(3, dtype=dtype), lambda: tm.linspace(0, 1, 3, dtype=dtype)):
        with pytest.raises(TypeError, match="dtype"):
            call()


def test_weak_scalars_stay_weak_and_others_are_refused():
    x = tm.ones(2)
    assert (x * np.float64(2)).dtype == np.float32 and (x == np.int64(1)).all()
    for value in (np.complex64(1j), 1j, np.str_("a"), "a", None, np.datetime64("2020-01-01"), [1, None], {}):
        with pytest.raises(TypeError, match=r"(add|eq): "):
            x + value
        with pytest.raises(TypeError, match="eq: "):
            tm.eq(x, value)


def test_none_is_equal_to_no_tensor():
    x = tm.ones(2)
    assert None not in [x] and (x == None) is False and (x != None) is True and (None == x) is False   # noqa: E711  what people write
    with pytest.raises(TypeError):
        assert x < None


def test_in_place_changes_say_what_does_not_fit():
    x = tm.ones(2, 3)
    for change in (lambda v: x.add_(v), lambda v: x.copy_(v), lambda v: x.__setitem__(0, v)):
        with pytest.raises(ValueError, match=r"^(add_|copy_|__setitem__): .*\(2, 3\).*\(5,\)"):
            change(tm.ones(5))
    with pytest.raises(IndexError, match=r"^__setitem__: index 7 .*shape \(2, 3\)"):
        x[7] = 1.0
    with pytest.raises(TypeError, match="^add_: a tensor of int64 cannot take float64 values"):
        tm.tensor([1, 2]).add_(tm.ones(2, dtype="float64"))
    with pytest.raises(ValueError, match="^fill_: .*uint8"):
        tm.zeros(2, dtype="uint8").fill_(300)
    with pytest.raises(RuntimeError, match="^mul_: .*several elements share it.*clone"):
        tm.ones(3, 1).expand(3, 4).mul_(2)
    with pytest.raises(RuntimeError, match="^zero_|^fill_: .*read-only"):
        tm.from_numpy(np.broadcast_to(np.ones(1), (3,))).zero_()
    assert x.tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize("size", [(2**62,), (2**31, 2**31), (2**63,), (2**62, 2**62)])
def test_sizes_that_no_memory_holds(size):
    for make in (tm.zeros, tm.ones, tm.empty, tm.rand, tm.randn):
        with pytest.raises(ValueError, match=f"^{make.__name__}: size.*(larger than any axis|more than any memory)"):
            make(*size)
    with pytest.raises(ValueError, match="^full: .*(larger than any axis|more than any memory)"):
        tm.full(size, 1.0)
    with pytest.raises(ValueError, match="^one_hot: .*(larger than any axis|more than any memory)"):
        tm.one_hot(tm.tensor([0, 1]), 2**62)


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "relu", "sum"])
def test_unaligned_arrays(operation):
    whole = np.zeros(4 * 6 + 1, np.uint8)
    array = whole[1:].view(np.float32).reshape(2, 3)
    array[...] = [[1, 2, 3], [4, 5, 6]]
    x, y = tm.from_numpy(array).requires_grad_(), tm.tensor(array, requires_grad=True)
    for t in (x, y):
        (getattr(tm, operation)(t, -1) if operation != "relu" else tm.relu(t)).square().sum().backward()
    assert x.grad.tolist() == y.grad.tolist()


@pytest.mark.parametrize("assign", [False, True])
def test_states_pass_the_same_door(assign):
    layer = nn.Linear(3, 2, bias=False)
    before = layer.weight.tolist()
    for kind in ("complex", "object", "masked"):
        with pytest.raises(TypeError, match=f"load_state_dict: weight: .*{REFUSED[kind][1]}"):
            layer.load_state_dict({"weight": REFUSED[kind][0]}, assign=assign)
    assert layer.weight.tolist() == before
    for make in CLEAR.values():
        layer.load_state_dict({"weight": make(ONES * 2)}, assign=assign)
        assert type(layer.weight._data) is np.ndarray and layer.weight._data.dtype.isnative
        assert layer.weight.tolist() == (ONES * 2).tolist() and layer.weight.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "nonsense", {}])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod", "softmax", "log_softmax"])
def test_dtypes_that_no_result_has(name, dtype):
    with pytest.raises(TypeError, match=f"^{name}: .*dtype"):
        getattr(tm, name)(tm.ones(2), dim=0, dtype=dtype)


@pytest.mark.parametrize("device", [3, (), 1.5])
def test_devices_that_are_no_names(device):
    for make in (tm.zeros, tm.ones, tm.rand):
        with pytest.raises(ValueError, match="unknown device"):
            make(2, device=device)


@pytest.mark.parametrize("value", [2**63, -2**63 - 1, 2**200])
def test_integers_that_no_array_holds(value):
    x = tm.ones(3, 3)
    for name, call in (("triu", lambda: x.triu(value)), ("diagonal", lambda: x.diagonal(value)), ("arange", lambda: tm.eye(value)),
                       ("one_hot", lambda: tm.one_hot(tm.tensor([0]), value))):
        with pytest.raises((ValueError, IndexError),
                           match=r"^(triu|diagonal|eye|one_hot): .*(64 bits|larger than any axis|must be)"):
            call()
