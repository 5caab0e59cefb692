/// Several GPUs of this host, joined by NCCL.

#include <chrono>
#include <string>
#include <thread>

#include <dlfcn.h>

#include "backends/cuda/device_private.hpp"
#include "backends/cuda/team.hpp"
#include "base/build_info.hpp"

#ifdef SPIKELOOM_HAS_NCCL
#include <nccl.h>
#endif

namespace spikeloom::cuda {

#ifndef SPIKELOOM_HAS_NCCL

std::string why_no_teams() { return build_info::nccl_reason; }

Result<std::shared_ptr<Team>> make_device_team(std::uint32_t) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "this build does not join several GPUs",
               .got = why_no_teams()};
}

#else

namespace {

/// NCCL, found when a team is first asked for: a program with CUDA starts without it.
struct Nccl {
  decltype(&ncclCommInitAll) init_all = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommGetAsyncError) get_async_error = nullptr;
  decltype(&ncclAllGather) all_gather = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  std::string reason;  ///< why it is not there

  Nccl() {
    void* const library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      reason = "libnccl.so.2 was not found; install NCCL, or add its folder to LD_LIBRARY_PATH";
      return;
    }
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (function == nullptr) reason = std::string("libnccl.so.2 has no ") + name;
    };
    find(init_all, "ncclCommInitAll");
    find(destroy, "ncclCommDestroy");
    find(abort, "ncclCommAbort");
    find(get_async_error, "ncclCommGetAsyncError");
    find(all_gather, "ncclAllGather");
    find(group_start, "ncclGroupStart");
    find(group_end, "ncclGroupEnd");
    find(error_string, "ncclGetErrorString");
  }
};

const Nccl& nccl() {
  static const Nccl library;
  return library;
}

Error nccl_failure(ncclResult_t code, const char* doing) {
  return Error{.code = ErrorCode::kIo,
               .what = std::string("NCCL could not ") + doing,
               .got = nccl().error_string(code),
               .next = "run with NCCL_DEBUG=WARN to see why, or on one device"};
}

#define SPIKELOOM_NCCL(expression, doing)                              \
  do {                                                                 \
    if (const ncclResult_t code = (expression); code != ncclSuccess) { \
      return nccl_failure(code, doing);                                \
    }                                                                  \
  } while (false)

/// The first failure of several; nvcc takes an assignment for a result that nobody looks at.
void keep_first(Status& first, Status status) {
  if (first.ok() && !status.ok()) static_cast<void>(first = std::move(status));
}

struct TeamSequence : Sequence {
  std::vector<std::unique_ptr<Sequence>> parts;
};

class DeviceTeam : public Team, public Watch {
 public:
  Status start(std::uint32_t devices) {
    std::vector<int> numbers;
    for (std::uint32_t d = 0; d < devices; ++d) {
      SPIKELOOM_TRY(DeviceParts made, make_device_member(d));
      machines_.push_back(std::move(made.machine));
      members_.push_back(made.member);
      members_.back()->set_watch(this);
      numbers.push_back(static_cast<int>(d));
    }
    comms_.resize(devices, nullptr);
    SPIKELOOM_NCCL(nccl().init_all(comms_.data(), static_cast<int>(devices), numbers.data()),
                   "join the GPUs");
    return {};
  }
  ~DeviceTeam() override {
    for (DeviceMember* const member : members_) member->set_watch(nullptr);
    if (aborted_) return;
    for (ncclComm_t comm : comms_) {
      if (comm != nullptr) nccl().destroy(comm);
    }
  }

  const std::vector<std::shared_ptr<Machine>>& machines() const override { return machines_; }

  Result<std::unique_ptr<Sequence>> record(std::vector<std::vector<KernelCall>> calls) override {
    for (std::size_t d = 0; d < members_.size(); ++d) {
      SPIKELOOM_CHECK(members_[d]->prepare(calls[d]));
    }
    // The first exchange of a size makes connections, which must not be recorded.
    SPIKELOOM_CHECK(each_gather(calls, false));
    SPIKELOOM_CHECK(wait());
    for (std::size_t d = 0; d < members_.size(); ++d) {
      SPIKELOOM_CHECK(members_[d]->begin_recording());
    }
    Status launched = each_gather(calls, true);
    auto sequence = std::make_unique<TeamSequence>();
    Status ended;
    for (DeviceMember* const member : members_) {
      auto part = member->end_recording();
      if (part.ok()) {
        sequence->parts.push_back(*std::move(part));
      } else {
        keep_first(ended, std::move(part).error());
      }
    }
    SPIKELOOM_CHECK(std::move(launched));
    SPIKELOOM_CHECK(std::move(ended));
    return std::unique_ptr<Sequence>(std::move(sequence));
  }

  Status run(Sequence& sequence) override {
    auto& parts = static_cast<TeamSequence&>(sequence).parts;
    for (std::size_t d = 0; d < machines_.size(); ++d) {
      SPIKELOOM_CHECK(machines_[d]->run(*parts[d]));
    }
    return {};
  }

  Status wait() override {
    Status first;
    for (const auto& machine : machines_) {
      keep_first(first, machine->wait());
    }
    return first;
  }

  /// A device that has failed will send nothing: those that wait for it are told to stop.
  Status look() override {
    std::this_thread::sleep_for(std::chrono::microseconds(looks_++ < kFastLooks ? 0 : 50));
    if (aborted_) return failure_;
    for (std::size_t d = 0; d < members_.size(); ++d) {
      const cudaError_t code = cudaStreamQuery(members_[d]->stream());
      if (is_busy(code) || code == cudaSuccess) continue;
      return stop(cuda_failure(code, "go on: a GPU of the team has failed"));
    }
    for (ncclComm_t comm : comms_) {
      ncclResult_t state = ncclSuccess;
      if (nccl().get_async_error(comm, &state) == ncclSuccess && state != ncclSuccess &&
          state != ncclInProgress) {
        return stop(nccl_failure(state, "exchange spikes"));
      }
    }
    return {};
  }

 private:
  static constexpr std::uint64_t kFastLooks = 1U << 20;

  Error stop(Error error) {
    aborted_ = true;
    failure_ = error;
    for (ncclComm_t comm : comms_) nccl().abort(comm);
    return error;
  }

  /// Goes through the lists of all devices, from exchange to exchange. Without `others`, exchanges
  /// alone.
  Status each_gather(const std::vector<std::vector<KernelCall>>& calls, bool others) {
    std::vector<std::size_t> next(calls.size(), 0);
    for (bool more = true; more;) {
      more = false;
      std::vector<Gather> gathers;
      for (std::size_t d = 0; d < calls.size(); ++d) {
        for (; next[d] < calls[d].size(); ++next[d]) {
          const KernelCall& call = calls[d][next[d]];
          if (const auto* gather = std::get_if<Gather>(&call.kernel)) {
            gathers.push_back(*gather);
            ++next[d];
            break;
          }
          if (others) SPIKELOOM_CHECK(members_[d]->launch(call));
        }
      }
      if (gathers.size() != calls.size()) continue;
      more = true;
      SPIKELOOM_CHECK(exchange(gathers));
    }
    return {};
  }

  Status exchange(const std::vector<Gather>& gathers) {
    if (gathers.front().words == 0) return {};
    SPIKELOOM_NCCL(nccl().group_start(), "exchange spikes");
    ncclResult_t failed = ncclSuccess;
    for (std::size_t d = 0; d < gathers.size() && failed == ncclSuccess; ++d) {
      const Status entered = members_[d]->enter();
      failed = !entered.ok() ? ncclUnhandledCudaError
                             : nccl().all_gather(gathers[d].from, gathers[d].to, gathers[d].words,
                                                 ncclUint32, comms_[d], members_[d]->stream());
    }
    const ncclResult_t ended = nccl().group_end();
    SPIKELOOM_NCCL(failed, "exchange spikes");
    SPIKELOOM_NCCL(ended, "exchange spikes");
    return {};
  }

  std::vector<std::shared_ptr<Machine>> machines_;
  std::vector<DeviceMember*> members_;
  std::vector<ncclComm_t> comms_;
  std::uint64_t looks_ = 0;
  bool aborted_ = false;
  Error failure_;
};

}  // namespace

std::string why_no_teams() { return nccl().reason; }

Result<std::shared_ptr<Team>> make_device_team(std::uint32_t devices) {
  if (!nccl().reason.empty()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "NCCL, which joins several GPUs, cannot be used",
                 .got = nccl().reason};
  }
  if (const DeviceInfo info = find_device(); info.devices < devices) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "there are too few GPUs",
                 .expected = std::to_string(devices),
                 .got = std::to_string(info.devices)};
  }
  auto team = std::make_shared<DeviceTeam>();
  SPIKELOOM_CHECK(team->start(devices));
  return std::shared_ptr<Team>(std::move(team));
}

#endif

}  // namespace spikeloom::cuda
