"""Read networks from MATLAB files, MatConvNet's layers or named arrays, without running anything that they hold.

MATLAB 7.3 files are HDF5, with all axes reversed; older ones are read by SciPy. Both in a process of their own, as a
damaged file can keep SciPy busy for hours.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pebble

HDF5 = b"\x89HDF\r\n\x1a\n"  # the signature, after MATLAB's own header
USER_BLOCK = 512  # bytes of that header
FIELDS = {"type", "weights", "stride", "pad", "dilate", "leak"}  # of a layer; the others only matter in training
LARGEST = 2**28  # bytes of an array; the 20 layers of DnCNN have 3e6 in all
TIME_LIMIT = 60  # seconds
Content = TypeVar("Content")


def layers(path: Path) -> list[dict[str, Any]]:
    """Return the FIELDS of each layer: arrays as MATLAB indexes them, kernels as (height, width, in, out).

    Raises ValueError if the file is damaged or holds no simplenn network.
    """
    return _apart(_layers, path)


def names(path: Path) -> set[str]:
    """Return the names of the variables in a file before version 7.3; none of another or damaged one."""
    return _apart(_names, path)


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in a file before version 7.3 by their names.

    Raises ValueError if the file is damaged, of version 7.3 or none of MATLAB's.
    """
    return _apart(_arrays, path)


def _apart(read: Callable[[Path], Content], path: Path) -> Content:
    """Return what `read` gives for a file, in a process of its own; raise ValueError if that crashes or hangs."""
    forkserver.set_forkserver_preload([__name__, "scipy.io", "h5py"])
    pool = pebble.ProcessPool(1, context=multiprocessing.get_context("forkserver"))
    try:
        return pool.schedule(read, [path], timeout=TIME_LIMIT).result()
    except (TimeoutError, pebble.ProcessExpired) as error:
        raise ValueError(f"{path} is damaged: what reads MATLAB files crashed, or took over {TIME_LIMIT} s") from error
    finally:
        pool.stop()
        pool.join()


def _layers(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        try:
            version_7_3 = HDF5 in file.read(USER_BLOCK + len(HDF5))
            file.seek(0)
            layers = list(_hdf5(file) if version_7_3 else _version_5(file))
            for layer in layers:
                if layer["type"] == "conv":
                    kernel, bias = layer["weights"]
                    # MATLAB drops the last axes of length 1.
                    layer["weights"] = [kernel.reshape((*kernel.shape, 1, 1)[:4]), bias]
        except Exception as error:  # damaged files fail in many ways, from KeyError to MemoryError
            raise ValueError(
                f"{path} cannot be read as a simplenn network of MatConvNet, a struct `net` with a cell array `layers`:"
                " it is truncated or holds something else (nothing in it was run)"
            ) from error
    return layers


def _names(path: Path) -> set[str]:
    from scipy.io import whosmat

    try:
        with path.open("rb") as file:
            return {name for name, _, _ in whosmat(file)}
    except Exception:  # as in `_layers`; who reads the file next says what is wrong with it
        return set()


def _arrays(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    try:
        with path.open("rb") as file:
            content = loadmat(file)
    except Exception as error:  # as in `_layers`
        raise ValueError(f"{path} cannot be read as a MATLAB file: it is truncated or something else") from error
    return {name: array for name, array in content.items() if getattr(array, "dtype", None) in ("f4", "f8")}


def _hdf5(file: BinaryIO) -> Iterator[dict[str, Any]]:
    import h5py

    with h5py.File(file, "r") as root:

        def value(item: h5py.Dataset) -> Any:
            if item.nbytes > LARGEST:  # or a header alone takes all memory
                raise ValueError(f"{item.name} has {item.nbytes} bytes")
            if item.attrs.get("MATLAB_class") == b"char":
                return "".join(map(chr, item[()].ravel()))
            if h5py.check_ref_dtype(item.dtype) is not None:
                return [value(root[reference]) for reference in item[()].ravel()]
            return item[()].T.astype(np.float32)

        for reference in root["net/layers"][()].ravel():
            yield {name: value(item) for name, item in root[reference].items() if name in FIELDS}


def _version_5(file: BinaryIO) -> Iterator[dict[str, Any]]:
    from scipy.io import loadmat

    def value(item: np.ndarray) -> Any:
        if item.dtype.kind == "U":
            return str(item.item())
        return [value(cell) for cell in item.ravel()] if item.dtype.kind == "O" else item.astype(np.float32)

    for layer in loadmat(file, variable_names=["net"])["net"]["layers"].item().ravel():
        yield {name: value(layer[name].item()) for name in layer.dtype.names if name in FIELDS}
