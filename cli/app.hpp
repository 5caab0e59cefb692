#pragma once
/// The command line as a whole: grammar, dispatch, exit code.

namespace spikeloom::cli {

/// What `spikeloom` does with these arguments; never throws. The value is the exit code.
int run_app(int argc, const char* const* argv);

}  // namespace spikeloom::cli
