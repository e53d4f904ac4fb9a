#include "experiments/streams/images.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/image_rows.h"
#include "core/random.h"
#include "experiments/streams/image_files.h"

namespace lethe {
namespace {

// Row ids: the task in the upper half, the split in the two bits below.
constexpr int64_t kTaskIds = int64_t{1} << 32;
constexpr int64_t kValidationIds = int64_t{1} << 30;
constexpr int64_t kTestIds = int64_t{2} << 30;

// What a seed's sequences are for, so that one choice does not move another.
enum Purpose : uint64_t {
  deal_classes = 1,
  choose_rows = 2,
  choose_test_rows = 3,
  order_pixels = 4
};

Scenario scenario_of(const std::string& name) {
  if (name == "task") return Scenario::task_incremental;
  return name == "domain" ? Scenario::domain_incremental : Scenario::class_incremental;
}

/// Images whose label has a class in the view.
std::vector<int64_t> members(const ImageSet& images, const ImageView& view) {
  std::vector<int64_t> chosen;
  for (int64_t image = 0; image < images.size(); ++image) {
    if (view.class_of[images.labels[image]] >= 0) chosen.push_back(image);
  }
  return chosen;
}

void need_rows(const std::string& task, const char* option, int64_t wanted, int64_t there) {
  if (wanted > there) {
    fail("option '{}' = {} asks for more rows than the {} of task '{}'; choose less", option,
         wanted, there, task);
  }
}

/// Training and validation images of a task: shuffled by the seed, the last `validation` held out.
std::pair<std::vector<int64_t>, std::vector<int64_t>> training_images(const ImageOptions& options,
                                                                      const std::string& task,
                                                                      std::vector<int64_t> images,
                                                                      int64_t seed) {
  Random random(static_cast<uint64_t>(seed), choose_rows);
  random.shuffle(images);
  const int64_t left = static_cast<int64_t>(images.size()) - options.validation;
  if (left < 1) {
    fail("option 'validation' = {} leaves no training row of the {} of task '{}'; choose less",
         options.validation, images.size(), task);
  }
  need_rows(task, "train_rows", options.train_rows, left);
  const std::vector<int64_t> held_out(images.begin() + left, images.end());
  images.resize(options.train_rows == 0 ? left : options.train_rows);
  return {std::move(images), held_out};
}

std::vector<int64_t> test_images(const ImageOptions& options, const std::string& task,
                                 std::vector<int64_t> images) {
  need_rows(task, "test_rows", options.test_rows, static_cast<int64_t>(images.size()));
  if (options.test_rows == 0) return images;
  Random random(0, choose_test_rows);
  random.shuffle(images);
  images.resize(options.test_rows);
  return images;
}

/// Appends the task whose classes stand in `view.class_of`.
void add_task(TaskStream& stream, const ImageOptions& options, const ImageFolder& folder,
              const std::string& name, ImageView view, int64_t seed) {
  Task task;
  task.name = name;
  task.metric = {"accuracy", "fraction", true};
  for (const int64_t known : view.class_of) {
    if (known >= 0) task.classes.push_back(known);
  }
  std::sort(task.classes.begin(), task.classes.end());
  view.classes = stream.classes;
  if (stream.scenario == Scenario::task_incremental) view.active = task.classes;
  auto [train, validation] = training_images(options, name, members(*folder.train, view), seed);
  std::vector<int64_t> test = test_images(options, name, members(*folder.test, view));
  if (test.empty()) fail("task '{}' has no test rows in {}", name, options.data);
  const int64_t id = static_cast<int64_t>(stream.tasks.size()) * kTaskIds;
  task.train = std::make_shared<ImageRows>(id, folder.train, view, std::move(train));
  task.validation =
      std::make_shared<ImageRows>(id + kValidationIds, folder.train, view, std::move(validation));
  task.test = std::make_shared<ImageRows>(id + kTestIds, folder.test, view, std::move(test));
  stream.tasks.push_back(std::move(task));
}

TaskStream empty_stream(const char* name, const ImageOptions& options, const ImageFolder& folder) {
  TaskStream stream;
  stream.name = name;
  stream.scenario = scenario_of(options.scenario);
  stream.features = folder.train->features();
  return stream;
}

/// Task k of a stream whose tasks all show all classes.
ImageView view_of_all(Scenario scenario, int64_t k) {
  ImageView view;
  view.class_of.resize(kImageClasses);
  const int64_t first = scenario == Scenario::domain_incremental ? 0 : k * kImageClasses;
  std::iota(view.class_of.begin(), view.class_of.end(), first);
  return view;
}

int64_t outputs_of_all(const ImageOptions& options) {
  return options.scenario == "domain" ? kImageClasses : kImageClasses * options.tasks;
}

}  // namespace

TaskStream make_split_stream(const SplitOptions& options, int64_t seed) {
  if (options.tasks < 1 || kImageClasses % options.tasks != 0) {
    fail(
        "option 'tasks' = {} of stream 'split' does not deal {} classes in equal parts; choose 1, "
        "2, 5 "
        "or 10",
        options.tasks, kImageClasses);
  }
  const int64_t part = kImageClasses / options.tasks;
  if (part == 1 && options.scenario != "class") {
    fail(
        "option 'tasks' = {} of stream 'split' leaves one class a task, which every model gets "
        "right in "
        "scenario '{}'; choose fewer tasks or scenario 'class'",
        options.tasks, options.scenario);
  }
  const ImageFolder folder = read_images(options.data, options.pad);
  TaskStream stream = empty_stream("split", options, folder);
  stream.classes = stream.scenario == Scenario::domain_incremental ? part : kImageClasses;
  std::vector<int64_t> dealt(kImageClasses);
  std::iota(dealt.begin(), dealt.end(), int64_t{0});
  Random random(static_cast<uint64_t>(seed), deal_classes);
  if (seed != 0) random.shuffle(dealt);
  for (int64_t k = 0; k < options.tasks; ++k) {
    const std::vector<int64_t> labels(dealt.begin() + k * part, dealt.begin() + (k + 1) * part);
    ImageView view;
    view.class_of.assign(kImageClasses, -1);
    for (int64_t i = 0; i < part; ++i) {
      view.class_of[labels[i]] = stream.scenario == Scenario::domain_incremental ? i : labels[i];
    }
    add_task(stream, options, folder, fmt::format("{}", fmt::join(labels, "/")), view, seed);
  }
  return stream;
}

TaskStream make_permuted_stream(const PermutedOptions& options, int64_t seed) {
  const ImageFolder folder = read_images(options.data, options.pad);
  TaskStream stream = empty_stream("permuted", options, folder);
  stream.classes = outputs_of_all(options);
  for (int64_t k = 0; k < options.tasks; ++k) {
    ImageView view = view_of_all(stream.scenario, k);
    if (k > 0) {
      Random random(static_cast<uint64_t>(seed), order_pixels + static_cast<uint64_t>(k));
      view.pixels =
          std::make_shared<const PixelMap>(permuted_pixels(permutation(stream.features, random)));
    }
    add_task(stream, options, folder, fmt::format("permutation {}", k + 1), view, seed);
  }
  return stream;
}

TaskStream make_rotated_stream(const RotatedOptions& options, int64_t seed) {
  const ImageFolder folder = read_images(options.data, options.pad);
  TaskStream stream = empty_stream("rotated", options, folder);
  stream.classes = outputs_of_all(options);
  for (int64_t k = 0; k < options.tasks; ++k) {
    const double degrees =
        static_cast<double>(k) * options.degrees / static_cast<double>(options.tasks);
    ImageView view = view_of_all(stream.scenario, k);
    if (k > 0) {
      view.pixels = std::make_shared<const PixelMap>(
          rotated_pixels(folder.train->height, folder.train->width, degrees));
    }
    add_task(stream, options, folder, fmt::format("{} degrees", degrees), view, seed);
  }
  return stream;
}

}  // namespace lethe
