// The tables of schema version 1 and what version 2 adds. Times are seconds since 1970 (UTC). Rows
// of one trial keep the order in which they were stored by their ids.
#include "results/schema.h"

namespace lethe {

const char* const table_sql = R"sql(
CREATE TABLE environment (
  id INTEGER PRIMARY KEY,
  build TEXT NOT NULL,
  libtorch TEXT NOT NULL,
  compiler TEXT NOT NULL,
  device TEXT NOT NULL,
  cpu TEXT NOT NULL,
  cpu_capability TEXT NOT NULL,
  git_commit TEXT NOT NULL,
  threads INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  UNIQUE (build, libtorch, compiler, device, cpu, cpu_capability, git_commit, threads, jobs)
) STRICT;

-- AUTOINCREMENT: the id of a trial given back is never another trial's, so a late worker that still
-- holds it cannot write into the wrong row.
CREATE TABLE trial (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL,
  build TEXT NOT NULL,
  device_class TEXT NOT NULL,
  method TEXT NOT NULL,
  model TEXT NOT NULL,
  stream TEXT NOT NULL,
  seed INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed')),
  error TEXT NOT NULL DEFAULT '',
  environment INTEGER NOT NULL REFERENCES environment (id),
  started_at REAL NOT NULL,
  ended_at REAL,
  weights_digest TEXT NOT NULL DEFAULT '',
  trainable_parameters INTEGER,
  total_parameters INTEGER,
  UNIQUE (text, build, device_class)
) STRICT;

CREATE TABLE claim (
  trial INTEGER PRIMARY KEY REFERENCES trial (id) ON DELETE CASCADE,
  worker TEXT NOT NULL,
  lease_ends REAL NOT NULL
) STRICT;

CREATE TABLE sweep (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  label TEXT NOT NULL,
  position INTEGER NOT NULL,
  UNIQUE (name, trial)
) STRICT;
CREATE INDEX sweep_of_trial ON sweep (trial);

CREATE TABLE task (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (trial, position)
) STRICT;

CREATE TABLE evaluation (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  after_task INTEGER NOT NULL,
  step INTEGER NOT NULL,
  within_task INTEGER NOT NULL CHECK (within_task IN (0, 1)),
  on_task INTEGER NOT NULL,
  task TEXT NOT NULL,
  metric TEXT NOT NULL,
  unit TEXT NOT NULL,
  direction TEXT NOT NULL CHECK (direction IN ('higher', 'lower')),
  correct INTEGER NOT NULL,
  total INTEGER NOT NULL,
  sum REAL
) STRICT;
CREATE INDEX evaluation_of_trial ON evaluation (trial);
CREATE UNIQUE INDEX one_score_a_cell ON evaluation (trial, after_task, on_task, task, metric)
  WHERE within_task = 0;

CREATE TABLE curve (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  task INTEGER NOT NULL,
  step INTEGER NOT NULL,
  loss REAL,
  penalty REAL,
  learning_rate REAL,
  gradient_norm REAL
) STRICT;
CREATE INDEX curve_of_trial ON curve (trial);

CREATE TABLE usage (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  phase TEXT NOT NULL,
  category TEXT NOT NULL,
  device TEXT NOT NULL,
  peak INTEGER NOT NULL,
  at_peak INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_of_trial ON usage (trial);

CREATE TABLE timing (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  phase TEXT NOT NULL,
  wall REAL,
  cpu REAL,
  tokens INTEGER NOT NULL,
  samples INTEGER NOT NULL
) STRICT;
CREATE INDEX timing_of_trial ON timing (trial);

CREATE TABLE sample (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  after_task INTEGER NOT NULL,
  on_task INTEGER NOT NULL,
  row_id INTEGER NOT NULL,
  prompt TEXT NOT NULL,
  expected TEXT NOT NULL,
  generated TEXT NOT NULL
) STRICT;
CREATE INDEX sample_of_trial ON sample (trial);

CREATE TABLE artifact (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX artifact_of_trial ON artifact (trial);
)sql";

// Version 2: what a trial's stream had to say about its rows.
const char* const note_sql = R"sql(
CREATE TABLE note (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trial (id) ON DELETE CASCADE,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX note_of_trial ON note (trial);
)sql";

}  // namespace lethe
