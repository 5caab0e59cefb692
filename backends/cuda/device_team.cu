/// Several GPUs of this host, joined by NCCL.

#include <chrono>
#include <cstdlib>
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
namespace {

/// All on one stream of one GPU.
class SharedTeam : public Team {
 public:
  Status start(std::uint32_t devices) {
    cudaStream_t stream = nullptr;
    for (std::uint32_t d = 0; d < devices; ++d) {
      SPIKELOOM_TRY(DeviceParts made, make_device_member(0, stream));
      stream = made.member->stream();
      machines_.push_back(std::move(made.machine));
      members_.push_back(made.member);
    }
    return {};
  }
  const std::vector<std::shared_ptr<Machine>>& machines() const override { return machines_; }
  Result<std::unique_ptr<Sequence>> record(std::vector<std::vector<KernelCall>> calls) override {
    for (std::size_t d = 0; d < members_.size(); ++d) {
      SPIKELOOM_CHECK(members_[d]->prepare(calls[d]));
    }
    SPIKELOOM_CHECK(members_[0]->begin_recording());
    Status launched = walk_together(
        calls, [&](std::size_t d, const KernelCall& call) { return members_[d]->launch(call); },
        [&](const std::vector<Gather>& gathers) { return exchange(gathers); });
    auto sequence = members_[0]->end_recording();
    SPIKELOOM_CHECK(std::move(launched));
    return sequence;
  }
  Status run(Sequence& sequence) override { return machines_[0]->run(sequence); }
  Status wait() override { return machines_[0]->wait(); }

 private:
  Status exchange(const std::vector<Gather>& gathers) {
    for (const Gather& to : gathers) {
      for (std::size_t d = 0; d < gathers.size() && to.words > 0; ++d) {
        const cudaError_t code =
            cudaMemcpyAsync(to.to + d * to.words, gathers[d].from, to.words * sizeof(std::uint32_t),
                            cudaMemcpyDeviceToDevice, members_[0]->stream());
        if (code != cudaSuccess) return cuda_failure(code, "copy");
      }
    }
    return {};
  }
  std::vector<std::shared_ptr<Machine>> machines_;  ///< the first has the stream
  std::vector<DeviceMember*> members_;
};

}  // namespace

Result<std::shared_ptr<Team>> make_shared_team(std::uint32_t devices) {
  auto team = std::make_shared<SharedTeam>();
  SPIKELOOM_CHECK(team->start(devices));
  return std::shared_ptr<Team>(std::move(team));
}

#ifndef SPIKELOOM_HAS_NCCL

std::string why_no_team(std::uint32_t) { return build_info::nccl_reason; }

Result<std::shared_ptr<Team>> make_device_team(std::uint32_t devices) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "this build does not join several GPUs",
               .got = why_no_team(devices)};
}

#else

namespace {

/// NCCL, found when a team is first asked for: a program with CUDA starts without it.
struct Nccl {
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRank) init_rank = nullptr;
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
    find(get_unique_id, "ncclGetUniqueId");
    find(init_rank, "ncclCommInitRank");
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
    const std::uint32_t gpus = find_device().devices;
    for (std::uint32_t d = 0; d < devices; ++d) {
      SPIKELOOM_TRY(DeviceParts made, make_device_member(d % gpus));
      machines_.push_back(std::move(made.machine));
      members_.push_back(made.member);
    }
    comms_.resize(devices, nullptr);
    ncclUniqueId id;
    SPIKELOOM_NCCL(nccl().get_unique_id(&id), "join the GPUs");
    SPIKELOOM_NCCL(nccl().group_start(), "join the GPUs");
    ncclResult_t joined = ncclSuccess;
    Status entered;
    for (std::uint32_t d = 0; d < devices && joined == ncclSuccess && entered.ok(); ++d) {
      keep_first(entered, members_[d]->enter());
      if (!entered.ok()) break;
      joined = nccl().init_rank(&comms_[d], static_cast<int>(devices), id, static_cast<int>(d));
    }
    const ncclResult_t ended = nccl().group_end();
    SPIKELOOM_CHECK(std::move(entered));
    SPIKELOOM_NCCL(joined, "join the GPUs");
    SPIKELOOM_NCCL(ended, "join the GPUs");
    for (DeviceMember* const member : members_) member->set_watch(this);
    joined_ = true;
    return {};
  }
  ~DeviceTeam() override {
    for (DeviceMember* const member : members_) member->set_watch(nullptr);
    if (aborted_) return;
    for (ncclComm_t comm : comms_) {
      // What was joined by halves would wait for the others.
      if (comm != nullptr) joined_ ? nccl().destroy(comm) : nccl().abort(comm);
    }
  }

  const std::vector<std::shared_ptr<Machine>>& machines() const override { return machines_; }

  Result<std::unique_ptr<Sequence>> record(std::vector<std::vector<KernelCall>> calls) override {
    if (aborted_) return failure_;
    for (std::size_t d = 0; d < members_.size(); ++d) {
      SPIKELOOM_CHECK(members_[d]->prepare(calls[d]));
    }
    // The first exchange of a size makes connections, which must not be recorded.
    const auto swap = [&](const std::vector<Gather>& gathers) { return exchange(gathers); };
    SPIKELOOM_CHECK(walk_together(
        calls, [](std::size_t, const KernelCall&) { return Status(); }, swap));
    SPIKELOOM_CHECK(wait());
    Status launched;
    std::size_t begun = 0;  // each of them has to end, whatever fails
    while (begun < members_.size() && launched.ok()) {
      keep_first(launched, members_[begun]->begin_recording());
      if (launched.ok()) ++begun;
    }
    if (launched.ok()) {
      keep_first(launched, walk_together(
                               calls,
                               [&](std::size_t d, const KernelCall& call) {
                                 return members_[d]->launch(call);
                               },
                               swap));
    }
    auto sequence = std::make_unique<TeamSequence>();
    Status ended;
    for (std::size_t d = 0; d < begun; ++d) {
      auto part = members_[d]->end_recording();
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
    if (aborted_) return failure_;
    auto& parts = static_cast<TeamSequence&>(sequence).parts;
    for (std::size_t d = 0; d < machines_.size(); ++d) {
      Status status = machines_[d]->run(*parts[d]);
      if (status.ok()) continue;
      // Those before it have begun, and would wait for it.
      return d == 0 ? std::move(status).error() : stop(std::move(status).error());
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
  Status look(std::uint64_t before) override {
    std::this_thread::sleep_for(std::chrono::microseconds(before < kFastLooks ? 0 : 50));
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

  /// For good: no communicator is left.
  Error stop(Error error) {
    aborted_ = true;
    failure_ = error;
    failure_.next = "open a new session, on other GPUs where one is lost";
    for (ncclComm_t comm : comms_) nccl().abort(comm);
    return error;
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
  bool joined_ = false, aborted_ = false;
  Error failure_;
};

}  // namespace

std::string why_no_team(std::uint32_t devices) {
  if (!nccl().reason.empty()) return nccl().reason;
  const char* const shares = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  const DeviceInfo info = find_device();
  if (!info.available) return info.reason;
  if (info.devices >= devices || (shares != nullptr && std::string(shares) == "1")) return {};
  return std::to_string(info.devices) + (info.devices == 1 ? " GPU answers" : " GPUs answer");
}

Result<std::shared_ptr<Team>> make_device_team(std::uint32_t devices) {
  if (std::string reason = why_no_team(devices); !reason.empty()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "there are no " + std::to_string(devices) + " GPUs to run on",
                 .got = std::move(reason)};
  }
  auto team = std::make_shared<DeviceTeam>();
  SPIKELOOM_CHECK(team->start(devices));
  return std::shared_ptr<Team>(std::move(team));
}

#endif

}  // namespace spikeloom::cuda
