#include "backends/mpi/mpi_ranks.hpp"

#include <algorithm>
#include <bit>
#include <climits>
#include <string>
#include <vector>

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "backends/mpi/launcher_private.hpp"

namespace spikeloom::simulation {
namespace {

Status checked(int code, const char* what) {
  if (code == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return Error{.code = ErrorCode::kIo,
               .what = std::string(what) + " failed",
               .got = std::string(text, static_cast<std::size_t>(length)),
               .next = "go on from the last checkpoint"};
}

/// An exchange is one all-gather of boxes of one size, the number of words in front, so that it can
/// begin before anybody knows how much the others send; what a box does not hold follows in a
/// second round, and boxes grow.
class MpiRanks : public Ranks {
 public:
  MpiRanks() {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm machine = MPI_COMM_NULL;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine) ==
        MPI_SUCCESS) {
      MPI_Comm_size(machine, &on_this_machine_);
      MPI_Comm_free(&machine);
    }
  }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;
  ~MpiRanks() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int on_this_machine() const override { return on_this_machine_; }
  std::uint64_t bytes_sent() const override { return sent_; }
  std::uint64_t bytes_received() const override { return received_; }

  Status start_exchange(std::span<const std::uint64_t> mine) override {
    mine_.assign(mine.begin(), mine.end());
    box_.assign(room_ + 1, 0);
    box_[0] = mine.size();
    std::copy_n(mine.begin(), std::min(mine.size(), room_), box_.begin() + 1);
    boxes_.resize(box_.size() * static_cast<std::size_t>(size_));
    const auto words = static_cast<int>(box_.size());
    sent_ += 8 * box_.size() * static_cast<std::size_t>(size_ - 1);
    received_ += 8 * box_.size() * static_cast<std::size_t>(size_ - 1);
    return checked(MPI_Iallgather(box_.data(), words, MPI_UINT64_T, boxes_.data(), words,
                                  MPI_UINT64_T, MPI_COMM_WORLD, &request_),
                   "sending spikes to the other ranks");
  }

  Result<std::vector<std::span<const std::uint64_t>>> finish_exchange() override {
    SPIKELOOM_CHECK(checked(MPI_Wait(&request_, MPI_STATUS_IGNORE), "waiting for spikes"));
    std::vector<std::span<const std::uint64_t>> all;
    std::uint64_t most = 0;
    for (int r = 0; r < size_; ++r) {
      const std::uint64_t* box = boxes_.data() + static_cast<std::size_t>(r) * (room_ + 1);
      all.emplace_back(box + 1, std::min<std::uint64_t>(box[0], room_));
      most = std::max(most, box[0]);
    }
    if (most > room_) {
      SPIKELOOM_CHECK(second_round(all));
      room_ = std::bit_ceil(most + most / 4);
    }
    return all;
  }

  Status add_up(std::span<std::uint64_t> values) override {
    for (std::size_t first = 0; first < values.size(); first += kMostWords) {
      const auto count = static_cast<int>(std::min(kMostWords, values.size() - first));
      SPIKELOOM_CHECK(checked(MPI_Allreduce(MPI_IN_PLACE, values.data() + first, count,
                                            MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD),
                              "adding up over the ranks"));
    }
    return {};
  }

 private:
  static constexpr std::size_t kMostWords = std::size_t{1} << 28;

  /// All that did not fit, whole lists; `all` then points to them.
  Status second_round(std::vector<std::span<const std::uint64_t>>& all) {
    std::vector<int> counts, starts;
    std::uint64_t sum = 0;
    for (int r = 0; r < size_; ++r) {
      const std::uint64_t count = boxes_[static_cast<std::size_t>(r) * (room_ + 1)];
      if (sum + count > static_cast<std::uint64_t>(INT_MAX)) {
        return Error{.code = ErrorCode::kResource, .what = "too many spikes for one exchange"};
      }
      counts.push_back(static_cast<int>(count));
      starts.push_back(static_cast<int>(sum));
      sum += count;
    }
    lists_.resize(sum);
    sent_ += 8 * mine_.size() * static_cast<std::size_t>(size_ - 1);
    received_ += 8 * (sum - mine_.size());
    SPIKELOOM_CHECK(checked(
        MPI_Allgatherv(mine_.data(), static_cast<int>(mine_.size()), MPI_UINT64_T, lists_.data(),
                       counts.data(), starts.data(), MPI_UINT64_T, MPI_COMM_WORLD),
        "sending spikes to the other ranks"));
    for (std::size_t r = 0; r < all.size(); ++r) {
      all[r] = {lists_.data() + starts[r], static_cast<std::size_t>(counts[r])};
    }
    return {};
  }

  int rank_ = 0, size_ = 1, on_this_machine_ = 1;
  std::size_t room_ = 63;  ///< words of a box besides their number; the same on all ranks
  std::vector<std::uint64_t> mine_, box_, boxes_, lists_;
  MPI_Request request_ = MPI_REQUEST_NULL;
  std::uint64_t sent_ = 0, received_ = 0;
};

}  // namespace

Result<std::shared_ptr<Ranks>> join_ranks() {
  if (launched_ranks() <= 1) return std::shared_ptr<Ranks>();
  int provided = 0;
  // The engine's threads call MPI, one at a time.
  SPIKELOOM_CHECK(
      checked(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "starting MPI"));
  if (provided < MPI_THREAD_SERIALIZED) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "this MPI takes calls of one thread only",
                 .expected = "MPI_THREAD_SERIALIZED",
                 .got = "level " + std::to_string(provided),
                 .next = "use an MPI built with threads, as Debian's Open MPI is"};
  }
  return std::shared_ptr<Ranks>(std::make_shared<MpiRanks>());
}

}  // namespace spikeloom::simulation
