#include "analysis/report_escape.h"

#include <cctype>

namespace lethe {
namespace {

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 32 && c != '\t' && c != '\n') || c == 127;
}

const char* html_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return is_control(c) ? "\uFFFD" : nullptr;
  }
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

const char* latex_text(char c) {
  switch (c) {
    case '\\':
      return "\\textbackslash{}";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '\n':
      return " ";
    case '\r':
      return " ";
    default:
      return nullptr;
  }
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char* entity = html_entity(c);
    if (entity != nullptr) {
      out += entity;
    } else {
      out += c;
    }
  }
  return out;
}

std::string escape_markdown(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // An underscore inside a word (exact_match) starts no emphasis and reads better bare.
    const bool inner =
        c == '_' && i > 0 && i + 1 < text.size() && is_word(text[i - 1]) && is_word(text[i + 1]);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>' && i == 0) {
      out += "&gt;";
    } else if (c == '\n') {
      out += "⏎";
    } else if (is_control(c)) {
      out += "\uFFFD";
    } else {
      if (!inner && std::string_view("\\`*_[]|~#$").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string escape_latex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (const char* word = latex_text(c)) {
      out += word;
    } else {
      if (std::string_view("&%$#_{}").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  replace_all(out, "±", "$\\pm$");
  replace_all(out, "√", "$\\surd$");
  replace_all(out, "▲", "$\\triangle$");
  replace_all(out, "▼", "$\\bigtriangledown$");
  return out;
}

std::string escape_csv(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted(text);
  replace_all(quoted, "\"", "\"\"");
  return "\"" + quoted + "\"";
}

}  // namespace lethe
