#pragma once
/// ImportReport: what a reader made of a file, node by node.
///
/// A reader never changes a model silently: each node says whether it is as the file has it, which
/// parameters a default stands for, what could not be kept, or why it was refused.

#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace spikeloom {

/// From best to worst; a node has the worst status of its messages.
enum class ImportStatus {
  kRead,          ///< exactly as in the file
  kDefaulted,     ///< a parameter is absent and its default stands for it
  kApproximated,  ///< something in the file is not represented; the message says what
  kRefused,       ///< the node cannot be represented, so the file is refused
};

/// "read", "defaulted", "approximated", "refused".
std::string_view to_string(ImportStatus status);

/// One node of the file.
struct ImportEntry {
  std::string path;  ///< node names from the outermost graph inwards, joined by '/'
  std::string kind;  ///< as the file spells it
  ImportStatus status = ImportStatus::kRead;
  std::vector<std::string> messages;

  /// Adds a message; the status only gets worse.
  void note(ImportStatus at_least, std::string message);
};

struct ImportReport {
  std::string file;
  std::string format;            ///< "nir" or "spikeloom-model"
  std::string producer_version;  ///< the file's own text; empty when it has none
  std::vector<ImportEntry> nodes;
  std::vector<std::string> warnings;  ///< about the file as a whole
  std::string refusal;                ///< why the file was refused; empty when it was not

  /// The worst status of all nodes; kRefused for a file that was refused.
  ImportStatus status() const;
  /// {file, format, producer_version, status, nodes: [{path, kind, status, messages}], warnings,
  /// refusal}
  Value to_value() const;
  /// One line for the file, one per node with messages, one per warning, the refusal.
  std::vector<std::string> lines() const;
};

}  // namespace spikeloom
