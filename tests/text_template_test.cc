// Filters and optional parts of templates; plain fields and braces are in text_stream_test.cc.
#include "experiments/streams/text_template.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using lethe::fill_template;
using lethe::Record;

namespace {

const lethe::RecordPlace kPlace{"f.jsonl:3", "t"};

std::string filled(const std::string& pattern, const Record& record) {
  return fill_template(pattern, record, kPlace);
}

}  // namespace

TEST_CASE("an optional part stands where its field holds text, the other where it is empty") {
  const std::string pattern = "<{?a}A {a}{:}none{/}>";
  CHECK(filled(pattern, {{"a", "1"}}) == "<A 1>");
  CHECK(filled(pattern, {{"a", ""}}) == "<none>");
  CHECK(filled("{?a}x{/}{?b}y{/}", {{"a", ""}, {"b", "1"}}) == "y");
  CHECK(filled("{?a}{?b}both{:}a{/}{:}none{/}", {{"a", "1"}, {"b", ""}}) == "a");
}

TEST_CASE("a part of a branch that is not taken still needs its fields") {
  CHECK_THROWS_WITH(filled("{?a}{b}{/}", {{"a", ""}}),
                    "f.jsonl:3: the record has no field 'b', which the template of task 't' names; "
                    "its fields: a");
}

TEST_CASE("filters are applied from left to right") {
  CHECK(filled("{a|lf}", {{"a", "x\r\ny\rz"}}) == "x\ny\rz");
  CHECK(filled("{a|unescape}", {{"a", "x\\n\\ny"}}) == "x\n\ny");
  CHECK(filled("{a|trim}", {{"a", " x y\n"}}) == "x y");
  CHECK(filled("{a|after ####}", {{"a", "1 #### 2 #### 18"}}) == " 18");
  CHECK(filled("{a|before \nq:}", {{"a", "text\nq: one\nq: two"}}) == "text");
  CHECK(filled("{a|after ####|trim}", {{"a", "#### 18"}}) == "18");
}

TEST_CASE("what a filter looks for and does not find names the place") {
  CHECK_THROWS_WITH(filled("{a|after ####}", {{"a", "18"}}),
                    "f.jsonl:3: the field 'a' does not hold '####', which a filter of task 't' "
                    "looks for");
}

TEST_CASE("an unknown filter and parts that do not close are refused") {
  CHECK_THROWS_WITH(filled("{a|upper}", {{"a", ""}}),
                    "the template '{a|upper}' of task 't' names the filter 'upper'; known filters: "
                    "lf, unescape, trim, after TEXT, before TEXT");
  CHECK_THROWS_WITH(filled("{?a}x", {{"a", ""}}),
                    "the template '{?a}x' of task 't' opens {?a} and never closes it with {/}");
  CHECK_THROWS_WITH(filled("x{/}", {{"a", ""}}),
                    "the template 'x{/}' of task 't' has a {:} or {/} outside of {?name}");
}

TEST_CASE("literal text comes out as it is") {
  CHECK(filled(lethe::literal_text("<{role}> }"), {}) == "<{role}> }");
}
