#pragma once
/// Ctrl-C: the first one asks for a clean stop, a second one ends the process at once.

#include "base/result.hpp"

namespace spikeloom::cli {

/// From here on SIGINT and SIGTERM set the flag that interrupted() reads.
void install_interrupt_handler();

bool interrupted() noexcept;

/// What to return once interrupted() is true.
Error interrupted_error();

}  // namespace spikeloom::cli
