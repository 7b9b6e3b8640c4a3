"""Module: a function with parameters, built of other Modules."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd.casting import cuda_device, destination
from ..autograd.casting import to as tensor_to
from ..autograd.creation import as_tensor, zeros_like
from ..backend.jit import ready
from .parameter import Parameter

if TYPE_CHECKING:
    from typing_extensions import Self   # in typing from Python 3.11


class Module:
    """Base of all layers and models. Subclasses create their parts in ``__init__`` and write ``forward``.

    Attributes that are Parameters, Modules or registered buffers are found by name::

        class Two(Module):
            def __init__(self):
                super().__init__()
                self.first = Linear(4, 8)
                self.second = Linear(8, 1)

            def forward(self, x):
                return self.second(self.first(x).relu())

    Attributes:
        training: whether layers such as dropout and batch normalisation behave as in training.
    """

    def __init__(self):
        super().__setattr__("_parameters", OrderedDict())
        super().__setattr__("_buffers", OrderedDict())
        super().__setattr__("_transient", set())   # names of buffers that state_dict leaves out
        super().__setattr__("_modules", OrderedDict())
        super().__setattr__("_forward_hooks", [])
        super().__setattr__("_forward_pre_hooks", [])
        super().__setattr__("training", True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: forward is not written")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._forward_hooks and not self._forward_pre_hooks:
            return self.forward(*args, **kwargs)
        out, waiting = None, list(self._forward_hooks)
        try:
            for hook in tuple(self._forward_pre_hooks):
                args, kwargs = hook.before(self, args, kwargs)
            out = self.forward(*args, **kwargs)
            while waiting:
                out = waiting.pop(0).after(self, args, kwargs, out)
        except Exception:
            for hook in waiting:
                if hook.always_call:
                    try:
                        hook.after(self, args, kwargs, out)
                    except Exception as error:   # the first error is the one to raise
                        warnings.warn(f"{type(self).__name__}: a forward hook with always_call raised {error!r}", stacklevel=2)
            raise
        return out

    # ------------------------------------------------------------------ attributes

    def __setattr__(self, name: str, value) -> None:
        parameters, buffers, modules = map(self.__dict__.get, ("_parameters", "_buffers", "_modules"))
        if parameters is None or buffers is None or modules is None:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name}")
            return super().__setattr__(name, value)
        if isinstance(value, Parameter):
            self._forget(name)
            parameters[name] = value
        elif isinstance(value, Module):
            self._check_part(name, value)
            self._forget(name)
            modules[name] = value
        elif name in parameters:
            if value is not None:
                raise TypeError(f"{type(self).__name__}.{name}: a parameter cannot be replaced by a "
                                f"{type(value).__name__}; wrap it in Parameter(...)")
            parameters[name] = None
        elif name in modules and value is None:
            modules[name] = None
        elif name in buffers:
            buffers[name] = value if value is None or isinstance(value, Tensor) else Tensor(value)
        else:
            super().__setattr__(name, value)

    def _check_part(self, name: str, part: "Module") -> None:
        if any(inner is self for inner in part.modules()):
            raise ValueError(f"{type(self).__name__}.{name}: a module cannot be a part of itself; keep a reference without "
                             f"registering it in a list: self.{name} = [module]")

    def _check_name(self, name: str, method: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{method}: a name is a string, got {type(name).__name__}")
        if not name or "." in name:
            raise ValueError(f"{method}: the name {name!r} must not be empty or contain a dot, which separates the parts "
                             "of a path")
        registered = any(name in table for table in (self._parameters, self._buffers, self._modules))
        if not registered and (name in self.__dict__ or hasattr(type(self), name)):
            raise KeyError(f"{method}: {type(self).__name__} already has an attribute {name!r}; choose another name")

    def _forget(self, name: str) -> None:
        for table in (self.__dict__, self._parameters, self._buffers, self._modules):
            table.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__
        for table in ("_modules", "_parameters", "_buffers"):   # no name is in two of them
            if table in attributes and name in attributes[table]:
                return attributes[table][name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}"
                             + ("; was super().__init__() called?" if "_parameters" not in self.__dict__ else ""))

    def __delattr__(self, name: str) -> None:
        if name in self._parameters or name in self._buffers or name in self._modules:
            self._forget(name)
        else:
            super().__delattr__(name)

    def __dir__(self):
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter by name; None reserves the name (a layer without bias).

        Raises:
            TypeError: ``param`` is no Parameter, or ``name`` no string.
            ValueError: an empty name, or one with a dot.
            KeyError: the name of another attribute.
        """
        self._check_name(name, "register_parameter")
        if not (param is None or isinstance(param, Parameter)):
            raise TypeError(f"register_parameter: {name!r} is a {type(param).__name__}; wrap it in Parameter(...)")
        self._forget(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained (running statistics, masks).

        Args:
            persistent: whether ``state_dict`` contains it.

        Raises:
            TypeError: ``tensor`` is no Tensor, or ``name`` no string.
            ValueError: an empty name, or one with a dot.
            KeyError: the name of another attribute.
        """
        self._check_name(name, "register_buffer")
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(f"register_buffer: {name!r} is a {type(tensor).__name__}; wrap it in tinymm.tensor(...)")
        self._forget(name)
        self._buffers[name] = tensor
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a part by name.

        Raises:
            TypeError: ``module`` is no Module, or ``name`` no string.
            ValueError: an empty name, one with a dot, or a module that contains this one.
            KeyError: the name of another attribute.
        """
        self._check_name(name, "add_module")
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"add_module: {name!r} is a {type(module).__name__}, not a Module")
        if module is not None:
            self._check_part(name, module)
        self._forget(name)
        self._modules[name] = module

    # ------------------------------------------------------------------ walking through the parts

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The direct parts with their names."""
        return ((name, m) for name, m in self._modules.items() if m is not None)

    def children(self) -> Iterator["Module"]:
        """The direct parts."""
        return (m for _, m in self.named_children())

    def named_modules(self, memo: set | None = None, prefix: str = "",
                      remove_duplicate: bool = True) -> Iterator[tuple[str, "Module"]]:
        """This module and all parts with dotted names; each once, or under each of its names."""
        memo = set() if memo is None else memo
        if remove_duplicate and id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator["Module"]:
        """This module and all parts; each once, or as often as it is used."""
        return (m for _, m in self.named_modules(remove_duplicate=remove_duplicate))

    def _named(self, table: str, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=once) if recurse else [(prefix, self)]:
            for name, value in getattr(module, table).items():
                if value is not None and not (once and id(value) in seen):
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names.

        Args:
            prefix: what stands before each name.
            recurse: those of the parts, too.
            remove_duplicate: False names a shared parameter under each of its names.
        """
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names; arguments as for ``named_parameters``."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> "Module":
        """The part with that dotted name.

        Raises:
            AttributeError: there is none; the message lists what there is.
        """
        found = self
        for name in filter(None, target.split(".")):
            child = found._modules.get(name)
            if child is None:
                raise AttributeError(f"get_submodule: {type(found).__name__} has no part {name!r}; it has {list(found._modules)}")
            found = child
        return found

    def apply(self, fn: Callable[["Module"], None]) -> Self:
        """Call ``fn`` on every part, then on this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------------ modes, devices, gradients

    def train(self, mode: bool = True) -> Self:
        """Training behaviour for this module and all parts.

        Raises:
            TypeError: ``mode`` is no bool.
        """
        if not isinstance(mode, bool):
            raise TypeError(f"{type(self).__name__}.train: mode is True or False, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Evaluation behaviour: no dropout, running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or fill them with zeros)."""
        for p in self.parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else zeros_like(p)

    def to(self, *args, **kwargs) -> Self:
        """Move parameters and buffers to a device and, the floating-point ones, to a dtype; in place.

        Args:
            *args, **kwargs: ``to(device, dtype, non_blocking)``, ``to(dtype, non_blocking)`` or ``to(tensor, non_blocking)``,
                as for ``Tensor.to``.

        Raises:
            TypeError: a dtype that is not floating point.
        """
        device, dtype, _ = destination("Module.to", args, kwargs)
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"Module.to: {np.dtype(dtype)} is not a floating-point dtype")
        with no_grad():
            for module in self.modules():
                for table in (module._parameters, module._buffers):
                    for name, value in table.items():
                        if value is not None:
                            wanted = dtype if value.dtype.kind == "f" else None
                            grad, value.grad = value.grad, None
                            value._data = tensor_to(value.detach(), device=device, dtype=wanted)._data
                            if grad is not None:
                                value.grad = tensor_to(grad, device=device, dtype=wanted)
        return self

    def float(self) -> Self:
        """All floating-point parameters and buffers to float32."""
        return self.to(dtype=np.float32)

    def double(self) -> Self:
        """All floating-point parameters and buffers to float64."""
        return self.to(dtype=np.float64)

    def cuda(self, device: int | str | None = None) -> Self:
        """To the GPU, or to the one of that number or name."""
        return self.to(device=cuda_device(device))

    def cpu(self) -> Self:
        """To the CPU."""
        return self.to(device="cpu")

    # ------------------------------------------------------------------ hooks

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False):
        """Call ``hook(module, args, output)`` after forward; what it returns, unless None, replaces the output.

        Args:
            prepend: before the hooks that are there, instead of after them.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: also where forward raises an error, with None for the output.

        Returns:
            A handle with ``remove()``.

        Raises:
            TypeError: ``hook`` cannot be called.
        """
        return _HookHandle(self._forward_hooks, _Hook(hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False):
        """Call ``hook(module, args)`` before forward; what it returns, unless None, replaces the arguments.

        Args:
            prepend: before the hooks that are there, instead of after them.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns None or a pair of new ones.

        Returns:
            A handle with ``remove()``.
        """
        return _HookHandle(self._forward_pre_hooks, _Hook(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False):
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of forward's output and inputs are known.

        Works for one Tensor as the output; what the hook returns is ignored.

        Args:
            prepend: before the hooks that are there, instead of after them.

        Returns:
            A handle with ``remove()``.
        """
        def watch(module, args, out):
            inputs = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
            if not isinstance(out, Tensor) or not out.requires_grad:
                return None
            arrived: dict = {}
            out.register_hook(lambda g: arrived.__setitem__("out", g))
            waiting = [len(inputs)]

            def collect(i):
                def take(g):
                    arrived[i] = g
                    waiting[0] -= 1
                    if waiting[0] == 0:
                        hook(module, tuple(arrived.get(k) for k in range(len(inputs))), (arrived["out"],))
                return take
            for i, tensor in enumerate(inputs):
                tensor.register_hook(collect(i))
            return None
        return self.register_forward_hook(watch, prepend=prepend)

    # ------------------------------------------------------------------ state

    def state_dict(self, *, destination: dict[str, Tensor] | None = None, prefix: str = "",
                   keep_vars: bool = False) -> "dict[str, Tensor]":
        """Parameters and persistent buffers by dotted name, sharing memory with the module; PyTorch's keys.

        Args:
            destination: a dict to add to, instead of a new one.
            prefix: what stands before each name.
            keep_vars: the parameters themselves, instead of Tensors without a gradient.
        """
        found = OrderedDict() if destination is None else destination
        found.update((prefix + name, value if keep_vars else value.detach()) for name, value in self._persistent())
        return found

    def _persistent(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers by dotted name; what is shared has several."""
        for path, module in _all_paths(self):
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                if value is not None and name not in module._transient:
                    yield f"{path}.{name}" if path else name, value

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False) -> "LoadResult":
        """Copy values into the parameters and buffers of the same names.

        Args:
            state_dict: name -> Tensor or array.
            strict: raise if names are missing or left over.
            assign: instead of copying, let parameters and buffers have the state's arrays, dtypes and devices, so that there are
                not two copies of a large model in memory. An array that is read-only or not contiguous is copied.

        Returns:
            The missing and the unexpected names.

        Raises:
            TypeError: a state that is no dictionary of names, or values that are no arrays of numbers.
            ValueError: names that do not match (if strict) or shapes that differ. Nothing is changed then.
        """
        own = dict(self._persistent())
        if not isinstance(state_dict, Mapping) or not all(isinstance(name, str) for name in state_dict):
            raise TypeError(f"{type(self).__name__}.load_state_dict: a state is a dictionary of names and Tensors, this is "
                            f"a {type(state_dict).__name__}" + (" with other keys than strings"
                                                                  if isinstance(state_dict, Mapping) else ""))
        given = {name: _values(f"{type(self).__name__}.load_state_dict: {name}", state_dict[name], own[name])
                 for name in own if name in state_dict}
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        complaints = []
        if strict and missing:
            complaints.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            complaints.append(f"unexpected: {', '.join(unexpected)}")
        complaints += [f"{name} has shape {own[name].shape} here but {value.shape} in the state"
                       for name, value in given.items() if value.shape != own[name].shape]
        if complaints:
            raise ValueError(f"{type(self).__name__}.load_state_dict:\n  " + "\n  ".join(complaints))
        with no_grad():
            for name, value in given.items():
                (_assign if assign else Tensor.copy_)(own[name], value)
        return LoadResult(missing, unexpected)

    # ------------------------------------------------------------------ showing itself

    def extra_repr(self) -> str:
        """What the representation shows in the parentheses."""
        return ""

    def __repr__(self) -> str:
        parts = []
        for name, child in self.named_children():
            parts.append(f"({name}): " + repr(child).replace("\n", "\n  "))
        inside = self.extra_repr()
        if not parts:
            return f"{type(self).__name__}({inside})"
        return f"{type(self).__name__}(" + inside + "\n  " + "\n  ".join(parts) + "\n)"

    def summary(self, *inputs, **kwargs):
        """A table of all parts: output shapes (if inputs are given), parameter counts and memory.

        Args:
            *inputs: what forward takes; run once, in evaluation mode, without a graph.

        Returns:
            A Summary, which prints as text in a terminal and as a table in a notebook.
        """
        from .summary import summarize

        return summarize(self, inputs, kwargs)


class LoadResult(tuple):
    """(missing_keys, unexpected_keys)."""

    def __new__(cls, missing, unexpected):
        return super().__new__(cls, (missing, unexpected))

    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])


class _Hook:
    """A function to be called before or after forward, and how."""

    def __init__(self, function: Callable, with_kwargs: bool, always_call: bool = False):
        if not callable(function):
            raise TypeError(f"Module hooks: a hook is a function, got {type(function).__name__}")
        self.function, self.with_kwargs, self.always_call = function, with_kwargs, always_call

    def before(self, module: Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The arguments of forward, as the function leaves them."""
        changed = self.function(module, args, kwargs) if self.with_kwargs else self.function(module, args)
        if changed is None:
            return args, kwargs
        if not self.with_kwargs:
            return (changed if isinstance(changed, tuple) else (changed,)), kwargs
        if not isinstance(changed, tuple) or len(changed) != 2:
            raise TypeError(f"{type(module).__name__}: a forward pre-hook with_kwargs returns None or (args, kwargs), "
                            f"not a {type(changed).__name__}")
        return changed

    def after(self, module: Module, args: tuple, kwargs: dict, out):
        """The output of forward, as the function leaves it."""
        changed = self.function(module, args, kwargs, out) if self.with_kwargs else self.function(module, args, out)
        return out if changed is None else changed


class _HookHandle:
    """What the hook registrations return."""

    def __init__(self, hooks: list, hook: _Hook, prepend: bool):
        self._hooks, self._hook = hooks, hook
        hooks.insert(0 if prepend else len(hooks), hook)

    def remove(self) -> None:
        """Stop calling the hook."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


def _values(what: str, value, own: Tensor) -> Tensor:
    """A value of a state as a Tensor that ``own`` can take."""
    if not isinstance(value, Tensor):
        if not hasattr(value, "shape"):
            raise TypeError(f"{what} is a {type(value).__name__}; a state holds Tensors or arrays")
        try:
            value = as_tensor(value)
        except TypeError as error:
            raise TypeError(f"{what}: {error}") from None
    if own.dtype.kind != "f" and value.dtype.kind == "f":
        raise TypeError(f"{what} is {own.dtype} here but {value.dtype} in the state")
    return value


def _assign(tensor: Tensor, given: Tensor) -> None:
    """Let a tensor have an array, without a copy if that can be changed in place."""
    if tensor.dtype.kind == "f" and given.dtype.kind != "f":
        given = tensor_to(given, dtype=tensor.dtype)
    data = given._data
    tensor.grad = None
    tensor._data = ready(data) if isinstance(data, np.ndarray) else data


def _all_paths(module: Module, prefix: str = "") -> Iterator[tuple[str, Module]]:
    """Every path to a part, shared parts once for each path, as PyTorch's state_dict has them."""
    yield prefix, module
    for name, child in module.named_children():
        yield from _all_paths(child, f"{prefix}.{name}" if prefix else name)
