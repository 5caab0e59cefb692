/// A CUDA device.

#include <cstring>
#include <string>
#include <vector>

#include <cuda_runtime.h>
#include <dlfcn.h>

#include "backends/cuda/device_private.hpp"
#include "backends/cuda/held_memory.hpp"

#define SPIKELOOM_TEXT_OF(x) #x
#define SPIKELOOM_TEXT(x) SPIKELOOM_TEXT_OF(x)
#define SPIKELOOM_CUDA_MAJOR SPIKELOOM_TEXT(__CUDACC_VER_MAJOR__)

namespace spikeloom::cuda {

Error cuda_failure(cudaError_t code, const char* doing) {
  const bool memory = code == cudaErrorMemoryAllocation;
  const bool absent = code == cudaErrorNoDevice || code == cudaErrorInsufficientDriver;
  Error error;
  error.code = memory ? ErrorCode::kResource : absent ? ErrorCode::kUnsupported : ErrorCode::kIo;
  error.what = std::string("CUDA could not ") + doing;
  error.got = std::string(cudaGetErrorName(code)) + ": " + cudaGetErrorString(code);
  error.next = memory ? "run a smaller batch or network, or see with nvidia-smi who else holds "
                        "memory of this GPU"
                      : "the session cannot go on; see nvidia-smi, then begin again from the last "
                        "checkpoint or with --backend cpu";
  return error;
}

namespace {

#define SPIKELOOM_CUDA(expression, doing)                             \
  do {                                                                \
    if (const cudaError_t code = (expression); code != cudaSuccess) { \
      cudaGetLastError();                                             \
      return cuda_failure(code, doing);                               \
    }                                                                 \
  } while (false)

template <typename K>
__device__ __forceinline__ void run_phases(const K& kernel) {
  extern __shared__ std::uint64_t memory[];
  typename K::Local local;
  const Place place{blockIdx.x, threadIdx.x, blockDim.x, memory};
  const std::uint32_t phases = kernel.phases();
  for (std::uint32_t phase = 0; phase < phases; ++phase) {
    if (phase != 0) __syncthreads();
    kernel(place, phase, local);
  }
}

template <typename K>
__global__ void run_kernel(const K kernel) {
  run_phases(kernel);
}

/// For kernels that say how many blocks a multiprocessor is to have at once.
template <typename K>
__global__ void __launch_bounds__(kLayerThreads, K::kBlocksAtOnce) run_layer(const K kernel) {
  run_phases(kernel);
}

template <typename K>
constexpr auto function_of() {
  if constexpr (requires { K::kBlocksAtOnce; }) {
    return run_layer<K>;
  } else {
    return run_kernel<K>;
  }
}

struct DeviceSequence : Sequence {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ~DeviceSequence() override {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
};

/// What is used of cuBLAS, found when it is first asked for: a program with CUDA starts without it.
class Blas {
 public:
  ~Blas() {
    if (handle_ != nullptr) destroy_(handle_);
  }
  bool start(cudaStream_t stream) {
    void* const library = open_library();
    if (library == nullptr) return false;
    const auto create = reinterpret_cast<int (*)(void**)>(dlsym(library, "cublasCreate_v2"));
    const auto set_stream =
        reinterpret_cast<int (*)(void*, cudaStream_t)>(dlsym(library, "cublasSetStream_v2"));
    destroy_ = reinterpret_cast<int (*)(void*)>(dlsym(library, "cublasDestroy_v2"));
    multiply_ = reinterpret_cast<Multiply>(dlsym(library, "cublasSgemm_v2"));
    multiply_any_ = reinterpret_cast<MultiplyAny>(dlsym(library, "cublasGemmEx"));
    if (multiply_any_ == nullptr) return false;
    if (create == nullptr || set_stream == nullptr || destroy_ == nullptr || multiply_ == nullptr) {
      return false;
    }
    if (create(&handle_) != 0) {
      handle_ = nullptr;
      return false;
    }
    return set_stream(handle_, stream) == 0;
  }
  /// cuBLAS counts columns first: what we call (rows, outputs) is its (outputs, rows).
  cudaError_t multiply(const Product& p) {
    const float one = 1.0F, zero = 0.0F;
    const auto inputs = static_cast<int>(p.inputs), outputs = static_cast<int>(p.outputs);
    const int code = multiply_(handle_, 0, 0, outputs, static_cast<int>(p.rows), inputs, &one,
                               p.weight, outputs, p.in, inputs, &zero, p.out, outputs);
    return code == 0 ? cudaSuccess : cudaErrorUnknown;
  }
  cudaError_t multiply(const NarrowProduct& p) {
    constexpr int kTransposed = 1, kPlain = 0, kSumsOfFloat = 68, kSumsOfInt = 72, kAnyWay = -1;
    const float ones[] = {0.0F, 1.0F};
    const std::int32_t whole_ones[] = {0, 1};
    const auto scale = [&](bool one) -> const void* {
      return p.whole ? static_cast<const void*>(whole_ones + one) : ones + one;
    };
    const auto inputs = static_cast<int>(p.inputs), outputs = static_cast<int>(p.outputs);
    const cudaDataType_t factor = p.whole ? CUDA_R_8I : CUDA_R_16BF;
    const int code = multiply_any_(handle_, kTransposed, kPlain, outputs, static_cast<int>(p.rows),
                                   inputs, scale(true), p.weight, factor, inputs, p.in, factor,
                                   inputs, scale(p.adds), p.out, p.whole ? CUDA_R_32I : CUDA_R_32F,
                                   outputs, p.whole ? kSumsOfInt : kSumsOfFloat, kAnyWay);
    return code == 0 ? cudaSuccess : cudaErrorUnknown;
  }

 private:
  using MultiplyAny = int (*)(void*, int, int, int, int, int, const void*, const void*,
                              cudaDataType_t, int, const void*, cudaDataType_t, int, const void*,
                              void*, cudaDataType_t, int, int, int);
  using Multiply = int (*)(void*, int, int, int, int, int, const float*, const float*, int,
                           const float*, int, const float*, float*, int);
  static void* open_library() {
    for (const char* const name : {"libcublas.so." SPIKELOOM_CUDA_MAJOR, "libcublas.so"}) {
      if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
    }
    return nullptr;
  }
  void* handle_ = nullptr;
  int (*destroy_)(void*) = nullptr;
  Multiply multiply_ = nullptr;
  MultiplyAny multiply_any_ = nullptr;
};

/// Page-locked memory: what is copied from there goes its way while the processor works on.
struct Staging {
  void* memory = nullptr;
  std::size_t size = 0;
  cudaEvent_t sent = nullptr;

  /// Waits until the last copy from here is done.
  Status take(std::size_t bytes, Watch* watch) {
    if (sent == nullptr) {
      SPIKELOOM_CUDA(cudaEventCreateWithFlags(&sent, cudaEventDisableTiming), "make an event");
    }
    for (std::uint64_t looks = 0; watch != nullptr && is_busy(cudaEventQuery(sent)); ++looks) {
      SPIKELOOM_CHECK(watch->look(looks));
    }
    SPIKELOOM_CUDA(cudaEventSynchronize(sent), "copy");
    if (bytes <= size) return {};
    if (memory != nullptr) cudaFreeHost(memory);
    memory = nullptr;
    size = 0;
    SPIKELOOM_CUDA(cudaMallocHost(&memory, bytes), "allocate page-locked memory");
    size = bytes;
    return {};
  }
  ~Staging() {
    if (memory != nullptr) cudaFreeHost(memory);
    if (sent != nullptr) cudaEventDestroy(sent);
  }
};

/// Copies that may be on their way at once.
constexpr std::size_t kStagings = 4;
constexpr std::size_t kMostStaged = std::size_t{32} << 20;

class DeviceMachine : public Machine, public DeviceMember {
 public:
  explicit DeviceMachine(std::uint32_t device) : device_(static_cast<int>(device)) {}
  /// With the stream of another machine, which outlives this one, or one of its own.
  Status start(cudaStream_t other = nullptr) {
    SPIKELOOM_CHECK(enter());
    stream_ = other;
    owns_stream_ = other == nullptr;
    if (!owns_stream_) return {};
    SPIKELOOM_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    return {};
  }
  ~DeviceMachine() override {
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
    for (const cudaStream_t stream : side_streams_) cudaStreamDestroy(stream);
    if (owns_stream_ && stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  Status enter() override {
    SPIKELOOM_CUDA(cudaSetDevice(device_), "choose a device");
    return {};
  }
  cudaStream_t stream() const override { return stream_; }
  void set_watch(Watch* watch) override { watch_ = watch; }

  Result<void*> allocate(std::size_t bytes) override {
    void* memory = nullptr;
    SPIKELOOM_CHECK(wait_watched());
    SPIKELOOM_CUDA(cudaMalloc(&memory, bytes), "allocate memory");
    held_.add(memory, bytes);
    if (Status cleared = clear(memory, bytes); !cleared.ok()) {
      release(memory);
      return std::move(cleared).error();
    }
    return memory;
  }
  void release(void* memory) noexcept override {
    held_.remove(memory);
    cudaFree(memory);
  }
  Result<void*> allocate_host(std::size_t bytes) override {
    void* memory = nullptr;
    SPIKELOOM_CHECK(wait_watched());
    SPIKELOOM_CUDA(cudaMallocHost(&memory, bytes), "allocate page-locked memory");
    return memory;
  }
  void release_host(void* memory) noexcept override { cudaFreeHost(memory); }
  Status upload(void* to, const void* from, std::size_t bytes) override {
    SPIKELOOM_CHECK(enter());
    for (std::size_t done = 0; done < bytes; done += kMostStaged) {
      const std::size_t size = bytes - done < kMostStaged ? bytes - done : kMostStaged;
      Staging& staging = staging_[next_staging_++ % kStagings];
      SPIKELOOM_CHECK(staging.take(size, watch_));
      std::memcpy(staging.memory, static_cast<const char*>(from) + done, size);
      SPIKELOOM_CUDA(cudaMemcpyAsync(static_cast<char*>(to) + done, staging.memory, size,
                                     cudaMemcpyHostToDevice, stream_),
                     "copy");
      SPIKELOOM_CUDA(cudaEventRecord(staging.sent, stream_), "copy");
    }
    return {};
  }
  Status download(void* to, const void* from, std::size_t bytes) override {
    SPIKELOOM_CHECK(wait_watched());
    SPIKELOOM_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copy");
    return {};
  }
  Status clear(void* memory, std::size_t bytes) override {
    SPIKELOOM_CHECK(enter());
    SPIKELOOM_CUDA(cudaMemsetAsync(memory, 0, bytes, stream_), "clear memory");
    return {};
  }
  Status copy(void* to, const void* from, std::size_t bytes) override {
    SPIKELOOM_CHECK(enter());
    SPIKELOOM_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
    return {};
  }

  Result<std::unique_ptr<Sequence>> record(std::vector<KernelCall> calls) override {
    SPIKELOOM_CHECK(prepare(calls));
    SPIKELOOM_CHECK(begin_recording());
    Status launched = launch_all(calls);
    auto sequence = end_recording();
    SPIKELOOM_CHECK(std::move(launched));
    return sequence;
  }
  /// Code is loaded and workspaces are made when they are first used, which must not be recorded.
  Status prepare(const std::vector<KernelCall>& calls) override {
    SPIKELOOM_CHECK(enter());
    for (const KernelCall& call : calls) {
      const cudaError_t loaded =
          std::visit([&](const auto& kernel) { return prepare(kernel, call); }, call.kernel);
      SPIKELOOM_CUDA(loaded, "load a kernel");
    }
    return wait();
  }
  Status begin_recording() override {
    SPIKELOOM_CHECK(enter());
    SPIKELOOM_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed),
                   "record a sequence");
    return {};
  }
  Status launch(const KernelCall& call) override { return launch_on(stream_, call); }
  Result<std::unique_ptr<Sequence>> end_recording() override {
    auto sequence = std::make_unique<DeviceSequence>();
    SPIKELOOM_CHECK(enter());
    SPIKELOOM_CUDA(cudaStreamEndCapture(stream_, &sequence->graph), "record a sequence");
    SPIKELOOM_CUDA(cudaGraphInstantiate(&sequence->executable, sequence->graph, 0), "make a graph");
    return std::unique_ptr<Sequence>(std::move(sequence));
  }
  Status run(Sequence& sequence) override {
    SPIKELOOM_CHECK(enter());
    SPIKELOOM_CUDA(cudaGraphLaunch(static_cast<DeviceSequence&>(sequence).executable, stream_),
                   "run a graph");
    return {};
  }
  Status wait() override {
    SPIKELOOM_CHECK(enter());
    for (std::uint64_t looks = 0; watch_ != nullptr && is_busy(cudaStreamQuery(stream_)); ++looks) {
      SPIKELOOM_CHECK(watch_->look(looks));
    }
    SPIKELOOM_CUDA(cudaStreamSynchronize(stream_), "finish a step");
    return {};
  }
  bool has_products() override {
    if (!asked_for_blas_ && !enter().ok()) return false;
    if (!asked_for_blas_) has_blas_ = blas_.start(stream_);
    asked_for_blas_ = true;
    return has_blas_;
  }
  Result<std::shared_ptr<Machine>> fork() override {
    auto machine = std::make_shared<DeviceMachine>(static_cast<std::uint32_t>(device_));
    SPIKELOOM_CHECK(machine->start());
    return std::shared_ptr<Machine>(std::move(machine));
  }
  std::uint64_t memory() const override { return held_.bytes(); }
  std::uint64_t free_memory() override {
    std::size_t free = 0, all = 0;
    if (!enter().ok() || cudaMemGetInfo(&free, &all) != cudaSuccess) return ~std::uint64_t{0};
    return free;
  }

 private:
  /// Before calls that wait for the device where nobody looks at the rest of the team.
  Status wait_watched() { return watch_ != nullptr ? wait() : enter(); }
  Status launch_on(cudaStream_t stream, const KernelCall& call) {
    if (call.blocks == 0) return {};
    SPIKELOOM_CHECK(enter());
    const cudaError_t launched =
        std::visit([&](const auto& kernel) { return launch(kernel, call, stream); }, call.kernel);
    SPIKELOOM_CUDA(launched, "launch a kernel");
    return {};
  }
  /// Branches other than the first go beside it, from a common start to a common end.
  Status launch_all(const std::vector<KernelCall>& calls) {
    std::size_t branches = 1;
    std::vector<bool> awaited(calls.size());
    for (const KernelCall& call : calls) {
      branches = call.branch < branches ? branches : call.branch + 1;
      for (const std::uint32_t before : call.waits_for) {
        awaited[before] = awaited[before] || calls[before].branch != call.branch;
      }
    }
    while (side_streams_.size() + 1 < branches) {
      SPIKELOOM_CUDA(
          cudaStreamCreateWithFlags(&side_streams_.emplace_back(), cudaStreamNonBlocking),
          "make a stream");
    }
    while (events_.size() < calls.size() + branches && branches > 1) {
      SPIKELOOM_CUDA(cudaEventCreateWithFlags(&events_.emplace_back(), cudaEventDisableTiming),
                     "make an event");
    }
    const auto stream_of = [&](std::size_t branch) {
      return branch == 0 ? stream_ : side_streams_[branch - 1];
    };
    const cudaEvent_t* const ends = events_.data() + calls.size();
    if (branches > 1) SPIKELOOM_CUDA(cudaEventRecord(ends[0], stream_), "branch off");
    for (std::size_t b = 1; b < branches; ++b) {
      SPIKELOOM_CUDA(cudaStreamWaitEvent(stream_of(b), ends[0]), "branch off");
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const cudaStream_t stream = stream_of(calls[i].branch);
      for (const std::uint32_t before : calls[i].waits_for) {
        if (calls[before].branch == calls[i].branch) continue;
        SPIKELOOM_CUDA(cudaStreamWaitEvent(stream, events_[before]), "wait for a kernel");
      }
      SPIKELOOM_CHECK(launch_on(stream, calls[i]));
      if (awaited[i]) SPIKELOOM_CUDA(cudaEventRecord(events_[i], stream), "wait for a kernel");
    }
    for (std::size_t b = 1; b < branches; ++b) {
      SPIKELOOM_CUDA(cudaEventRecord(ends[b], stream_of(b)), "join branches");
      SPIKELOOM_CUDA(cudaStreamWaitEvent(stream_, ends[b]), "join branches");
    }
    return {};
  }
  template <typename K>
  cudaError_t prepare(const K&, const KernelCall& call) {
    cudaFuncAttributes attributes{};
    const cudaError_t code = cudaFuncGetAttributes(&attributes, function_of<K>());
    // Per kernel, not per call: it only grows.
    if (code != cudaSuccess ||
        call.shared <= static_cast<std::size_t>(attributes.maxDynamicSharedSizeBytes)) {
      return code;
    }
    return cudaFuncSetAttribute(function_of<K>(), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                static_cast<int>(call.shared));
  }
  /// Its result is written again by the sequence before anybody reads it.
  cudaError_t prepare(const Product& product, const KernelCall& call) {
    return call.blocks == 0 ? cudaSuccess : blas_.multiply(product);
  }
  cudaError_t prepare(const NarrowProduct& product, const KernelCall& call) {
    return call.blocks == 0 ? cudaSuccess : blas_.multiply(product);
  }
  template <typename K>
  cudaError_t launch(const K& kernel, const KernelCall& call, cudaStream_t stream) {
    constexpr auto function = function_of<K>();
    function<<<call.blocks, call.threads, call.shared, stream>>>(kernel);
    return cudaGetLastError();
  }
  /// These have the machine's stream.
  cudaError_t launch(const Product& product, const KernelCall&, cudaStream_t) {
    return blas_.multiply(product);
  }
  cudaError_t launch(const NarrowProduct& product, const KernelCall&, cudaStream_t) {
    return blas_.multiply(product);
  }
  /// A team does these.
  cudaError_t prepare(const Gather&, const KernelCall&) { return cudaSuccess; }
  cudaError_t launch(const Gather&, const KernelCall&, cudaStream_t) {
    return cudaErrorNotSupported;
  }

  int device_;
  cudaStream_t stream_ = nullptr;
  bool owns_stream_ = true;
  // Of sequences with branches, while they are recorded.
  std::vector<cudaStream_t> side_streams_;
  std::vector<cudaEvent_t> events_;
  Watch* watch_ = nullptr;
  Blas blas_;
  bool has_blas_ = false, asked_for_blas_ = false;
  Staging staging_[kStagings];
  std::size_t next_staging_ = 0;
  HeldMemory held_;
};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

DeviceInfo ask_for_device() {
  DeviceInfo info;
  info.built = true;
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (code != cudaSuccess || count == 0) {
    info.reason = std::string("built with CUDA, but no device answers (") +
                  (code != cudaSuccess ? cudaGetErrorString(code) : "none found") +
                  "); see whether nvidia-smi finds one";
    return info;
  }
  cudaDeviceProp properties{};
  int driver = 0;
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess ||
      cudaDriverGetVersion(&driver) != cudaSuccess) {
    info.reason = "built with CUDA, but the device does not say what it is; see nvidia-smi";
    return info;
  }
  cudaFuncAttributes attributes{};
  if (const cudaError_t runs = cudaFuncGetAttributes(&attributes, run_kernel<EmptyListsKernel>);
      runs != cudaSuccess) {
    cudaGetLastError();
    info.reason = std::string("this build's CUDA architectures do not run on the ") +
                  properties.name + " (compute " + std::to_string(properties.major) + "." +
                  std::to_string(properties.minor) + ": " + cudaGetErrorString(runs) +
                  "); configure with -DCMAKE_CUDA_ARCHITECTURES=native";
    return info;
  }
  info.available = true;
  info.devices = static_cast<std::uint32_t>(count);
  info.name = std::string(properties.name) + ", compute " + std::to_string(properties.major) + "." +
              std::to_string(properties.minor) + ", " +
              std::to_string(properties.totalGlobalMem >> 30) + " GiB, driver for CUDA " +
              version_text(driver);
  return info;
}

}  // namespace

DeviceInfo find_device() {
  static const DeviceInfo info = ask_for_device();
  return info;
}

Result<DeviceParts> make_device_member(std::uint32_t device, cudaStream_t stream) {
  if (const DeviceInfo info = find_device(); !info.available) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "there is no CUDA device to run on",
                 .got = info.reason};
  }
  auto machine = std::make_shared<DeviceMachine>(device);
  SPIKELOOM_CHECK(machine->start(stream));
  DeviceMember* const member = machine.get();
  return DeviceParts{std::move(machine), member};
}

Result<std::shared_ptr<Machine>> make_device_machine(std::uint32_t device) {
  SPIKELOOM_TRY(DeviceParts made, make_device_member(device));
  return std::move(made.machine);
}

}  // namespace spikeloom::cuda
