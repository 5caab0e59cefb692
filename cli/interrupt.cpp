#include "cli/interrupt.hpp"

#include <csignal>

namespace spikeloom::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

extern "C" void on_interrupt(int signal) {
  g_interrupted = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe shows as a failed write, not as a death
}

bool interrupted() noexcept { return g_interrupted != 0; }

Error interrupted_error() {
  return Error{.code = ErrorCode::kCancelled, .what = "stopped on request; nothing was written"};
}

}  // namespace spikeloom::cli
