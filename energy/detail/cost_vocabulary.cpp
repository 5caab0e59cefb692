#include "energy/detail/cost_vocabulary.hpp"

#include <algorithm>
#include <array>

namespace spikeloom::detail {
namespace {

struct Named {
  std::string_view name;
  Dimension dimension;
};

/// A name that ends in '.' is followed by a free word: "sram.8KiB".
constexpr std::array kEntries = {
    Named{"synop", Dimension::kPerOperation},
    Named{"neuron_update", Dimension::kPerOperation},
    Named{"spike", Dimension::kPerOperation},
    Named{"hop", Dimension::kPerOperation},
    Named{"sram.", Dimension::kPerByte},
    Named{"dram", Dimension::kPerByte},
    Named{"lemaire.base", Dimension::kPerOperation},
    Named{"lemaire.per_bit", Dimension::kPerBit},
    Named{"idle", Dimension::kWatts},
    Named{"compare", Dimension::kPerOperation},
    Named{"sensor.pixel", Dimension::kPerPixel},
    Named{"sensor.pixel_in_sensor", Dimension::kPerPixel},
    Named{"sensor.conversion", Dimension::kPerPixel},
    Named{"sensor.conversion_in_sensor", Dimension::kPerPixel},
    Named{"sensor.transmission", Dimension::kPerBit},
};

struct Denominator {
  std::string_view text;
  Dimension dimension;
  double count;  ///< units of the dimension: "/64bit" is 8 bytes
};
constexpr std::array kDenominators = {
    Denominator{"", Dimension::kPerOperation, 1},
    Denominator{"op", Dimension::kPerOperation, 1},
    Denominator{"spike", Dimension::kPerOperation, 1},
    Denominator{"hop", Dimension::kPerOperation, 1},
    Denominator{"update", Dimension::kPerOperation, 1},
    Denominator{"access", Dimension::kPerOperation, 1},
    Denominator{"byte", Dimension::kPerByte, 1},
    Denominator{"16bit", Dimension::kPerByte, 2},
    Denominator{"32bit", Dimension::kPerByte, 4},
    Denominator{"64bit", Dimension::kPerByte, 8},
    Denominator{"bit", Dimension::kPerBit, 1},
    Denominator{"pixel", Dimension::kPerPixel, 1},
};

struct Prefix {
  std::string_view text;
  double factor;
};
constexpr std::array kPrefixes = {Prefix{"", 1.0},   Prefix{"m", 1e-3},  Prefix{"u", 1e-6},
                                  Prefix{"n", 1e-9}, Prefix{"p", 1e-12}, Prefix{"f", 1e-15}};

std::string_view units_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::kPerOperation:
      return "J, mJ, uJ, nJ, pJ or fJ, alone or /op, /update, /spike, /hop, /access";
    case Dimension::kPerByte:
      return "J, mJ, uJ, nJ, pJ or fJ per /byte, /16bit, /32bit or /64bit";
    case Dimension::kPerBit:
      return "J, mJ, uJ, nJ, pJ or fJ per /bit";
    case Dimension::kPerPixel:
      return "J, mJ, uJ, nJ, pJ or fJ per /pixel";
    case Dimension::kWatts:
      return "W, mW, uW, nW, pW or fW";
  }
  return "";
}

}  // namespace

std::optional<Dimension> entry_dimension(std::string_view name) {
  for (const std::string_view operation : {"ac.", "mac."}) {
    if (!name.starts_with(operation)) continue;
    const auto format = parse_number_format(name.substr(operation.size()));
    return format.ok() ? std::optional(Dimension::kPerOperation) : std::nullopt;
  }
  for (const Named& entry : kEntries) {
    const bool open = entry.name.ends_with('.');
    if (name == entry.name ||
        (open && name.size() > entry.name.size() && name.starts_with(entry.name))) {
      return entry.dimension;
    }
  }
  return std::nullopt;
}

Result<double> unit_factor(std::string_view unit, Dimension dimension) {
  const std::size_t slash = unit.find('/');
  const std::string_view head = unit.substr(0, slash);
  const std::string_view tail = slash == std::string_view::npos ? "" : unit.substr(slash + 1);
  const std::string_view base = dimension == Dimension::kWatts ? "W" : "J";
  for (const Prefix& prefix : kPrefixes) {
    if (head != std::string(prefix.text) + std::string(base)) continue;
    if (dimension == Dimension::kWatts && slash == std::string_view::npos) return prefix.factor;
    for (const Denominator& denominator : kDenominators) {
      if (denominator.dimension == dimension && denominator.text == tail &&
          (tail.empty() == (slash == std::string_view::npos))) {
        return prefix.factor / denominator.count;
      }
    }
  }
  return Error{.code = ErrorCode::kFormat,
               .what = "not a unit for this entry",
               .expected = std::string(units_of(dimension)),
               .got = "'" + std::string(unit) + "'"};
}

std::vector<std::vector<std::string>> required_entries(Accounting accounting) {
  switch (accounting) {
    case Accounting::kCompute:
      return {{"ac.*", "mac.*"}, {"synop"}};
    case Accounting::kLemaire:
      return {{"ac.*", "mac.*", "lemaire.base", "lemaire.per_bit"}};
    case Accounting::kTraffic:
      return {{"ac.*", "mac.*", "ac.int32", "sram.*"}, {"synop", "neuron_update"}};
  }
  return {};
}

}  // namespace spikeloom::detail
