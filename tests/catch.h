// Catch for tests that use libtorch: c10 defines a CHECK of its own, which aborts instead of
// reporting. Include this before every other header, and Catch never directly.
#pragma once

#include "core/torch.h"

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_GT
#undef CHECK_GE
#undef CHECK_LT
#undef CHECK_LE
#undef CHECK_NOTNULL

#include <catch2/catch.hpp>
