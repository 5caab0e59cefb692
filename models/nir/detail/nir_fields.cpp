#include "models/nir/detail/nir_fields.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "models/detail/kind_table.hpp"

namespace spikeloom::detail {
namespace {

using io::Hdf5Group;

/// What stands for an absent parameter, in words.
std::string_view default_of(std::string_view kind, std::string_view field) {
  if (field == "v_reset") return "0";
  if (field == "w_in") return "1";
  if (field == "bias") return "no bias";
  if (field == "input_shape" || field == "input_type") return "taken from the node before";
  if (field == "padding" || field == "start_dim" || field == "end_dim") {
    return field == "padding" ? "0" : field == "end_dim" ? "-1" : "1";
  }
  static_cast<void>(kind);
  return "1";  // stride, dilation, groups
}

class FieldReader {
 public:
  FieldReader(const std::string& file, const Hdf5Group& group, std::string_view kind,
              ReadBudget& budget, const Note& note)
      : file_(file), group_(group), kind_(kind), budget_(budget), note_(note) {}

  Status read(std::string_view name, Tensor& member) {
    if (!group_.has(name)) {
      return has_default(member) ? (note_absent(name), Status()) : Status(missing(name));
    }
    SPIKELOOM_TRY(member, read_tensor(group_, name, budget_));
    return {};
  }

  Status read(std::string_view name, std::optional<Tensor>& member) {
    if (!group_.has(name)) {
      note_absent(name);
      return {};
    }
    SPIKELOOM_TRY(member, read_tensor(group_, name, budget_));
    return {};
  }

  Status read(std::string_view name, Padding& member) {
    if (!group_.has(name)) {
      note_absent(name);
      return {};
    }
    SPIKELOOM_TRY(const auto info, group_.info(name));
    if (info.is_string) {
      SPIKELOOM_TRY(member.value, group_.read_string(name));
    } else {
      SPIKELOOM_TRY(member.value, read_tensor(group_, name, budget_));
    }
    return {};
  }

 private:
  void note_absent(std::string_view name) {
    note_(ImportStatus::kDefaulted, fmt::format("{} absent: {}", name, default_of(kind_, name)));
  }

  Error missing(std::string_view name) const {
    return Error{.code = ErrorCode::kFormat,
                 .what = fmt::format("the parameter \"{}\" of {} is missing", name, kind_),
                 .where = place(file_, group_),
                 .expected = fmt::format("a dataset \"{}\"", name),
                 .next = "export the network again with a version of its framework that writes it"};
  }

  const std::string& file_;
  const Hdf5Group& group_;
  std::string_view kind_;
  ReadBudget& budget_;
  const Note& note_;
};

}  // namespace

Status read_nir_fields(const std::string& file, const Hdf5Group& group, NodeKind& kind,
                       ReadBudget& budget, const Note& note) {
  FieldReader reader(file, group, kind_name(kind), budget, note);
  std::vector<std::string_view> known = {"type", "metadata"};
  Status status;
  std::visit(
      [&](auto& fields) {
        for_each_field(fields, [&](std::string_view name, auto& member, bool in_nir) {
          const bool extension = is_nir_extension<std::decay_t<decltype(fields)>>();
          if ((!in_nir && !extension) || !status.ok()) return;
          known.push_back(name);
          status = reader.read(name, member);
        });
      },
      kind);
  SPIKELOOM_CHECK(std::move(status));
  SPIKELOOM_TRY(const auto names, group.children());
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    note(ImportStatus::kApproximated,
         fmt::format("\"{}\" is not a parameter of {} in NIR and is ignored", name,
                     kind_name(kind)));
  }
  return {};
}

}  // namespace spikeloom::detail
