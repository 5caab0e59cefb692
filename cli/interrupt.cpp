#include "cli/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace spikeloom::cli {
namespace {

// Not std::sig_atomic_t: threads other than the handler's read it, too.
std::atomic<bool> g_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int signal) {
  g_interrupted = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe shows as a failed write, not as a death
}

bool interrupted() noexcept { return g_interrupted; }

Error interrupted_error() {
  return Error{.code = ErrorCode::kCancelled, .what = "stopped on request; nothing was written"};
}

}  // namespace spikeloom::cli
