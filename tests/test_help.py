"""``help(tinymm.exp)`` and the like: what it shows is complete, and the formulas of the element-wise table are true."""

import importlib
import inspect
import math
import pydoc
import re

import numpy as np
import pytest

import tinymm
from tinymm.autograd import activations, comparison, creation, elementwise, sampling, special

NUMBER = r"-?(?:\d+(?:\.\d+)?|inf|nan)"


def is_of_the_table(value) -> bool:
    """Whether a function was made by ``unary`` or ``binary``, whose functions point at their line of the table."""
    return inspect.isfunction(value) and getattr(value, "__wrapped__", value).__name__ == "<lambda>"


TABLE = {name: value for room in (elementwise, special, activations) for name, value in vars(room).items()
         if is_of_the_table(value)}
COMPOSED = ("add", "sub", "div", "pow", "round", "relu", "leaky_relu", "elu", "gelu", "quick_gelu", "silu", "softplus")
TABLE |= {name: getattr(tinymm, name) for name in COMPOSED}
DEFAULTS = dict(alpha=1, beta=1, negative_slope=0.01)   # of the arguments that are no arrays


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def arguments(function) -> tuple[str, ...]:
    """The names of the arguments in the formulas."""
    return ("a", "b") if "dL/da" in function.__doc__ else ("x",)


def evaluate(text: str, **values):
    """A formula of a docstring in NumPy's functions."""
    erf = np.vectorize(math.erf)
    names = {"e": math.e, "pi": math.pi, "erf": erf, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
             "Phi": lambda x: (1 + erf(x / math.sqrt(2))) / 2,
             "phi": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi), **DEFAULTS}
    return eval(text, {"__builtins__": {}}, vars(np) | names | values)


def run(function, *values, g=None):
    """The result and the gradients of the arguments, as the engine computes them in float64."""
    inputs = [tinymm.tensor(np.asarray(value, np.float64), requires_grad=True) for value in values]
    out = function(*inputs)
    out.backward(tinymm.tensor(np.ones_like(out.detach().numpy()) if g is None else g))
    return out.detach().numpy(), [t.grad.numpy() for t in inputs]


def samples(function):
    """Random arguments, of which some are equal: positive ones too where the formula needs them."""
    rng = np.random.default_rng(0)
    shape = (len(arguments(function)), 200)
    positive = re.search(r"log\(|sqrt\(x\)|a \*\* b", function.__doc__) and "e **" not in function.__doc__
    values = rng.uniform(0.1, 3, shape) if positive else rng.uniform(-3, 3, shape)
    return list(np.where(rng.random(200) < 0.2, values[:1], values))


def test_the_table_is_all_there():
    assert len(TABLE) >= 38
    named = {name for name, value in vars(tinymm.functional).items() if is_of_the_table(value)}
    assert named | set(COMPOSED) == set(TABLE) - {"add_", "sub_", "true_div", "_trunc_divide", "power", "round_", "relu_"}


@pytest.mark.parametrize("name", TABLE)
def test_the_formula_is_the_forward(name):
    function = TABLE[name]
    inputs = samples(function)
    formula = re.match(r".*element by element: y = (.*)\.\n", function.__doc__)[1]
    y = evaluate(formula, **dict(zip(arguments(function), inputs)))
    np.testing.assert_allclose(run(function, *inputs)[0], y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [name for name, value in vars(comparison).items() if ": y = a" in str(value.__doc__)
                                  or ": y = (" in str(value.__doc__)])
def test_the_formula_of_a_comparison_is_its_result(name):
    function = getattr(comparison, name)
    a, b = (np.random.default_rng(seed).integers(-2, 3, 100) for seed in (0, 1))
    formula = re.match(r".*element by element: y = (.*)\.\n", function.__doc__)[1]
    inputs = [tinymm.tensor(v) for v in (a, b)][:len(inspect.signature(function).parameters)]
    np.testing.assert_array_equal(function(*inputs).numpy(), evaluate(formula, a=a, b=b, x=a))


@pytest.mark.parametrize("name", TABLE)
def test_the_gradient_line_is_the_backward(name):
    function = TABLE[name]
    inputs = samples(function)
    g = np.random.default_rng(1).normal(size=inputs[0].shape)
    y, gradients = run(function, *inputs, g=g)
    line = re.search(r"^ *Gradient: (.*), with g = dL/dy\.$", function.__doc__, re.MULTILINE)[1]
    texts = [part.split(" = ", 1) for part in line.split("; ")]
    assert [left for left, _ in texts] == [f"dL/d{name}" for name in arguments(function)]
    for (_, text), gradient in zip(texts, gradients):
        expected = evaluate(text, g=g, y=y, **dict(zip(arguments(function), inputs)))
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-13)


def edges():
    for name, function in TABLE.items():
        for where, what in re.findall(r"[Aa]t ((?:\w = [^,:]+(?:, )?)+): ([^.;]*(?:\.\d[^.;]*)*)[.;]", function.__doc__):
            yield pytest.param(function, where, what, id=f"{name} at {where}")


def test_every_edge_is_looked_at():
    assert len(list(edges())) == sum(len(re.findall(r"\b[Aa]t \w = ", f.__doc__)) for f in TABLE.values()) >= 35


@pytest.mark.parametrize("function, where, what", list(edges()))
def test_the_edges_are_as_told(function, where, what):
    pairs = dict(re.findall(rf"(\w) = ({NUMBER})", where))
    told = dict(re.findall(rf"(y|dy/d\w) = ({NUMBER})", what))
    assert tuple(pairs) == arguments(function) and len(told) == len(what.split(", "))
    y, gradients = run(function, *map(float, pairs.values()))
    found = {"y": y} | {f"dy/d{name}": gradient for name, gradient in zip(pairs, gradients)}
    for name, value in told.items():
        np.testing.assert_allclose(found[name], float(value), rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", [name for name in TABLE if is_of_the_table(TABLE[name])])
def test_the_dtype_of_the_result_is_as_told(name):
    function, doc = TABLE[name], TABLE[name].__doc__
    arity = len(arguments(function))
    for dtype in (np.float32, np.float64):
        assert function(*[tinymm.ones(2, 3, dtype=dtype)] * arity).dtype == dtype
    whole = tinymm.ones(2, 3, dtype=np.int64)
    stay = "Integers stay integers." in doc or "float over integer" in doc
    assert stay or "ntegers" in doc and "become the default float first" in doc
    assert function(*[whole] * arity).dtype == (np.int64 if stay else np.float32)
    if arity == 2:
        assert function(whole, tinymm.ones(3, dtype=np.float64)).dtype == np.float64
        for one in (1, 1.0, np.float64(1)):
            assert function(tinymm.ones(2, 3), one).dtype == function(one, tinymm.ones(2, 3)).dtype == np.float32
        assert function(whole, 1.5).dtype == np.float32
    assert function(*[2] * arity).shape == ()
    with pytest.raises(TypeError, match="cannot compute with a str"):
        function(*["two"] * arity)
    if arity == 2:
        with pytest.raises(ValueError, match="broadcast"):
            function(whole, tinymm.ones(2))


def test_alpha_and_a_rounded_quotient_as_told():
    a, b = np.array([1.0, -7.0]), np.array([2.0, 2.0])
    for function, sign in ((tinymm.add, 1), (tinymm.sub, -1)):
        y, (da, db) = run(lambda a, b: function(a, b, alpha=3), a, b)
        np.testing.assert_array_equal(y, a + sign * 3 * b)
        np.testing.assert_array_equal([da, db], [[1, 1], [sign * 3] * 2])
    for mode, rounded in (("floor", [0, -4]), ("trunc", [0, -3])):
        y, gradients = run(lambda a, b: tinymm.div(a, b, rounding_mode=mode), a, b)
        np.testing.assert_array_equal(y, rounded)
        np.testing.assert_array_equal(gradients, np.zeros((2, 2)))


@pytest.mark.parametrize("name", [name for name, value in TABLE.items() if is_of_the_table(value)])
def test_the_source_shown_is_the_line_of_the_table(name):
    assert re.match(rf"{name} = (unary|binary)\(", inspect.getsource(TABLE[name]))


# ---------------------------------------------------------------------- every public function and method

FUNCTIONS = {name: value for name, value in vars(tinymm.functional).items()
             if inspect.isfunction(value) and not name.startswith("_")} | \
            {name: getattr(room, name) for room in (creation, sampling) for name in room.__all__}
METHODS = {name: value for name, value in vars(tinymm.Tensor).items()
           if inspect.isfunction(value) and not name.startswith("_")}
PROPERTIES = {name: value for name, value in vars(tinymm.Tensor).items() if isinstance(value, property)}

# What returns a thing of Python that the summary names, or nothing: there is no array whose shape could be told.
WITHOUT_RETURNS = {"numel", "dim", "element_size", "is_floating_point", "item", "tolist", "retain_grad"}
ALIASES = {"clip": "clamp"}


def cases():
    return [pytest.param(name, value, id=f"{where}{name}")
            for where, group in (("", FUNCTIONS), ("Tensor.", METHODS)) for name, value in group.items()]


def parameters(function) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_all_are_looked_at():
    assert len(FUNCTIONS) >= 215 and len(METHODS) >= 160 and len(PROPERTIES) >= 11


@pytest.mark.parametrize("name, function", cases())
def test_the_name_and_the_module_are_where_it_is_defined(name, function):
    assert function.__name__ == ALIASES.get(name, name)
    assert function.__module__.startswith("tinymm.")
    source = inspect.getsource(importlib.import_module(function.__module__))
    own = re.escape(function.__name__)
    assert re.search(rf"^ *(def {own}\(|{own} = \w+\()|\"{own}\"", source, re.MULTILINE), function.__module__


@pytest.mark.parametrize("name, function", cases())
def test_the_docstring_is_complete(name, function):
    lines = inspect.getdoc(function).split("\n")
    assert lines[0].strip() and len(lines[0]) <= 120 and (len(lines) == 1 or lines[1] == ""), "a summary of one line"
    gradients = [line for line in lines if line.startswith("Gradient:")]
    assert len(gradients) == 1 and len(gradients[0]) > len("Gradient: "), "one line that begins with Gradient:"
    sections = [line for line in lines if line in ("Args:", "Returns:", "Raises:")]
    assert sections == [s for s in ("Args:", "Returns:", "Raises:") if s in sections], "each once, in this order"
    assert ("Args:" in sections) == bool(parameters(function))
    assert ("Returns:" in sections) != (name in WITHOUT_RETURNS)


@pytest.mark.parametrize("name, function", cases())
def test_args_has_every_parameter_in_order(name, function):
    lines = inspect.getdoc(function).split("\n")
    entries, inside = [], False
    for line in lines:
        inside = line == "Args:" or inside and line != ""
        entry = re.match(r"    (\S.*?): ", line + " ")
        if inside and entry:
            entries += [part.strip(" *") for part in entry[1].split(",")]
    assert entries == parameters(function)


@pytest.mark.parametrize("name, function", cases())
def test_help_can_be_shown(name, function):
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    assert text.split("\n")[0] == f"Python Library Documentation: function {function.__name__} in module {function.__module__}"
    assert "Gradient:" in text and f"{function.__name__}(" in text


def test_help_of_the_class_can_be_shown():
    text = pydoc.render_doc(tinymm.Tensor, renderer=pydoc.plaintext)
    assert "class Tensor in module tinymm.autograd.tensor" in text.split("\n")[0]
    assert all(name in text for name in METHODS)


def test_properties_say_what_they_are():
    assert [name for name, value in PROPERTIES.items() if not value.__doc__] == []


def test_operators_say_what_they_are():
    own = {name: value for name, value in vars(tinymm.Tensor).items()
           if inspect.isfunction(value) and value.__module__ == "tinymm.autograd.methods" and name.strip("_")[0] in "ri"}
    assert len(own) >= 12
    assert [name for name, value in own.items() if value.__name__ != name or not value.__doc__] == []
