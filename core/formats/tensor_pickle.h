// pytorch_model.bin: the tensors of a zip archive with a pickle, as torch.save writes a state dict.
// Free of libtorch.
#pragma once

#include <map>
#include <string>

#include "core/formats/safetensors.h"
#include "core/formats/zip_archive.h"

namespace lethe {

/// The tensors of a state dict by name; their bytes stay the archive's. A pickle is a program, and
/// this reader runs nothing of it: it knows the opcodes of protocol 2 that build dicts, tuples,
/// texts and numbers, and of globals only torch._utils._rebuild_tensor_v2, collections.OrderedDict
/// and torch's storage types. Any other opcode or global is refused by name, with the command that
/// converts the file where it is trusted. So are tensors that do not lie contiguous, that reach
/// outside their storage, and big-endian files.
std::map<std::string, StoredTensor> read_tensor_pickle(const ZipArchive& archive);

}  // namespace lethe
