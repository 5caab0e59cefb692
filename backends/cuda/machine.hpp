#pragma once
/// What the CUDA backend asks of a GPU, or of the processor that stands in for one in tests.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/kernel_call.hpp"
#include "base/result.hpp"

namespace spikeloom::cuda {

/// Launches that are run again and again, in order: a CUDA graph.
class Sequence {
 public:
  virtual ~Sequence() = default;
};

/// One device. Calls are done in order, and may return before they are done: what is downloaded is
/// there after wait(), what is uploaded may be overwritten at once. One thread at a time. Every
/// call may fail: kResource when memory is short, kIo when the device is lost; what was computed
/// since the last wait is then unknown.
class Machine {
 public:
  virtual ~Machine() = default;
  /// Memory that holds zeros.
  virtual Result<void*> allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  /// The host's memory: on a device page-locked, for downloads as fast as the bus.
  virtual Result<void*> allocate_host(std::size_t bytes);
  virtual void release_host(void* memory) noexcept;
  virtual Status upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual Status download(void* to, const void* from, std::size_t bytes) = 0;
  virtual Status clear(void* memory, std::size_t bytes) = 0;
  /// Within the device's memory.
  virtual Status copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual Result<std::unique_ptr<Sequence>> record(std::vector<KernelCall> calls) = 0;
  virtual Status run(Sequence& sequence) = 0;
  virtual Status wait() = 0;
  /// Whether record() takes a Product: on a device where cuBLAS is.
  virtual bool has_products() = 0;
  /// The same device with an order of its own: what has been waited for here is seen there.
  virtual Result<std::shared_ptr<Machine>> fork() = 0;
  /// Bytes allocated here and not released.
  virtual std::uint64_t memory() const = 0;
  /// Bytes that could be allocated now; without an answer, more than there can be.
  virtual std::uint64_t free_memory() { return ~std::uint64_t{0}; }
};

/// Memory of a machine, which has to outlive it. T is a plain type.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : machine_(std::exchange(other.machine_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(machine_, other.machine_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) machine_->release(data_);
  }

  static Result<Buffer> make(Machine& machine, std::size_t size) {
    Buffer made;
    if (size == 0) return made;
    SPIKELOOM_TRY(void* const memory, machine.allocate(size * sizeof(T)));
    made.machine_ = &machine;
    made.data_ = static_cast<T*>(memory);
    made.size_ = size;
    return made;
  }
  static Result<Buffer> of(Machine& machine, const std::vector<T>& values) {
    SPIKELOOM_TRY(Buffer made, make(machine, values.size()));
    if (!values.empty()) SPIKELOOM_CHECK(made.write(values.data(), values.size()));
    return made;
  }

  /// Null where it is empty.
  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Status write(const T* from, std::size_t count, std::size_t first = 0) const {
    if (count == 0) return {};
    return machine_->upload(data_ + first, from, count * sizeof(T));
  }
  Status read(T* to, std::size_t count, std::size_t first = 0) const {
    if (count == 0) return {};
    return machine_->download(to, data_ + first, count * sizeof(T));
  }
  /// Of a buffer of the same size.
  Status copy(const Buffer& from) const {
    return data_ == nullptr ? Status() : machine_->copy(data_, from.data_, size_ * sizeof(T));
  }
  Status clear() const {
    return data_ == nullptr ? Status() : machine_->clear(data_, size_ * sizeof(T));
  }

 private:
  Machine* machine_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Memory of the host for what is downloaded from a machine, which has to outlive it.
template <typename T>
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  ~HostBuffer() {
    if (data_ != nullptr) machine_->release_host(data_);
  }

  /// Room for `size`; what was in it is lost where it has to grow.
  Status reserve(Machine& machine, std::size_t size) {
    if (size <= size_) return {};
    const std::size_t room = std::max(size, 2 * size_);
    SPIKELOOM_TRY(void* const memory, machine.allocate_host(room * sizeof(T)));
    if (data_ != nullptr) machine_->release_host(data_);
    machine_ = &machine;
    data_ = static_cast<T*>(memory);
    size_ = room;
    return {};
  }
  T* data() const { return data_; }

 private:
  Machine* machine_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The processor: runs the kernels as loops, for tests where there is no GPU.
std::shared_ptr<Machine> make_host_machine();

/// What this build and this computer have.
struct DeviceInfo {
  bool built = false;         ///< compiled with CUDA
  bool available = false;     ///< a device answered
  std::string name = {};      ///< "NVIDIA H200, compute 9.0, 139.8 GiB, driver 13.0"
  std::string reason = {};    ///< why not
  std::uint32_t devices = 0;  ///< that answer
};
DeviceInfo find_device();
/// A device, counted from 0. kUnsupported with find_device()'s reason.
Result<std::shared_ptr<Machine>> make_device_machine(std::uint32_t device = 0);

}  // namespace spikeloom::cuda
