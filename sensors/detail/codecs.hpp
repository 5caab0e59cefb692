#pragma once
/// The codecs of this build, for the registry.

#include "sensors/codec.hpp"

namespace spikeloom::detail {

EventCodec nmnist_codec();
EventCodec text_codec();
EventCodec csv_codec();
EventCodec npy_codec();

}  // namespace spikeloom::detail
