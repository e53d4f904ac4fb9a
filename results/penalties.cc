// The step from schema version 2 to 3: what the strengths of a trial's penalties multiply.
#include "results/schema.h"

namespace lethe {

const char* const penalty_sql = R"sql(
CREATE TABLE penalty (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  strategy TEXT NOT NULL,
  importance TEXT NOT NULL,
  divisor TEXT NOT NULL,
  half INTEGER NOT NULL CHECK (half IN (0, 1)),
  anchor TEXT NOT NULL,
  UNIQUE (trial, strategy)
) STRICT;
)sql";

}  // namespace lethe
