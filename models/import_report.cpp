#include "models/import_report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace spikeloom {

std::string_view to_string(ImportStatus status) {
  switch (status) {
    case ImportStatus::kRead:
      return "read";
    case ImportStatus::kDefaulted:
      return "defaulted";
    case ImportStatus::kApproximated:
      return "approximated";
    case ImportStatus::kRefused:
      return "refused";
  }
  return "unknown";
}

void ImportEntry::note(ImportStatus at_least, std::string message) {
  status = std::max(status, at_least);
  messages.push_back(std::move(message));
}

ImportStatus ImportReport::status() const {
  ImportStatus worst = refusal.empty() ? ImportStatus::kRead : ImportStatus::kRefused;
  for (const ImportEntry& entry : nodes) worst = std::max(worst, entry.status);
  return worst;
}

Value ImportReport::to_value() const {
  const auto texts = [](const std::vector<std::string>& lines) {
    Value list = Value::list();
    for (const std::string& line : lines) list.push(line);
    return list;
  };
  Value entries = Value::list();
  for (const ImportEntry& entry : nodes) {
    Value item = Value::map();
    item.set("path", entry.path);
    item.set("kind", entry.kind);
    item.set("status", to_string(entry.status));
    item.set("messages", texts(entry.messages));
    entries.push(std::move(item));
  }
  Value value = Value::map();
  value.set("file", file);
  value.set("format", format);
  value.set("producer_version", producer_version);
  value.set("status", to_string(status()));
  value.set("nodes", std::move(entries));
  value.set("warnings", texts(warnings));
  value.set("refusal", refusal.empty() ? Value() : Value(refusal));
  return value;
}

std::vector<std::string> ImportReport::lines() const {
  std::vector<std::string> out;
  out.push_back(fmt::format("{}: {}{}, {} nodes {}", file, format,
                            producer_version.empty() ? "" : " " + producer_version, nodes.size(),
                            to_string(status())));
  for (const ImportEntry& entry : nodes) {
    if (entry.messages.empty() && entry.status == ImportStatus::kRead) continue;
    out.push_back(fmt::format("  {} ({}) {}: {}", entry.path, entry.kind, to_string(entry.status),
                              fmt::join(entry.messages, "; ")));
  }
  for (const std::string& warning : warnings) out.push_back("  warning: " + warning);
  if (!refusal.empty()) out.push_back("  refused: " + refusal);
  return out;
}

}  // namespace spikeloom
