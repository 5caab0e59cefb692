#include "base/io/detail/hdf5_library.hpp"

namespace spikeloom::io::detail {

std::unique_lock<std::recursive_mutex> hdf5_lock() {
  static std::recursive_mutex mutex;
  std::unique_lock lock(mutex);
  static const bool ready = [] {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    // A file must not decide which shared libraries this process loads.
    H5PLset_loading_state(0);
    return true;
  }();
  static_cast<void>(ready);
  return lock;
}

std::string hdf5_message() {
  std::string text;
  const auto first = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &text);
  return text;
}

Id utf8_type() {
  Id type = type_id(H5Tcopy(H5T_C_S1));
  if (type.ok()) {
    H5Tset_size(type.get(), H5T_VARIABLE);
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
  }
  return type;
}

}  // namespace spikeloom::io::detail
