#pragma once
/// Value: a small tree (null, bool, integer, real, text, list, map) for JSON, TOML and reports.
///
/// It keeps third-party JSON and TOML types out of public headers. Maps keep insertion order, so a
/// report prints in the order it was written. Sizes are those of memory; parsers limit depth.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace spikeloom {

class Value {
 public:
  using List = std::vector<Value>;
  using Map = std::vector<std::pair<std::string, Value>>;

  Value() = default;                                                       ///< null
  Value(bool value) : data_(value) {}                                      // NOLINT(implicit)
  Value(int value) : data_(std::int64_t{value}) {}                         // NOLINT(implicit)
  Value(std::int64_t value) : data_(value) {}                              // NOLINT(implicit)
  Value(std::uint32_t value) : data_(std::int64_t{value}) {}               // NOLINT(implicit)
  Value(std::uint64_t value) : data_(static_cast<std::int64_t>(value)) {}  // NOLINT(implicit)
  Value(double value) : data_(value) {}                                    // NOLINT(implicit)
  Value(const char* value) : data_(std::string(value)) {}                  // NOLINT(implicit)
  Value(std::string_view value) : data_(std::string(value)) {}             // NOLINT(implicit)
  Value(std::string value) : data_(std::move(value)) {}                    // NOLINT(implicit)
  Value(List value) : data_(std::move(value)) {}                           // NOLINT(implicit)
  Value(Map value) : data_(std::move(value)) {}                            // NOLINT(implicit)
  static Value list() { return Value(List{}); }
  static Value map() { return Value(Map{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const std::int64_t* as_integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* as_real() const { return std::get_if<double>(&data_); }
  const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  const List* as_list() const { return std::get_if<List>(&data_); }
  const Map* as_map() const { return std::get_if<Map>(&data_); }
  List* as_list() { return std::get_if<List>(&data_); }
  Map* as_map() { return std::get_if<Map>(&data_); }
  bool is_number() const { return as_integer() != nullptr || as_real() != nullptr; }
  /// Integer or real as double; 0 for anything else.
  double number() const;

  /// The entry of a map, or nullptr when this is no map or has no such key.
  const Value* find(std::string_view key) const;
  /// Sets an entry of a map (a null becomes a map); keeps the place of an existing key.
  Value& set(std::string_view key, Value value);
  /// Appends to a list (a null becomes a list).
  Value& push(Value value);

  friend bool operator==(const Value& a, const Value& b) { return a.data_ == b.data_; }

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Map> data_;
};

}  // namespace spikeloom
