#pragma once
/// `run MODEL --text FILE --backend emulator`: a language model's recurrent stack on a chip.

#include "base/result.hpp"
#include "cli/console.hpp"
#include "cli/mapped_run.hpp"
#include "cli/text_run.hpp"

namespace spikeloom::cli {

/// Feeds the text to the stack, token by token, a tick each (rounds: a layer after the other;
/// --link-delay is of links out of neurons, and leaves these as they are), and says what a token
/// and a window took; embedding and decoder, which are not on the chip, apart. `out` is a folder
/// for the same tick by tick, or empty. kUnsupported: --prompt, ring16 or double.
Result<int> run_text_on_plan(TextCommand command, MappedFlags flags, const std::string& out,
                             Console& console);

}  // namespace spikeloom::cli
