#pragma once
/// The HDF5 C API behind RAII, for the writing half. Not installed.

#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

#include "base/result.hpp"

namespace spikeloom::io::detail {

/// The one lock around the library. Recursive, because closing an id may happen inside a call.
/// The first use also silences the library's own printing and its loading of filter plugins.
std::unique_lock<std::recursive_mutex> hdf5_lock();

/// The innermost message on the library's error stack, or "".
std::string hdf5_message();

/// An HDF5 identifier that closes itself.
class Id {
 public:
  using Close = herr_t (*)(hid_t);
  Id() = default;
  Id(hid_t id, Close close) : id_(id), close_(close) {}
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Id& operator=(Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Id(const Id&) = delete;
  Id& operator=(const Id&) = delete;
  ~Id() {
    if (id_ >= 0) close_(id_);
  }

  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

inline Id group_id(hid_t id) { return {id, &H5Gclose}; }
inline Id object_id(hid_t id) { return {id, &H5Oclose}; }
inline Id dataset_id(hid_t id) { return {id, &H5Dclose}; }
inline Id attribute_id(hid_t id) { return {id, &H5Aclose}; }
inline Id space_id(hid_t id) { return {id, &H5Sclose}; }
inline Id type_id(hid_t id) { return {id, &H5Tclose}; }
inline Id list_id(hid_t id) { return {id, &H5Pclose}; }

/// A variable-length UTF-8 string type.
Id utf8_type();

}  // namespace spikeloom::io::detail
