#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "backends/cpu/parallel_private.hpp"

#ifdef SPIKELOOM_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace spikeloom::cpu {
namespace {

/// A point that some threads reach before others go on.
///
/// ThreadSanitizer does not see how oneTBB, a library built without it, hands work from thread to
/// thread. So this file is built without it too, and says what oneTBB guarantees: what the caller
/// wrote is there when a part starts, what a part wrote is there when the caller goes on, and
/// nothing else. Parts that race are found as ever (tests/parity/threads_test.cpp plants one).
class Passage {
 public:
#ifdef SPIKELOOM_THREAD_SANITIZER
  void reach() { __tsan_release(this); }
  void leave() { __tsan_acquire(this); }
#else
  void reach() {}
  void leave() {}
#endif
 private:
  [[maybe_unused]] char place_ = 0;
};

/// Runs `start(body)`, whose `body` may run on other threads.
template <typename Start, typename Body>
void handed_over(const Start& start, const Body& body) {
  Passage in, out;
  in.reach();
  start([&](std::size_t part) {
    in.leave();
    body(part);
    out.reach();
  });
  out.leave();
}

}  // namespace

struct Arena::Threads {
  explicit Threads(int count) : arena(count) {}
  tbb::task_arena arena;
};

Arena::Arena(int threads) : threads_(std::make_unique<Threads>(threads)) {}

Arena::~Arena() = default;

void Arena::execute(PartFunction f) {
  handed_over([&](const auto& body) { threads_->arena.execute([&] { body(0); }); }, f);
}

int most_threads() { return tbb::info::default_concurrency(); }

void run_parts(std::size_t parts, PartFunction f, bool owned) {
  handed_over(
      [&](const auto& body) {
        if (owned) {
          tbb::parallel_for(std::size_t{0}, parts, body, tbb::static_partitioner());
        } else {
          tbb::parallel_for(std::size_t{0}, parts, body);
        }
      },
      f);
}

}  // namespace spikeloom::cpu
