#pragma once
/// The codecs of this build, for the registry.

#include "sensors/codec.hpp"

namespace spikeloom::detail {

EventCodec evt2_codec();
EventCodec evt21_codec();
EventCodec evt3_codec();
EventCodec dat_codec();
EventCodec aedat2_codec();
EventCodec aedat3_codec();
EventCodec aedat4_codec();
EventCodec event_stream_codec();
EventCodec nmnist_codec();
EventCodec bs1_codec();
EventCodec bs3_codec();
EventCodec text_codec();
EventCodec csv_codec();
EventCodec npy_codec();
EventCodec hdf5_codec();

}  // namespace spikeloom::detail
