"""A GPU for tests where there is none: tensors that say "pretend:0", compute on the CPU, and refuse what a GPU would.

Real values come from the CPU's own kernels. What a GPU refuses is refused: operands on several devices, becoming NumPy,
more memory than there is (`memory.limit`), and the processor's part in a graph that is recorded. It is one of PyTorch's
devices under a name of its own, so that what is tested is the code as it is. What a real GPU does otherwise stays
untested: rounding, streams, and times.
"""

import gc
import time
import weakref
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

try:
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as _setup
except ImportError:
    _setup = None

NAME = "pretend"
COUNT = 2
MISSING = "" if _setup else f"torch {torch.__version__} has no Python backends to pretend a GPU with"
COPIES = {"aten::copy_", "aten::_to_copy", "aten::_copy_from"}  # from one device to the other
READING = {"aten::_local_scalar_dense"}  # of a value by the processor
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_unsafe_index", "aten::_index_put_impl_"}
FACTORIES = ["empty.memory_format", "empty_strided", "arange", "arange.start", "arange.start_step", "rand", "randn"]


class Memory:
    """The bytes of tensors on the device, now and at most, and how many it has."""

    def __init__(self) -> None:
        self.used = self.peak = 0
        self.limit = 2**40
        self._known: set[int] = set()

    def hold(self, tensor: Tensor) -> None:
        """Count the storage of a tensor until it is freed; raise torch.OutOfMemoryError if there is no room."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        if self.used + size > self.limit:
            raise torch.OutOfMemoryError(f"pretend device out of memory. Tried to allocate {size} bytes")
        self._known.add(key)
        self.used += size
        self.peak = max(self.peak, self.used)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.used -= size

    @contextmanager
    def limited(self, spare: int) -> Any:
        """Leave no more than `spare` bytes beside what is in use."""
        gc.collect()  # what nothing uses any more is not in use
        self.limit = self.used + spare
        try:
            yield
        finally:
            self.limit = 2**40


memory = Memory()
recording: list["Graph"] = []  # the graph that work is recorded to, if there is one
synchronized: list[int] = []  # the index of every device that was waited for


class Gpu(Tensor):
    """A tensor on the device; `held` is the one on the CPU that computes."""

    held: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, index: int = 0) -> "Gpu":
        memory.hold(inner)
        shape = dict(strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype)
        wrapped = Tensor._make_wrapper_subclass(cls, inner.size(), **shape, device=torch.device(NAME, index))
        wrapped.held = inner
        return wrapped

    def __init__(self, inner: Tensor, index: int = 0) -> None: ...

    def __repr__(self, **_: object) -> str:
        return f"Gpu({self.held!r})"

    def numpy(self, *_: object, **__: object) -> None:
        raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __deepcopy__(self, memo: dict) -> "Gpu":
        if id(self) not in memo:
            copied = self.detach().clone(memory_format=torch.preserve_format)
            parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = torch.nn.Parameter(copied, self.requires_grad) if parameter else copied
        return memo[id(self)]

    def __reduce_ex__(self, protocol: object) -> tuple:
        return torch._utils._rebuild_device_tensor_from_cpu_tensor, (
            self.detach().cpu(),
            self.dtype,
            str(self.device),
            self.requires_grad,
        )

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name
        if name == "aten::_has_compatible_shallow_copy_type":  # asked by Module.to
            return False
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        index = _index(name, tensors, args)
        target = kwargs.get("device")
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        between = name in COPIES and {tensor.is_cpu for tensor in tensors} == {True, False}
        if recording and (name in READING or between):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        arguments, named = (tree_map(lambda value: getattr(value, "held", value), each) for each in (args, kwargs))
        results = func(*arguments, **named)
        if recording:
            recording[0].work.append((func, arguments, named, results))
        if func._schema.is_mutable and (name.endswith("_") or not func._schema.returns):
            return args[0] if func._schema.returns else results
        if target is not None:
            target = torch.device(target)
            if target.type == "cpu":
                return results
            index = target.index or 0
        if "out" in kwargs:
            return kwargs["out"]
        aliases = [argument.alias_info for argument in func._schema.arguments]
        view = any(alias is not None and not alias.is_write for alias in aliases)
        normal = view and isinstance(args[0], Gpu) and not args[0].is_inference()
        with torch.inference_mode(False) if normal else nullcontext():
            wrap: Callable[[Any], Any] = lambda value: Gpu(value, index) if type(value) is Tensor else value  # noqa: E731
            return tree_map(wrap, results)


def _index(name: str, tensors: list[Tensor], args: tuple) -> int:
    """Return the number of the device of all operands; raise RuntimeError if there are several."""
    devices = {tensor.device for tensor in tensors if tensor.dim() > 0 or isinstance(tensor, Gpu)}
    if name in INDEXING and isinstance(args[0], Gpu):  # a GPU takes indices from the CPU there
        devices -= {torch.device("cpu")}
    if len(devices) > 1 and name not in COPIES:
        found = " and ".join(sorted(map(str, devices)))
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {found} in {name}")
    first = next((tensor for tensor in tensors if isinstance(tensor, Gpu)), None)
    return first.device.index or 0 if first is not None else 0


class Graph:
    """Work that was recorded: the same operators on the same tensors, whatever these hold when it is replayed."""

    def __init__(self) -> None:
        self.work: list[tuple] = []

    @contextmanager
    def recorded(self) -> Any:
        """Record what is computed in the block; what needs the processor meanwhile is refused, as CUDA does."""
        recording.append(self)
        try:
            yield
        finally:
            recording.clear()

    @torch.no_grad()
    def replay(self) -> None:
        for func, arguments, named, results in self.work:
            found = tree_flatten(func(*arguments, **named))[0]
            for ours, before in zip(found, tree_flatten(results)[0], strict=True):
                if isinstance(ours, Tensor) and ours.data_ptr() != before.data_ptr():
                    before.copy_(ours)


class Stream:
    """A queue of work, which is done at once."""

    def wait_stream(self, other: "Stream") -> None: ...


class Event:
    """A moment on the device, which is done at once."""

    def __init__(self, enable_timing: bool = False) -> None: ...

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, other: "Event") -> float:
        return 1e3 * (other.at - self.at)


def _made(device: torch.device | None, make: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    return Gpu(make(*args, device="cpu", **kwargs), (device.index if device else 0) or 0)


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    if recording:
        raise RuntimeError("operation not permitted when stream is capturing: a copy to the device")
    getattr(target, "held", target).copy_(getattr(source, "held", source))
    return target


def install() -> str:
    """Register the device with PyTorch, once per process; return the name of its first one."""
    if hasattr(torch, NAME):
        return f"{NAME}:0"
    torch.ones(1, requires_grad=True).sum().backward()  # before there is a device: its threads would forbid forks
    _setup(NAME)
    functions: dict[str, Any] = {
        "synchronize": lambda device=None: synchronized.append(torch.device(device or f"{NAME}:0").index or 0),
        "get_device_name": lambda device=None: "a pretended GPU",
        "device_count": lambda: COUNT,
        "device": lambda device: nullcontext(),
        "mem_get_info": lambda device=None: (memory.limit - memory.used, memory.limit),
        "memory_allocated": lambda device=None: memory.used,
        "memory_reserved": lambda device=None: memory.used,
        "max_memory_allocated": lambda device=None: memory.peak,
        "reset_peak_memory_stats": lambda device=None: setattr(memory, "peak", memory.used),
        "empty_cache": lambda: None,
        "is_bf16_supported": lambda including_emulation=True: False,
        "get_amp_supported_dtype": lambda: [torch.bfloat16, torch.float16],
        "Event": Event,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": Graph,
        "graph": Graph.recorded,
    }
    for name, function in functions.items():
        setattr(getattr(torch, NAME), name, function)
    for name in FACTORIES:
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet), overload or "default")

        def make(*args: Any, operator: Any = operator, device: torch.device | None = None, **kwargs: Any) -> Tensor:
            return _made(device, operator, *args, **kwargs)

        torch.library.impl(f"aten::{name}", "privateuseone")(make)
    torch.library.impl("aten::_copy_from", "privateuseone")(_copy_from)  # of torch.tensor, which passes by the class
    return f"{NAME}:0"


@contextmanager
def plugged() -> Any:
    """Install the device, and let modules move to it as long as the block runs; give the name of its first one."""
    name = install()
    torch.__future__.set_swap_module_params_on_conversion(True)  # what `held` is goes along with a parameter's data
    try:
        with torch.autograd.set_multithreading_enabled(False):  # gradients are computed in our thread, as the CPU's are
            yield name
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
