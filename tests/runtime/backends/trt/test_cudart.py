from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_runtime.backends.trt import cuda_library
from cdul_edge_runtime.backends.trt.cuda_library import load_cuda_library
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.fake_cuda import OUT_OF_MEMORY, FakeLibcudart


def test_it_names_the_device_and_its_memory() -> None:
    cuda = CudaRuntime(
        FakeLibcudart("NVIDIA GeForce RTX 4090", (8, 9), multiprocessors=128, memory_mib=24)
    )
    assert cuda.device_name() == "NVIDIA GeForce RTX 4090"
    assert cuda.compute_capability() == "8.9"
    assert cuda.multiprocessors() == 128
    assert cuda.version == "12.6"
    address = cuda.allocate(4 << 20)
    assert cuda.memory_mib() == (20, 24)
    cuda.free(address)
    assert cuda.memory_mib() == (24, 24)


def test_want_of_memory_is_said_with_the_numbers_and_the_error_is_cleared() -> None:
    library = FakeLibcudart(memory_mib=8)
    cuda = CudaRuntime(library)
    cuda.allocate(6 << 20)
    with pytest.raises(CdulEdgeError) as raised:
        cuda.allocate(3 << 20)
    assert str(raised.value) == (
        "out of device memory: asked for 3.0 MiB, 2 MiB of 8 MiB are free on the GPU: "
        "end other programs, or build with a smaller --batch-max"
    )
    assert library.events == ["error cleared"]  # or TensorRT's next call would report it
    library.failures["cudaHostAlloc"] = [OUT_OF_MEMORY]
    with pytest.raises(CdulEdgeError, match="out of page-locked host memory: asked for 1"):
        cuda.allocate_host(1 << 20)


@pytest.mark.parametrize(
    ("gpu", "message"),
    [
        ({"driver": 0}, "no NVIDIA driver answers: .*nvidia-smi.*--runtime nvidia"),
        ({"devices": 0}, "the NVIDIA driver shows no GPU .*CUDA_VISIBLE_DEVICES"),
    ],
)
def test_no_driver_and_no_gpu_are_told_apart(gpu: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        CudaRuntime(FakeLibcudart(**gpu))


def test_an_old_driver_is_told_with_the_cuda_that_it_knows() -> None:
    library = FakeLibcudart(driver=11040)
    library.failures["cudaGetDeviceCount"] = [35]
    with pytest.raises(CdulEdgeError, match=r"too old .* knows CUDA 11\.4.*TensorRT for CUDA 11"):
        CudaRuntime(library)


def test_what_keeps_the_driver_from_answering_is_named() -> None:
    library = FakeLibcudart()
    library.failures["cudaGetDeviceCount"] = [804]
    with pytest.raises(CdulEdgeError, match=r"shows no GPU \(cudaGetDeviceCount failed .* 804"):
        CudaRuntime(library)


def test_a_libcudart_without_a_function_that_is_needed_is_too_old() -> None:
    class Old(FakeLibcudart):
        def __getattr__(self, name: str) -> Any:
            if name == "cudaGraphInstantiateWithFlags":
                raise AttributeError(f"undefined symbol: {name}")
            return super().__getattr__(name)

    with pytest.raises(CdulEdgeError, match=r"too old \(undefined symbol: cudaGraphInst.*11\.4"):
        CudaRuntime(Old())


def test_another_failure_names_the_call_and_the_code() -> None:
    library = FakeLibcudart()
    cuda = CudaRuntime(library)
    library.failures["cudaStreamCreateWithFlags"] = [46]
    with pytest.raises(CdulEdgeError, match="cudaStreamCreateWithFlags failed with error 46"):
        cuda.create_stream()


def test_where_there_is_no_libcudart_the_error_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def refuse(name: str) -> None:
        tried.append(name)
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(CdulEdgeError, match=r"not found \(tried .*libcudart.so.12.*JetPack"):
        CudaRuntime()
    plain = [name for name in tried if "/" not in name]
    assert plain == ["libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"]


def test_nvidias_wheels_are_searched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "cuda_runtime" / "lib" / "libcudart.so.12"
    library.parent.mkdir(parents=True)
    library.touch()

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(cuda_library, "find_spec", lambda name: Spec)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    with pytest.raises(CdulEdgeError, match=str(library)):
        CudaRuntime()


def test_the_real_library_is_found_and_says_what_is_missing() -> None:
    """Without a driver this shows that every function is there, and the error that users see."""
    spec = find_spec("nvidia")
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    if not any(found for folder in folders for found in folder.glob("*/lib/libcudart.so*")):
        pytest.skip("no CUDA runtime wheel is installed")
    code = (
        "from cdul_edge_runtime.backends.trt.cuda_library import load_cuda_library\n"
        "from cdul_edge_runtime.backends.trt.cudart import CudaRuntime\n"
        "from cdul_edge_runtime.errors import CdulEdgeError\n"
        "library = load_cuda_library()\n"
        "try: print('a GPU:', CudaRuntime(library).device_name())\n"
        "except CdulEdgeError as error: print(error)\n"
    )
    # in a process of its own: libcudart keeps what it found at its first call
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert answer.returncode == 0, answer.stderr
    line = answer.stdout.strip()
    assert "\n" not in line
    if not line.startswith("a GPU:"):
        assert line.startswith(("no NVIDIA driver answers: cudaGetDeviceCount failed with error 35",
                                "the NVIDIA driver shows no GPU"))  # fmt: skip


@pytest.mark.gpu
def test_on_a_real_gpu_bytes_go_there_and_back() -> None:
    cuda = CudaRuntime()
    assert cuda.device_name()
    assert float(cuda.compute_capability()) >= 5
    assert cuda.multiprocessors() >= 1
    free, total = cuda.memory_mib()
    assert 0 < free <= total
    stream, size = cuda.create_stream(), 1 << 20
    source, target, device = cuda.allocate_host(size), cuda.allocate_host(size), cuda.allocate(size)
    sent = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(source))
    received = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(target))
    sent[:] = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    received[:] = 0
    cuda.copy_to_device(device, source, size, stream)
    cuda.copy_to_host(target, device, size, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(sent, received)

    cuda.begin_capture(stream)
    cuda.copy_to_device(device, source, size, stream)
    cuda.copy_to_host(target, device, size, stream)
    graph = cuda.end_capture(stream)
    runnable = cuda.instantiate(graph)
    cuda.destroy_graph(graph)
    sent[:] = 255 - sent
    cuda.launch(runnable, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(sent, received)

    cuda.destroy_runnable(runnable)
    cuda.free(device)
    cuda.free_host(source)
    cuda.free_host(target)
    cuda.destroy_stream(stream)


@pytest.mark.gpu
def test_on_a_real_gpu_want_of_memory_is_an_error_and_the_device_goes_on() -> None:
    cuda = CudaRuntime()
    _, total = cuda.memory_mib()
    with pytest.raises(CdulEdgeError, match="out of device memory: asked for"):
        cuda.allocate(int(total * 2) << 20)
    cuda.free(cuda.allocate(1 << 10))


def gpus() -> int:
    """How many the driver shows; asked without a number that may not be there."""
    count = ctypes.c_int()
    assert load_cuda_library().cudaGetDeviceCount(ctypes.byref(count)) == 0
    return count.value


def device_of_thread() -> int:
    current = ctypes.c_int()
    assert load_cuda_library().cudaGetDevice(ctypes.byref(current)) == 0
    return current.value


@pytest.mark.gpu
def test_on_a_real_machine_a_gpu_that_is_not_there_is_refused() -> None:
    count = gpus()
    with pytest.raises(CdulEdgeError, match=f"there is no GPU {count}: CUDA shows "):
        CudaRuntime(gpu=count)
    assert CudaRuntime(gpu=count - 1).device_name()


@pytest.mark.gpu
def test_on_a_real_gpu_a_thread_that_is_there_stays_there() -> None:
    cuda = CudaRuntime()
    with cuda.current():
        address = cuda.allocate(1 << 10)
        assert device_of_thread() == 0
    with cuda.current():
        cuda.free(address)
    assert device_of_thread() == 0


@pytest.fixture
def _first_gpu_again() -> Iterator[None]:
    yield
    load_cuda_library().cudaSetDevice(0)


@pytest.mark.gpu
@pytest.mark.usefixtures("_first_gpu_again")
@pytest.mark.parametrize(("ours", "theirs"), [(0, 1), (1, 0), (1, 1)])
def test_on_real_gpus_memory_is_made_at_ours_and_the_thread_keeps_its_own(
    ours: int, theirs: int
) -> None:
    if gpus() < 2:
        pytest.skip("one GPU here")
    cuda, size = CudaRuntime(gpu=ours), 64 << 20
    assert load_cuda_library().cudaSetDevice(theirs) == 0
    with cuda.current():
        stream, device = cuda.create_stream(), cuda.allocate(size)
        source, target = cuda.allocate_host(size), cuda.allocate_host(size)
    assert device_of_thread() == theirs

    def there_and_back() -> int:
        """In a new thread, which CUDA starts at GPU 0."""
        with cuda.current():
            cuda.copy_to_device(device, source, size, stream)
            cuda.copy_to_host(target, device, size, stream)
            cuda.synchronize(stream)
        return device_of_thread()

    sent = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(source))
    received = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(target))
    sent[:], received[:] = 7, 0
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(there_and_back).result(60) == 0
    assert (received == 7).all()
    with cuda.current():
        cuda.free(device)
        cuda.free_host(source)
        cuda.free_host(target)
        cuda.destroy_stream(stream)
    assert device_of_thread() == theirs
