"""Read the tensors of a file that torch.save wrote, without executing anything it names.

A pickle is a program: it names functions and calls them. This unpickler knows the handful of names
that make tensors and the plain containers around them, and has its own code for each. Every other
name becomes an inert placeholder. So other objects of trainers (NumPy scalars, paths, dates,
optimizer states, their own classes) are ignored, and a malicious file runs nothing.
"""

from __future__ import annotations

import logging
import pickle
import struct
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from difusionseg_core.checkpoints.model_files import TORCH_ZIP

_TYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
_STORAGES = {f"{name}Storage": dtype for name, dtype in _TYPES.items()}
_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in _TYPES.values()}

# Modules that no training state needs, but attacks use.
_SUSPICIOUS = {"os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "runpy", "importlib"}
_SUSPICIOUS_NAMES = {
    *(f"builtins.{name}" for name in ("eval", "exec", "compile", "open", "__import__")),
    *("io.open", "_io.open", "webbrowser.open"),
}


class StoredTensor(NamedTuple):
    """A tensor in the file, not read yet: a view of a storage of `numel` values of `dtype`."""

    key: str
    dtype: torch.dtype
    numel: int
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Inert(type):
    """Type of placeholders: operations of a pickle on one have no effect and return it."""

    def __call__(cls, *args: object, **kwargs: object) -> type:
        return cls

    def __setstate__(cls, state: object) -> None: ...

    def __setitem__(cls, key: object, value: object) -> None: ...

    append = extend = add = update = __setstate__


class Placeholder(metaclass=_Inert):
    """Replaces everything that the file calls `wanted`: a class, its objects, function results.

    It is a class, because pickles may make objects of anything that they loaded before.
    """

    wanted = ""

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        """Make nothing: the class itself takes the place of the object."""
        return cls


def is_placeholder(value: object) -> bool:
    """Return whether a value in a file is one that was not read."""
    return isinstance(value, _Inert)


class TorchFile:
    """A checkpoint of PyTorch, read without executing anything in it.

    `content` is the saved object: dictionaries, lists, numbers, text, `StoredTensor`s,
    `Placeholder`s.
    `kind` is that of `model_files.kind_of`. Raises ValueError, in one line, for a damaged file and
    for one that is no checkpoint.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self._read: dict[str, bytearray] = {}  # storages by key
        try:
            open_content = self._open_zip if kind == TORCH_ZIP else self._open_legacy
            self.content = open_content()
        except ValueError:
            raise
        except Exception as error:  # damaged pickles raise many kinds
            raise ValueError(f"{path} is damaged: {_brief(error)}") from error

    def load(self, stored: StoredTensor) -> Tensor:
        """Read one tensor. Raises ValueError if its bytes are missing."""
        try:
            storage = self._storage(stored)
        except (KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path} is damaged: {_brief(error)}") from error
        return storage.as_strided(stored.size, stored.stride, stored.offset)

    def _storage(self, stored: StoredTensor) -> Tensor:
        if stored.key not in self._read:
            length = stored.numel * stored.dtype.itemsize
            data = self._bytes(stored.key, length)
            if len(data) < length:
                raise ValueError(
                    f"{self.path} is truncated: {len(data)} of {length} bytes of storage "
                    f"{stored.key} are there; download or copy it again"
                )
            self._read[stored.key] = data
        data = self._read[stored.key]
        if not stored.numel:
            return torch.empty(0, dtype=stored.dtype)
        return torch.frombuffer(data, dtype=stored.dtype, count=stored.numel)

    def _open_zip(self) -> object:
        with zipfile.ZipFile(self.path) as archive:
            names = archive.namelist()
            pickled = [
                name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")
            ]
            if any(name.endswith("/constants.pkl") for name in names):
                raise ValueError(f"{self.path} is a TorchScript program, not a checkpoint")
            if len(pickled) != 1:
                raise ValueError(f"{self.path} is a zip archive that torch.save did not write")
            top = pickled[0].removesuffix("data.pkl")
            if f"{top}byteorder" in names:
                order = archive.read(f"{top}byteorder").decode("ascii", "replace")
                if order != sys.byteorder:
                    raise ValueError(f"{self.path} holds {order}-endian numbers: not supported")
            self._bytes = lambda key, length: _record(self.path, f"{top}data/{key}", length)
            with archive.open(pickled[0]) as file:
                return _Unpickler(file, self.path).load()

    def _open_legacy(self) -> object:
        """Read the format before PyTorch 1.6: five pickles, then storages with lengths."""
        with self.path.open("rb") as file:
            for _ in range(3):  # magic number, protocol, sizes of C types
                _Unpickler(file, self.path).load()
            content = _Unpickler(file, self.path)
            result, keys = content.load(), _Unpickler(file, self.path).load()
            places = {}
            for key in keys:
                start, numel = file.tell() + 8, struct.unpack("<q", _exactly(file, 8))[0]
                length = numel * content.item_sizes[key]
                if numel < 0 or start + length > self.path.stat().st_size:
                    raise ValueError(
                        f"{self.path} is truncated within storage {key}: download or copy it again"
                    )
                places[key] = start
                file.seek(start + length)

        def read(key: str, length: int) -> bytearray:
            with self.path.open("rb") as file:
                file.seek(places[key])
                return bytearray(file.read(length))

        self._bytes = read
        return result


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype
    numel: int


class _Unpickler(pickle.Unpickler):
    """Makes plain containers, `StoredTensor`s and `Placeholder`s, and nothing else."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        # latin-1: the byte strings of Python 2 never fail to decode.
        super().__init__(file, encoding="latin-1")
        self.path = path
        self.item_sizes: dict[str, int] = {}
        self._placeholders: dict[str, _Inert] = {}
        # Bound methods, whose attributes no pickle can set.
        self._known: dict[str, Callable[..., object] | type] = {
            "collections.OrderedDict": OrderedDict,
            "collections.defaultdict": self._plain_dict,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_type,
            "torch._utils._rebuild_parameter": self._first,
            "torch._utils._rebuild_parameter_with_state": self._first,
            "torch._tensor._rebuild_from_type_v2": self._from_type,
        }

    def find_class(self, module: str, name: str) -> Any:
        # Names of Python 2, which low protocols also use in Python 3.
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        wanted = f"{module}.{name}"
        if wanted in self._known:
            return self._known[wanted]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if wanted == "torch.storage.UntypedStorage":
            return torch.uint8
        if wanted not in self._placeholders:
            _warn_if_suspicious(self.path, module, name)
            # Made for this file alone, so that no file can change what another one finds.
            self._placeholders[wanted] = _Inert("Placeholder", (Placeholder,), {"wanted": wanted})
        return self._placeholders[wanted]

    def persistent_load(self, pid: Any) -> object:
        """Return a storage: ("storage", type, key, device, numel), and a view of old files."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            return Placeholder
        _, dtype, key, _, numel, *view = pid
        if not isinstance(dtype, torch.dtype) or any(part is not None for part in view):
            return Placeholder
        self.item_sizes[key] = dtype.itemsize
        return _Storage(str(key), dtype, int(numel))

    def _tensor(
        self, storage: object, offset: int, size: tuple, stride: tuple, *_: object
    ) -> StoredTensor | type:
        if not isinstance(storage, _Storage):
            return Placeholder
        numbers = (storage.numel, offset, *size, *stride)
        if len(size) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise ValueError(f"{self.path} is damaged: a tensor has an impossible shape")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 in size:
            offset = 0
        elif last >= storage.numel:
            raise ValueError(
                f"{self.path} is damaged: a tensor of shape {tuple(size)} exceeds its storage"
            )
        return StoredTensor(*storage, offset, tuple(size), tuple(stride))

    def _tensor_of_type(
        self, storage: object, offset: int, size: tuple, stride: tuple, *rest: object
    ) -> StoredTensor | type:
        dtype = rest[2] if len(rest) > 2 else None  # after requires_grad and hooks
        if not isinstance(storage, _Storage) or not isinstance(dtype, torch.dtype):
            return Placeholder
        numel = storage.numel * storage.dtype.itemsize // dtype.itemsize
        return self._tensor(_Storage(storage.key, dtype, numel), offset, size, stride)

    def _first(self, data: object, *_: object) -> object:
        return data

    def _from_type(self, rebuild: Any, _type: object, args: tuple, *_: object) -> object:
        known = rebuild in (self._tensor, self._tensor_of_type, self._first)
        return rebuild(*args) if known else Placeholder

    def _plain_dict(self, *_: object) -> dict:
        return {}


def _warn_if_suspicious(path: Path, module: str, name: str) -> None:
    if module.partition(".")[0] in _SUSPICIOUS or f"{module}.{name}" in _SUSPICIOUS_NAMES:
        logging.getLogger(__name__).warning(
            "%s names %s.%s, which torch.load without weights_only would run; it was not run here",
            path,
            module,
            name,
        )


def _record(path: Path, name: str, length: int) -> bytearray:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        data = bytearray(file.read(length))
        file.read(1)  # past the end, where the checksum is compared
    return data


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("the file ends early")
    return data


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text and len(text) < 200 else type(error).__name__
