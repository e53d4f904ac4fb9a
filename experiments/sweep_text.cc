// [[stream.task]] and [[stream.probe]]: tables of a sweep as specs of text tasks.
#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "experiments/recipes.h"
#include "experiments/streams/text_template.h"

namespace lethe {
namespace {

/// A table of the sweep, or of a recipe in place of the sweep's.
struct Source {
  const toml::table* table;
  std::string folder;  ///< where its files start: of a recipe, the data folder; else empty
};

std::vector<std::string> known_keys(const std::string& what) {
  std::vector<std::string> keys = {"chat", "chat_form", "data", "name", "recipe"};
  for (const OptionDoc& doc : option_docs<TextTaskSpec>()) keys.push_back(doc.name);
  TextTaskSpec spec;
  text_lists(spec, [&](const char* key, auto&) { keys.emplace_back(key); });
  text_files(spec, [&](const char* key, auto&) { keys.emplace_back(key); });
  if (what == "probe") std::erase(keys, "metric");
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// "{role}" in a begin or end text, which is literal otherwise.
std::string with_role(std::string text, const std::string& role) {
  const std::string mark = "{role}";
  for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += role.size()) {
    text.replace(at, mark.size(), role);
  }
  return literal_text(text);
}

/// The begin or end text of a role: one for all, or a table by role.
std::string form_text(const Place& place, const toml::table& form, const std::string& key,
                      const std::string& role) {
  const toml::node* node = form.get(key);
  if (node == nullptr) return "";
  if (const auto* by_role = node->as_table()) {
    return with_role(text_at(place, *by_role, role, ""), role);
  }
  return with_role(text_at(place, form, key, ""), role);
}

/// Pieces of a chat as one prompt, which ends where the assistant's answer begins.
std::string chat_prompt(const Place& place, const toml::node& chat, const toml::table& form) {
  only_known(place, form, "chat_form", {"begin", "end"});
  const auto* pieces = chat.as_array();
  if (pieces == nullptr || pieces->empty()) {
    place.fail_at(line_of(chat),
                  "'chat' is no list of pieces; write chat = [{ role = \"user\", content = "
                  "\"{question}\" }]");
  }
  std::string prompt;
  for (const toml::node& node : *pieces) {
    const auto* piece = node.as_table();
    if (piece == nullptr) place.fail_at(line_of(node), "a piece of 'chat' is no table");
    only_known(place, *piece, "chat", {"content", "role"});
    const std::string role = text_at(place, *piece, "role", "");
    if (role.empty()) place.fail_at(line_of(node), "a piece of 'chat' lacks 'role'");
    prompt += form_text(place, form, "begin", role) + text_at(place, *piece, "content", "") +
              form_text(place, form, "end", role);
  }
  return prompt + form_text(place, form, "begin", "assistant");
}

void set_option(const Place& place, TextTaskSpec& spec, const std::string& key,
                const toml::node& node) {
  const std::vector<Field> fields = fields_of(spec);
  const bool text = std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return field.name == key && std::holds_alternative<std::string*>(field.value);
  });
  const GridOption option = grid_option(place, key, node);
  if (text && !node.is_string()) {
    place.fail_at(line_of(node), fmt::format("'{}' is no text; put it in quotes", key));
  }
  if (option.values.size() != 1 || node.is_array()) {
    place.fail_at(line_of(node), fmt::format("'{}' takes one value, not a list", key));
  }
  try {
    set_fields("a text task", fields, {{key, option.values[0]}});
  } catch (const Error& error) {
    place.fail_at(line_of(node), error.what());
  }
}

/// Writes what the table says over the spec.
void apply(const Place& place, const Source& source, TextTaskSpec& spec) {
  const toml::table& table = *source.table;
  spec.name = text_at(place, table, "name", spec.name);
  bool files = false;  // a table that names files names all of them
  text_files(spec, [&](const char* key, auto&) { files = files || table.contains(key); });
  text_files(spec, [&](const char* key, std::string& path) {
    if (!files) return;
    path = text_at(place, table, key, "");
    if (path.empty()) return;
    path = source.folder.empty() ? resolved(place, path)
                                 : (std::filesystem::path(source.folder) / path).string();
  });
  text_lists(spec, [&](const char* key, std::vector<std::string>& values) {
    const toml::node* node = table.get(key);
    const bool none = node != nullptr && node->is_array() && node->as_array()->empty();
    if (node != nullptr)
      values = none ? std::vector<std::string>() : grid_option(place, key, *node).values;
  });
  for (const Field& field : fields_of(spec)) {
    if (const toml::node* node = table.get(field.name)) set_option(place, spec, field.name, *node);
  }
  const toml::node* chat = table.get("chat");
  if (chat == nullptr) return;
  if (table.contains("prompt")) {
    place.fail_at(line_of(*chat), "both 'prompt' and 'chat' are given; keep one");
  }
  const toml::node* form = table.get("chat_form");
  if (form == nullptr || !form->is_table()) {
    place.fail_at(line_of(*chat),
                  "'chat' needs the table 'chat_form' with the texts around a piece, as in "
                  "chat_form = { begin = \"<{role}>\", end = \"\\n\" }");
  }
  spec.prompt = chat_prompt(place, *chat, *form->as_table());
}

std::vector<TextTaskSpec> specs_of(const Place& place, const toml::table& table,
                                   const std::string& what) {
  only_known(place, table, "[[stream." + what + "]]", known_keys(what));
  const toml::node* recipe = table.get("recipe");
  const std::string data = resolved(place, text_at(place, table, "data", ""));
  std::vector<TextTaskSpec> specs(1);
  if (recipe != nullptr) {
    specs.clear();
    const std::string name = text_at(place, table, "recipe", "");
    if (data.empty()) {
      place.fail_at(line_of(*recipe),
                    fmt::format("recipe '{}' needs 'data': the folder of its files", name));
    }
    try {
      const Place inside{"recipes/" + name.substr(0, name.find('/')) + ".toml"};
      for (const toml::table& task : recipe_tasks(name)) {
        apply(inside, {&task, data}, specs.emplace_back());
      }
    } catch (const Error& error) {
      place.fail_at(line_of(*recipe), error.what());
    }
    if (specs.size() > 1 && table.contains("name")) {
      place.fail_at(
          line_of(*recipe),
          fmt::format("recipe '{}' stands for {} tasks, which keep their names; leave 'name' out",
                      name, specs.size()));
    }
  }
  for (TextTaskSpec& spec : specs) apply(place, {&table, data}, spec);
  return specs;
}

}  // namespace

std::vector<TextTaskSpec> text_specs(const Place& place, const toml::array& tables,
                                     const std::string& what) {
  std::vector<TextTaskSpec> all;
  std::map<std::string, int64_t> lines;  // by name
  for (const toml::node& node : tables) {
    const auto* table = node.as_table();
    if (table == nullptr) {
      place.fail_at(line_of(node),
                    fmt::format("stream.{} holds no table; write [[stream.{}]]", what, what));
    }
    for (TextTaskSpec& spec : specs_of(place, *table, what)) {
      if (spec.name.empty()) {
        place.fail_at(line_of(node),
                      fmt::format("a [[stream.{}]] lacks 'name'; give it one", what));
      }
      const toml::node* name = table->get("name");
      const int64_t line = line_of(name == nullptr ? node : *name);
      const auto [first, fresh] = lines.emplace(spec.name, line);
      if (!fresh) {
        place.fail_at(line,
                      fmt::format("text {} '{}' is there already, in line {}; give every {} a "
                                  "name of its own",
                                  what, spec.name, first->second, what));
      }
      all.push_back(std::move(spec));
    }
  }
  return all;
}

}  // namespace lethe
