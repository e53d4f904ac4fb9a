#include "core/options.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace lethe {
namespace {

struct OptionSample {
  double lambda = 1.0;
  double gamma = 0.9;
  int64_t rows = 200;
  bool head = false;
  std::string labels = "exact";

  template <class Visit>
  void fields(Visit&& visit) {
    visit("lambda", lambda, at_least(0), "penalty weight");
    visit("gamma", gamma, between(0, 1), "decay of old importances");
    visit("rows", rows, above(0), "rows that the importance is taken over");
    visit("head", head, any(), "whether the head counts");
    visit("labels", labels, one_of({"exact", "sampled"}), "whose labels");
  }
};

struct Small {
  double lambda = 1.0;
  double gamma = 0.9;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("lambda", lambda, at_least(0), "penalty weight");
    visit("gamma", gamma, between(0, 1), "decay");
  }
};

struct None {
  template <class Visit>
  void fields(Visit&&) {}
};

void check_refused(const OptionMap& given, const std::string& message) {
  CHECK_THROWS_WITH(parse_options<OptionSample>("ewc", given), message);
  CHECK_THROWS_AS(parse_options<OptionSample>("ewc", given), Error);
}

}  // namespace

TEST_CASE("options take given values and keep the rest", "[options]") {
  const auto options = parse_options<OptionSample>(
      "ewc", {{"lambda", "2.5e3"}, {"rows", "64"}, {"head", "true"}, {"labels", "sampled"}});
  CHECK(options.lambda == 2500.0);
  CHECK(options.gamma == 0.9);
  CHECK(options.rows == 64);
  CHECK(options.head);
  CHECK(options.labels == "sampled");
}

TEST_CASE("an unknown option lists the known ones in order", "[options]") {
  CHECK_THROWS_WITH(parse_options<Small>("ewc", {{"lamda", "1"}}),
                    "unknown option 'lamda' of ewc; known options: gamma, lambda");
  CHECK_THROWS_WITH(parse_options<None>("finetune", {{"x", "1"}}),
                    "unknown option 'x' of finetune; known options: none");
}

TEST_CASE("a value out of range names what is expected", "[options]") {
  check_refused({{"lambda", "-1"}}, "option 'lambda' of ewc is -1; expected >= 0");
  check_refused({{"gamma", "1.5"}}, "option 'gamma' of ewc is 1.5; expected in [0, 1]");
  check_refused({{"rows", "0"}}, "option 'rows' of ewc is 0; expected > 0");
  check_refused({{"labels", "true"}},
                "option 'labels' of ewc is 'true'; expected one of exact, sampled");
}

TEST_CASE("text of the wrong type names what is expected", "[options]") {
  check_refused({{"rows", "many"}}, "option 'rows' of ewc is 'many'; expected a whole number");
  check_refused({{"rows", "1.5"}}, "option 'rows' of ewc is '1.5'; expected a whole number");
  check_refused({{"rows", "9223372036854775808"}},
                "option 'rows' of ewc is '9223372036854775808'; expected a whole number");
  check_refused({{"lambda", "1x"}}, "option 'lambda' of ewc is '1x'; expected a number");
  check_refused({{"lambda", ""}}, "option 'lambda' of ewc is ''; expected a number");
  check_refused({{"lambda", "nan"}}, "option 'lambda' of ewc is 'nan'; expected a number");
  check_refused({{"lambda", "inf"}}, "option 'lambda' of ewc is 'inf'; expected a number");
  check_refused({{"head", "yes"}}, "option 'head' of ewc is 'yes'; expected true or false");
}

TEST_CASE("ranges read as they are written in tables", "[options]") {
  CHECK(any().text() == "any");
  CHECK(at_least(0).text() == ">= 0");
  CHECK(above(0).text() == "> 0");
  CHECK(between(-1, 1).text() == "in [-1, 1]");
  CHECK(below_from(0, 1).text() == "in [0, 1)");
  CHECK(one_of({"exact", "sampled"}).text() == "one of exact, sampled");
  Range under;
  under.high = 4;
  CHECK(under.text() == "<= 4");
  under.high_open = true;
  CHECK(under.text() == "< 4");
}

TEST_CASE("a half-open range takes its low end and refuses its high end", "[options]") {
  double dropout = 0.5;
  const std::vector<Field> fields{{"dropout", &dropout, below_from(0, 1), "share dropped"}};
  set_fields("lora", fields, {{"dropout", "0"}});
  CHECK(dropout == 0);
  CHECK_THROWS_WITH(set_fields("lora", fields, {{"dropout", "1"}}),
                    "option 'dropout' of lora is 1; expected in [0, 1)");
  CHECK(dropout == 0);
}

TEST_CASE("numbers are written in the shortest text that reads back", "[options]") {
  CHECK(number_text(1.0) == "1");
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(-2.5) == "-2.5");
  CHECK(number_text(400000) == "400000");
  CHECK(number_text(1e-8) == "1e-08");
  for (const double value : {0.1 + 0.2, 1.0 / 3.0, std::nextafter(1.0, 2.0), 6.02214076e23,
                             std::numeric_limits<double>::denorm_min(), -1e300}) {
    CHECK(std::strtod(number_text(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("options survive a round trip through text", "[options]") {
  OptionSample options;
  options.lambda = 1.0 / 3.0;
  options.rows = 17;
  options.head = true;
  const OptionMap text = options_text(options);
  CHECK(text == OptionMap{{"gamma", "0.9"},
                          {"head", "true"},
                          {"labels", "exact"},
                          {"lambda", "0.3333333333333333"},
                          {"rows", "17"}});
  CHECK(options_text(parse_options<OptionSample>("ewc", text)) == text);
  CHECK(options_text(parse_options<OptionSample>("ewc", {{"lambda", "1e0"}})).at("lambda") == "1");
}

TEST_CASE("a table of options has name, type, default, range and meaning", "[options]") {
  const auto docs = option_docs<OptionSample>();
  REQUIRE(docs.size() == 5);
  CHECK(docs[0].name == "lambda");
  CHECK(docs[0].type == "number");
  CHECK(docs[0].fallback == "1");
  CHECK(docs[0].range == ">= 0");
  CHECK(docs[0].doc == "penalty weight");
  CHECK(docs[2].type == "whole number");
  CHECK(docs[3].type == "true or false");
  CHECK(docs[3].fallback == "false");
  CHECK(docs[4].type == "text");
  CHECK(docs[4].range == "one of exact, sampled");
}

}  // namespace lethe
