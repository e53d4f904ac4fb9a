// The result store: one SQLite file (WAL), STRICT tables, versioned migrations.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/trial.h"

namespace lethe {

enum class OpenMode { read_only, read_write };

/// Which trials load() gives.
struct TrialFilter {
  std::string build{};         ///< empty = newest_build(); "*" = all builds
  std::string device_class{};  ///< empty = all
  std::string sweep{};         ///< empty = all
  bool finished_only = true;
};

/// What a sweep still has to do for one trial.
enum class TrialState { missing, running, done, failed };

/// What merge() made of the other store's trials.
struct MergeOutcome {
  int64_t added = 0;      ///< finished there, and not here
  int64_t present = 0;    ///< finished in both, with the same trained values
  int64_t different = 0;  ///< finished in both, with other trained values
  int64_t left_out = 0;   ///< not finished there, or run here at the moment
};

/// The clock of leases and ends of trials.
double seconds_since_1970();

/// What a trial is known by: the first 16 characters of the SHA-256 of its key.
std::string trial_digest(const TrialKey& key);

/// One connection. Not for sharing between threads or across fork: open it in the process that uses
/// it.
class ResultStore {
 public:
  /// read_write creates and migrates. Throws Error naming the file for: unwritable, not a database
  /// or corrupt, a newer schema (both versions), read_only and absent.
  ResultStore(const std::string& path, OpenMode mode);
  ~ResultStore();
  ResultStore(const ResultStore&) = delete;
  ResultStore& operator=(const ResultStore&) = delete;

  TrialState state(const TrialKey& key) const;

  /// Takes a trial for this worker if it is missing (or its lease has run out, or it failed before
  /// `retry_before`, in seconds since 1970), in one immediate transaction; nullopt when another
  /// holds it or it is finished. `spec_labels` carries method, model, stream, sweep labels, seed
  /// and environment.
  std::optional<int64_t> claim(const TrialRecord& spec_labels, const std::string& worker,
                               double lease_seconds, double retry_before = 0);
  /// Lengthens the lease of the worker's trial; false where the worker no longer holds it.
  bool renew(const TrialKey& key, const std::string& worker, double lease_seconds);
  /// Gives back a claimed trial unfinished (Ctrl-C): the row disappears, or is the failure again
  /// that it was before it was claimed. Nothing where another worker has taken it over.
  void release(int64_t trial);
  /// All rows of a finished trial in one transaction.
  void finish(int64_t trial, const TrialResult& result);
  /// Nothing where another worker has taken the trial over or finished it.
  void fail(int64_t trial, const std::string& error);

  /// Also adds trials already stored to a sweep of another name (a trial can belong to several
  /// sweeps).
  void add_to_sweep(const TrialKey& key, const std::string& sweep, const std::string& label,
                    int64_t position);

  /// The files that a finished trial wrote, paths from the store's folder on; empty where it isn't
  /// finished.
  std::vector<Artifact> artifacts(const TrialKey& key) const;
  /// Takes a finished trial, to run it again for a file that it lacks; nullopt where it isn't
  /// finished or another worker has taken it. Its results stay as they are.
  std::optional<int64_t> claim_finished(const TrialKey& key, const std::string& worker,
                                        double lease_seconds);
  /// Ends such a claim; with the file, where there is one. Throws Error where the trial came to
  /// other weights than are on record.
  void add_artifact(int64_t trial, const Artifact& artifact, const std::string& weights_digest);
  void drop_claim(int64_t trial);

  /// Takes over the finished trials of another store with their times, environments and places in
  /// sweeps, without their files, in one transaction. A trial that is finished here stays as it is:
  /// another processor may have come to other last bits.
  MergeOutcome merge(const ResultStore& from);

  std::vector<TrialRecord> load(const TrialFilter& filter) const;
  /// One trial by id or by a prefix of its digest (at least 4 characters). Throws naming what is
  /// there.
  TrialRecord find(const std::string& id_or_digest) const;
  /// The build of the trial finished last; empty for an empty store.
  std::string newest_build() const;
  /// The newest first.
  std::vector<std::string> builds() const;
  /// Names, alphabetically.
  std::vector<std::string> sweeps() const;

  /// From now on this connection treats the disk as full when the file would grow beyond `pages`
  /// pages of 4 KiB: how the tests fill a disk.
  void limit_pages(int64_t pages);

 private:
  struct Connection;
  static bool taken_over(const Connection& connection, int64_t trial);
  std::unique_ptr<Connection> connection_;
};

}  // namespace lethe
