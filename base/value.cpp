#include "base/value.hpp"

#include <cassert>

namespace spikeloom {

double Value::number() const {
  if (const auto* integer = as_integer()) return static_cast<double>(*integer);
  if (const auto* real = as_real()) return *real;
  return 0.0;
}

const Value* Value::find(std::string_view key) const {
  if (const Map* map = as_map()) {
    for (const auto& [name, value] : *map) {
      if (name == key) return &value;
    }
  }
  return nullptr;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Map{};
  Map* map = as_map();
  assert(map != nullptr);
  for (auto& [name, old] : *map) {
    if (name == key) {
      old = std::move(value);
      return *this;
    }
  }
  map->emplace_back(std::string(key), std::move(value));
  return *this;
}

Value& Value::push(Value value) {
  if (is_null()) data_ = List{};
  List* list = as_list();
  assert(list != nullptr);
  list->push_back(std::move(value));
  return *this;
}

}  // namespace spikeloom
