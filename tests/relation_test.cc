#include "analysis/relation.h"

#include <catch2/catch.hpp>

#include "core/error.h"

namespace lethe {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("a chain is its terms and the operators between them", "[relation]") {
  const Chain chain = parse_chain("multitask <  lora+ewc<=finetune");
  CHECK(chain.terms == Words{"multitask", "lora+ewc", "finetune"});
  CHECK(chain.operators == Words{"<", "<="});
  const Chain with_blank = parse_chain("ewc ewc.lambda=10 >= 0.3 > si");
  CHECK(with_blank.terms == Words{"ewc ewc.lambda=10", "0.3", "si"});
  CHECK(with_blank.operators == Words{">=", ">"});
}

TEST_CASE("an expression that is no chain is refused with its text", "[relation]") {
  const std::string such = "; expected such as \"multitask < finetune\"";
  CHECK_THROWS_WITH(parse_chain("finetune"), "expression 'finetune' compares nothing" + such);
  CHECK_THROWS_WITH(parse_chain("a <"), "expression 'a <' has an empty term" + such);
  CHECK_THROWS_WITH(parse_chain("< a"), "expression '< a' has an empty term" + such);
  CHECK_THROWS_WITH(parse_chain("a << b"), "expression 'a << b' has an empty term" + such);
  CHECK_THROWS_WITH(parse_chain(" "), "expression ' ' has an empty term" + such);
  CHECK_THROWS_WITH(parse_chain("a < b > c"),
                    "expression 'a < b > c' mixes < and >; expected a chain that goes one way");
  CHECK_THROWS_WITH(parse_chain("a = b"), "expression 'a = b' compares nothing" + such);
}

TEST_CASE("a set has its members, any other term is its own", "[relation]") {
  CHECK(members_of("{lwf,  si ewc.lambda=3 , 0.2}") == Words{"lwf", "si ewc.lambda=3", "0.2"});
  CHECK(members_of("{lwf}") == Words{"lwf"});
  CHECK(members_of("lwf") == Words{"lwf"});
  CHECK(parse_chain("joint > {lwf, si} > 0.2").terms == Words{"joint", "{lwf, si}", "0.2"});
}

TEST_CASE("a set with a brace or a member missing is refused", "[relation]") {
  const std::string such = "; expected a set such as \"{si, ewc}\"";
  CHECK_THROWS_WITH(parse_chain("a > {b, c"), "expression 'a > {b, c' has the term '{b, c'" + such);
  CHECK_THROWS_WITH(parse_chain("b, c} < a"), "expression 'b, c} < a' has the term 'b, c}'" + such);
  CHECK_THROWS_WITH(parse_chain("a > {b,}"),
                    "expression 'a > {b,}' has an empty member in '{b,}'" + such);
  CHECK_THROWS_WITH(parse_chain("a > {}"),
                    "expression 'a > {}' has an empty member in '{}'" + such);
}

TEST_CASE("a term is a number only where all of it is one", "[relation]") {
  CHECK(constant("0.3") == 0.3);
  CHECK(constant("-2e-3") == -0.002);
  CHECK_FALSE(constant("0.3x"));
  CHECK_FALSE(constant("finetune"));
  CHECK_FALSE(constant(""));
}

TEST_CASE("a relation holds by its margin, exactly for <= and by more for <", "[relation]") {
  CHECK(holds(0.25, "<", 0.5, 0));
  CHECK_FALSE(holds(0.5, "<", 0.5, 0));
  CHECK(holds(0.5, "<=", 0.5, 0));
  CHECK(holds(0.25, "<=", 0.5, 0.25));
  CHECK_FALSE(holds(0.25, "<", 0.5, 0.25));
  CHECK(holds(0.5, ">", 0.25, 0.125));
  CHECK_FALSE(holds(0.5, ">", 0.25, 0.25));
  CHECK(holds(0.5, ">=", 0.25, 0.25));
  CHECK_FALSE(holds(0.25, ">=", 0.5, 0));
}

}  // namespace
}  // namespace lethe
