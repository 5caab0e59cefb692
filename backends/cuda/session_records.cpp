/// What a session has recorded: taken from the device's logs, given step by step.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "backends/cuda/session.hpp"
#include "base/stopwatch.hpp"

namespace spikeloom::cuda {
namespace {

using Clocks = std::chrono::steady_clock;

/// Bytes of logs from which on fetching their bits takes less time, though a kernel has to run.
constexpr std::size_t kManyBytes = std::size_t{256} << 10;
/// Words of logs up to which advance() fetches them: who reads them would wait once more.
constexpr std::size_t kFewWords = std::size_t{128} << 10;

/// Two words at once: most rows have none that is not 0.
bool is_silent(const std::uint32_t* words, std::size_t count) {
  std::uint64_t any = count % 2 != 0 ? words[count - 1] : 0;
  for (std::size_t i = 0; i + 1 < count; i += 2) {
    std::uint64_t two = 0;
    std::memcpy(&two, words + i, sizeof two);
    any |= two;
  }
  return any == 0;
}

}  // namespace

/// A log and where it is fetched to: steps x batch rows of `width` words, values or bits.
struct FetchedLog {
  std::uint32_t node = 0;
  Variable variable = Variable::kSpikes;
  bool packed = false;
  std::uint32_t size = 0;
  std::size_t width = 0;
  const void* from = nullptr;            ///< on the device
  std::size_t at = 0, count = 0;         ///< where in the session's scratch, and how many words
  const std::uint32_t* words = nullptr;  ///< there
  std::vector<std::uint32_t> given;      ///< elements with something to give in a step, and `batch`
  std::size_t next = 0;                  ///< of these

  const std::uint32_t* row(std::size_t row) const { return words + row * width; }
  /// Finds these.
  void look(std::size_t step, std::uint32_t batch) {
    const std::uint32_t* const rows = row(step * batch);
    if (!Records::has_index(variable)) {
      find(batch, [](std::size_t) { return true; });
    } else if (width == 1) {
      find(batch, [&](std::size_t e) { return rows[e] != 0; });
    } else {
      find(batch, [&](std::size_t e) { return !is_silent(rows + e * width, width); });
    }
  }

 private:
  /// Without branches that no processor can foretell.
  template <typename Gives>
  void find(std::uint32_t batch, Gives gives) {
    std::size_t count = 0;
    for (std::uint32_t e = 0; e < batch; ++e) {
      given[count] = e;
      count += gives(e) ? 1 : 0;
    }
    given[count] = batch;
    next = 0;
  }
};

namespace {

/// What a row says, as a sink takes it.
struct RowValues {
  RowValues(std::size_t size, bool packed)
      : index(size), value(size), ones(packed ? size : 0, 1.0) {}
  std::vector<std::uint32_t> index;
  std::vector<double> value, ones;

  std::uint32_t unpack(const std::uint32_t* words, std::size_t width) {
    std::uint32_t count = 0;
    for (std::size_t w = 0; w < width; ++w) {
      for (std::uint32_t bits = words[w]; bits != 0; bits &= bits - 1) {
        index[count++] =
            static_cast<std::uint32_t>(w * 32) + static_cast<std::uint32_t>(std::countr_zero(bits));
      }
    }
    return count;
  }
  /// -0 counts as nothing.
  template <typename V>
  std::uint32_t compact(const std::uint32_t* words, std::uint32_t size) {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
      const V one = std::bit_cast<V>(words[i]);
      index[count] = i;
      value[count] = static_cast<double>(one);
      count += one != V{0} ? 1 : 0;
    }
    return count;
  }
  template <typename V>
  void widen(const std::uint32_t* words, std::uint32_t size) {
    std::transform(words, words + size, value.begin(),
                   [](std::uint32_t word) { return static_cast<double>(std::bit_cast<V>(word)); });
  }
};

}  // namespace

template <typename V>
Status CudaSession<V>::pack_logs() {
  if (pack_ == nullptr) {
    std::vector<KernelCall> calls;
    for (const NodeDevice<V>& device : nodes_) {
      if (device.bits_log.empty()) continue;
      calls.push_back(call(LogBitsKernel<V>{clock_.data(), device.output_log.data(),
                                            device.bits_log.data(), device.out.ref.size,
                                            device.out.ref.words, batch_, device.bits_log.size()}));
    }
    SPIKELOOM_TRY(pack_, machine_.record(std::move(calls)));
  }
  return machine_.run(*pack_);
}

/// The logs of the steps since they were taken, one after the other, as bits where `packs`.
template <typename V>
std::vector<FetchedLog> CudaSession<V>::list_logs(bool packs) const {
  static_assert(sizeof(V) == sizeof(std::uint32_t));
  const auto steps = static_cast<std::size_t>(step_ - log_base_), rows = steps * batch_;
  std::vector<FetchedLog> logs;
  std::size_t at = 0;
  for (std::uint32_t n = 0; n < nodes_.size() && steps > 0; ++n) {
    const NodeDevice<V>& device = nodes_[n];
    for (const Variable variable : records_[n]) {
      FetchedLog& log = logs.emplace_back();
      log.node = n, log.variable = variable;
      log.size = static_cast<std::uint32_t>(program_.nodes[n].out_size);
      log.packed = packs && Records::has_index(variable) && !device.bits_log.empty();
      log.width = log.packed ? device.out.ref.words : log.size;
      if (log.packed) {
        log.from = device.bits_log.data();
      } else {
        log.from = variable == Variable::kMembrane  ? device.membrane_log.data()
                   : variable == Variable::kCurrent ? device.current_log.data()
                                                    : device.output_log.data();
      }
      log.at = at, log.count = rows * log.width;
      at += log.count;
    }
  }
  return logs;
}

/// Does not wait for them.
template <typename V>
Status CudaSession<V>::fetch_logs(const std::vector<FetchedLog>& logs) {
  if (logs.empty()) return {};
  SPIKELOOM_CHECK(fetched_.reserve(machine_, logs.back().at + logs.back().count));
  for (const FetchedLog& log : logs) {
    if (log.count == 0) continue;  // of a device's part: it has none
    const std::size_t bytes = log.count * sizeof(std::uint32_t);
    SPIKELOOM_CHECK(machine_.download(fetched_.data() + log.at, log.from, bytes));
  }
  return {};
}

template <typename V>
bool CudaSession<V>::packs_logs() const {
  const auto rows = static_cast<std::size_t>(step_ - log_base_) * batch_;
  std::size_t bytes = 0;
  for (const NodeDevice<V>& device : nodes_) {
    if (!device.bits_log.empty()) bytes += rows * device.out.ref.size * sizeof(V);
  }
  return bytes >= kManyBytes;
}

template <typename V>
void CudaSession<V>::fetch_few_logs() {
  const bool packs = packs_logs();
  const std::vector<FetchedLog> logs = list_logs(packs);
  if (logs.empty() || logs.back().at + logs.back().count > kFewWords) return;
  Status status = fetched_.reserve(machine_, kFewWords);
  if (status.ok() && packs) status = pack_logs();
  if (status.ok()) status = fetch_logs(logs);
  if (status.ok()) fetched_to_ = step_;
}

/// Fetches the logs and calls f(record, indices, values) for what they hold.
template <typename V>
template <typename F>
Status CudaSession<V>::each_logged(F f) {
  const auto steps = static_cast<std::size_t>(step_ - log_base_);
  const bool packs = packs_logs();
  std::vector<FetchedLog> logs = list_logs(packs);
  if (fetched_to_ != step_ && !logs.empty()) {
    if (packs) SPIKELOOM_CHECK(pack_logs());
    SPIKELOOM_CHECK(fetch_logs(logs));
    SPIKELOOM_CHECK(machine_.wait());
  }
  std::size_t widest = 0;
  for (FetchedLog& log : logs) {
    log.words = fetched_.data() + log.at;
    log.given.resize(std::size_t{batch_} + 1);
    widest = std::max<std::size_t>(widest, log.size);
  }

  RowValues values(widest, packs);
  const auto give = [&](const FetchedLog& log, std::size_t row, const Record& where) {
    const std::uint32_t* const at = log.row(row);
    Record record = where;
    record.node = log.node, record.variable = log.variable;
    if (!Records::has_index(log.variable)) {
      record.values = log.size;
      values.widen<V>(at, log.size);
      f(record, std::span<const std::uint32_t>(),
        std::span<const double>(values.value.data(), log.size));
      return;
    }
    record.values = log.packed ? values.unpack(at, log.width) : values.compact<V>(at, log.size);
    if (record.values == 0) return;
    const auto& value = log.packed ? values.ones : values.value;
    f(record, std::span<const std::uint32_t>(values.index.data(), record.values),
      std::span<const double>(value.data(), record.values));
  };
  for (std::size_t s = 0; s < steps; ++s) {
    for (FetchedLog& log : logs) log.look(s, batch_);
    Record where;
    where.step = log_base_ + static_cast<std::int64_t>(s);
    for (;;) {
      where.element = batch_;
      for (const FetchedLog& log : logs) {
        where.element = std::min(where.element, log.given[log.next]);
      }
      if (where.element == batch_) break;
      for (FetchedLog& log : logs) {
        if (log.given[log.next] != where.element) continue;
        give(log, s * batch_ + where.element, where);
        ++log.next;
      }
    }
  }
  log_base_ = step_;
  return {};
}

template <typename V>
Status CudaSession<V>::take_logs() {
  return each_logged([&](const Record& record, std::span<const std::uint32_t> index,
                         std::span<const double> value) { made_.add(record, index, value); });
}

template <typename V>
Status CudaSession<V>::read(Sink& sink) {
  const auto start = Clocks::now();
  const auto give = [&](const Record& r, std::span<const std::uint32_t> index,
                        std::span<const double> value) {
    if (Records::has_index(r.variable)) {
      sink.events(r.node, r.variable, r.element, r.step, index, value);
    } else {
      sink.state(r.node, r.variable, r.element, r.step, value);
    }
  };
  made_.for_each(give);
  made_.clear();
  Status status = lost_ ? Status() : each_logged(give);
  totals_.seconds.record += seconds_since(start);
  return status;
}

#define SPIKELOOM_INSTANTIATE(V)                  \
  template void CudaSession<V>::fetch_few_logs(); \
  template Status CudaSession<V>::take_logs();    \
  template Status CudaSession<V>::read(Sink&);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
