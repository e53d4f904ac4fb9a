#include "core/error.h"

namespace lethe {

Error::~Error() = default;

}  // namespace lethe
