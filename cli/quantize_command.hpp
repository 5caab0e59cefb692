#pragma once
/// The command that makes an integer network of a float one, ready to be typed.

#include <string>

#include "cli/run_flags.hpp"

namespace spikeloom::cli {

/// The flags that say how the network is run, as a model file would keep it, in the text form of
/// apply_run_flags(); empty when there are none.
std::string model_settings(const RunFlags& flags);

/// "spikeloom quantize net.nir -o net.int8.sloom --dt 1e-3": without the flags of the run that was
/// refused it would make another network. Names are quoted where a shell needs it.
std::string quantize_command(const std::string& file, const RunFlags& flags);

}  // namespace spikeloom::cli
