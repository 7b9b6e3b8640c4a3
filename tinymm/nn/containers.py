"""Modules that hold Modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from .module import Module
from .parameter import Parameter


class Sequential(Module):
    """Modules applied one after the other.

    Args:
        *args: Modules, or one OrderedDict of name -> Module.
    """

    def __init__(self, *args):
        super().__init__()
        items = args[0].items() if len(args) == 1 and isinstance(args[0], (OrderedDict, dict)) else \
            ((str(i), module) for i, module in enumerate(args))
        for name, module in items:
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: element {name} is a {type(module).__name__}, not a Module; "
                                "functions go in as a layer, e.g. nn.ReLU()")
            self.add_module(name, module)

    def forward(self, input):
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> "Sequential":
        """Add a Module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index):
        names = list(self._modules)
        if isinstance(index, slice):
            return Sequential(OrderedDict((name, self._modules[name]) for name in names[index]))
        return self._modules[names[index]]


class ModuleList(Module):
    """A list of Modules whose parameters are found."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())

    def append(self, module: Module) -> "ModuleList":
        """Add a Module at the end."""
        if not isinstance(module, Module):
            raise TypeError(f"ModuleList: {type(module).__name__} is not a Module")
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        """Add several Modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index):
        modules = list(self._modules.values())
        return ModuleList(modules[index]) if isinstance(index, slice) else modules[index]


class ModuleDict(Module):
    """A dict of Modules whose parameters are found."""

    def __init__(self, modules: dict[str, Module] | None = None):
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def keys(self):
        """The names."""
        return self._modules.keys()

    def values(self):
        """The Modules."""
        return self._modules.values()

    def items(self):
        """(name, Module) pairs."""
        return self._modules.items()


class ParameterList(Module):
    """A list of Parameters that are found."""

    def __init__(self, values: Iterable[Parameter] | None = None):
        super().__init__()
        for parameter in values or ():
            self.append(parameter)

    def append(self, value: Parameter) -> "ParameterList":
        """Add a Parameter at the end."""
        self.register_parameter(str(len(self)), value)
        return self

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __len__(self) -> int:
        return len(self._parameters)

    def __getitem__(self, index: int) -> Parameter:
        return list(self._parameters.values())[index]
