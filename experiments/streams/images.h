// Streams of images from idx files (MNIST, Fashion-MNIST): split, permuted and rotated, in the
// three scenarios of van de Ven & Tolias 2019 (arXiv:1904.07734). Pixels are in [0, 1], not
// normalised.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"
#include "core/task.h"

namespace lethe {

struct ImageOptions {
  std::string data;
  std::string scenario = "class";
  int64_t tasks = 10;
  int64_t validation = 500;
  int64_t train_rows = 0;
  int64_t test_rows = 0;
  int64_t pad = 0;

  template <class Visit>
  void fields(Visit&& visit) {
    visit(
        "data", data, any(),
        "folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte, plain or .gz");
    visit(
        "scenario", scenario, one_of({"task", "domain", "class"}),
        "task: the task is known and only its classes may win; domain: tasks share their outputs; "
        "class: all classes compete");
    visit("tasks", tasks, between(1, 1000), "number of tasks");
    visit("validation", validation, at_least(1),
          "training rows a task that are held out, for patience and `lethe tune`");
    visit("train_rows", train_rows, at_least(0), "training rows a task; 0 = all");
    visit("test_rows", test_rows, at_least(0),
          "test rows a task, the same for every seed; 0 = all");
    visit("pad", pad, between(0, 100),
          "pixels of 0 that are put around every image, before pixels are permuted or turned");
  }
};

/// The ten classes dealt to the tasks in equal parts.
struct SplitOptions : ImageOptions {
  SplitOptions() { tasks = 5; }
};

/// Every task shows all ten classes, its pixels in an order of its own; the first task as stored.
struct PermutedOptions : ImageOptions {};

/// Every task shows all ten classes, turned further than in the task before; the first task as
/// stored.
struct RotatedOptions : ImageOptions {
  double degrees = 180;

  template <class Visit>
  void fields(Visit&& visit) {
    ImageOptions::fields(visit);
    visit("degrees", degrees, between(0, 360),
          "task k of T, from 0, is turned counter-clockwise by k * degrees / T");
  }
};

/// Protocol of van de Ven, Tuytelaars & Tolias 2022 (Nature Machine Intelligence 4:1185): the seed
/// deals the classes, seed 0 in order (0, 1), (2, 3), ... Task-incremental: 10 outputs, the task's
/// classes active; domain-incremental: one output a position within the task; class-incremental: 10
/// outputs. All three throw Error for missing or damaged files, a label over 9 and rows that do not
/// suffice.
TaskStream make_split_stream(const SplitOptions& options, int64_t seed);

/// Domain-incremental: 10 outputs; else 10 outputs a task, in the task-incremental scenario only
/// the task's own active. The seed draws the pixel orders and the validation rows, one choice for
/// all tasks.
TaskStream make_permuted_stream(const PermutedOptions& options, int64_t seed);

/// Outputs as in the permuted stream. The seed draws only the validation rows.
TaskStream make_rotated_stream(const RotatedOptions& options, int64_t seed);

/// SHA-256 over names, shapes and uncompressed contents of the folder's four files: equal for plain
/// and gzip copies. Stands for the data in a trial's canonical text.
std::string data_digest(const std::string& folder);

}  // namespace lethe
