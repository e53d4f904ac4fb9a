// Teachers: what they are trained on, that they are cached by what decides them, and other ones.
#include "tests/catch.h"
// After Catch.
#include <filesystem>

#include "core/digest.h"
#include "core/loss.h"
#include "experiments/runner.h"
#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

/// 60 training and 20 test images of 2 x 3 whose label can be seen.
void write_plain_set(const Scratch& scratch) {
  std::vector<std::string> images[2];
  std::string labels[2];
  for (int i = 0; i < 80; ++i) {
    const int label = i % 10, split = i < 60 ? 0 : 1;
    std::string pixels(6, '\0');
    pixels[static_cast<size_t>(label % 6)] = static_cast<char>(255);
    if (label >= 6) pixels[static_cast<size_t>(label - 5)] = static_cast<char>(255);
    images[split].push_back(pixels);
    labels[split] += static_cast<char>(label);
  }
  scratch.write("train-images-idx3-ubyte", idx_images(images[0]));
  scratch.write("train-labels-idx1-ubyte", idx_labels(labels[0]));
  scratch.write("t10k-images-idx3-ubyte", idx_images(images[1]));
  scratch.write("t10k-labels-idx1-ubyte", idx_labels(labels[1]));
}

/// A trial on split images, with its stream; the cache is the scratch folder's.
struct Setting {
  explicit Setting(const std::string& options = "") {
    write_plain_set(scratch);
    setenv("LETHE_CACHE", (scratch.folder() + "/cache").c_str(), 1);
    at::set_num_threads(1);
    trial = trials_of("seeds = [3]\n[stream]\nname = \"split\"\ndata = \"" + scratch.folder() +
                      "\"\nvalidation = 2\n[model]\nname = \"mlp\"\nwidth = 8\n"
                      "[train]\nbatch = 8\nlr = 0.05\n"
                      "[[method]]\nname = \"distill\"\nteacher = \"larger\"\n" +
                      options)
                .at(0);
    stream = stream_entry("split").make(trial.stream, trial.spec.seed);
  }

  std::shared_ptr<Model> teacher(const TeacherRequest& request) {
    return joint_teacher(trial, stream, request, nullptr);
  }

  std::set<std::string> cached() const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(scratch.folder() + "/cache")) {
      if (entry.path().extension() == ".safetensors") files.insert(entry.path().string());
    }
    return files;
  }

  /// Mean loss on each task's training rows.
  std::vector<double> losses(Model& model) const {
    std::vector<double> found;
    for (const Task& task : stream.tasks) {
      std::vector<int64_t> all;
      for (int64_t i = 0; i < task.train->size(); ++i) all.push_back(i);
      const Batch batch = task.train->batch(all);
      found.push_back(task_loss(model.forward(batch), batch).item<double>());
    }
    return found;
  }

  Scratch scratch;
  Trial trial;
  TaskStream stream;
};

std::vector<Tensor> values(Model& model) {
  std::vector<Tensor> found;
  for (const Parameter& parameter : model.parameters()) found.push_back(parameter.value);
  return found;
}

}  // namespace

TEST_CASE("a teacher is wider, knows every task, is frozen, and is trained once") {
  Setting setting;
  const TeacherRequest request = {2, 150, {}, ""};
  const auto fresh = untrained_teacher(setting.trial, setting.stream, request);
  const auto teacher = setting.teacher(request);
  CHECK(teacher->linears()[0]->out_features() == 16);
  CHECK(teacher->count(/*trainable_only=*/true) == 0);
  const auto before = setting.losses(*fresh), after = setting.losses(*teacher);
  REQUIRE(after.size() == setting.stream.tasks.size());
  REQUIRE(after.size() > 1);
  for (size_t t = 0; t < after.size(); ++t) CHECK(after[t] < 0.5 * before[t]);

  const auto files = setting.cached();
  REQUIRE(files.size() == 1);
  const auto written = std::filesystem::last_write_time(*files.begin());
  const auto again = setting.teacher(request);
  CHECK(setting.cached() == files);
  CHECK(std::filesystem::last_write_time(*files.begin()) == written);
  for (size_t i = 0; i < values(*again).size(); ++i) {
    CHECK(values(*again)[i].equal(values(*teacher)[i]));
  }
}

TEST_CASE("a teacher of other steps, options or seed is another one in the cache") {
  Setting setting;
  setting.teacher({2, 2, {}, ""});
  setting.teacher({2, 3, {}, ""});
  CHECK(setting.cached().size() == 2);
  const auto deep = setting.teacher({1, 2, {{"layers", "3"}, {"width", "12"}}, ""});
  CHECK(setting.cached().size() == 3);
  CHECK(deep->linears().size() == 4);
  CHECK(deep->linears()[0]->out_features() == 12);  // the option stands, whatever the scale
  setting.trial.spec.seed = 4;                      // another order of the classes
  setting.teacher({2, 2, {}, ""});
  CHECK(setting.cached().size() == 4);
}

TEST_CASE("the method that a teacher is for does not decide it") {
  Setting setting;
  setting.teacher({2, 2, {}, ""});
  setting.trial.spec.method[0].options["alpha"] = "7";
  setting.teacher({2, 2, {}, ""});
  CHECK(setting.cached().size() == 1);
}

TEST_CASE("a teacher from a file has its weights, by content, and is not trained") {
  Setting maker;
  const auto source = maker.teacher({1, 30, {{"layers", "1"}}, ""});
  const std::string path = maker.scratch.path("teacher.safetensors");
  save_parameters(*source, path);
  Setting setting("teacher_file = \"" + path + "\"\nteacher_options = \"layers=1,width=8\"\n");
  const std::string digest = setting.trial.spec.method[0].options.at("teacher_file");
  CHECK(digest == sha256_file(path));
  CHECK(canonical_text(setting.trial.spec).find(path) == std::string::npos);
  const auto teacher = setting.teacher({1, 1000, {{"layers", "1"}, {"width", "8"}}, digest});
  for (size_t i = 0; i < values(*source).size(); ++i) {
    CHECK(values(*teacher)[i].equal(values(*source)[i]));
  }
  CHECK_FALSE(std::filesystem::exists(setting.scratch.folder() + "/cache"));
  CHECK_THROWS_WITH(setting.teacher({2, 1000, {}, digest}),
                    Catch::Contains(" does not fit the model; "));
}
