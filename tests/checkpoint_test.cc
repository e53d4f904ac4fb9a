// Checkpoints: one file, shards with an index, and pytorch_model.bin through the reader that builds
// tensors only.
#include "core/formats/checkpoint.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/formats/pickle_machine.h"
#include "tests/files.h"

using namespace lethe;

namespace {

const float kValues[] = {1, 2, 3, 4, 5, 6};

void write_tensors(const std::string& path, const std::vector<std::string>& names) {
  std::map<std::string, StoredTensor> tensors;
  for (const std::string& name : names) {
    tensors[name] = {"F32", {2, 3}, reinterpret_cast<const uint8_t*>(kValues), sizeof kValues};
  }
  write_safetensors(path, tensors);
}

using Members = std::vector<std::pair<std::string, std::string>>;

/// A zip archive of stored members, as APPNOTE.TXT has it.
std::string zip(const Members& members, uint64_t method = 0, uint64_t flags = 0) {
  std::string file, directory;
  for (const auto& [name, content] : members) {
    const std::string facts = little(flags, 2) + little(method, 2) + little(0, 8) +
                              little(content.size(), 4) + little(content.size(), 4) +
                              little(name.size(), 2);
    directory += little(0x02014b50, 4) + little(0, 2) + little(0, 2) + facts + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) +
                 little(file.size(), 4) + name;
    file += little(0x04034b50, 4) + little(0, 2) + facts + little(0, 2) + name + content;
  }
  const std::string end = little(0x06054b50, 4) + little(0, 4) + little(members.size(), 2) +
                          little(members.size(), 2) + little(directory.size(), 4) +
                          little(file.size(), 4) + little(0, 2);
  return file + directory + end;
}

std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
std::string integer(uint64_t value) { return "J" + little(value, 4); }

/// The pickle of {name: tensor of floats in data/0}.
std::string tensor_pickle(const std::string& sizes, const std::string& strides,
                          const std::string& name = "w", uint64_t offset = 0) {
  return std::string("\x80\x02}(") + text(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" +
         text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(6) + "tQ" +
         integer(offset) + "(" + sizes + "t(" + strides + "t\x89" +
         "ccollections\nOrderedDict\n)R" + "tRu.";
}

std::string values() { return {reinterpret_cast<const char*>(kValues), sizeof kValues}; }

std::string bin(const std::string& pickle) {
  return zip({{"archive/data.pkl", pickle}, {"archive/data/0", values()}});
}

const std::string kConvert =
    "; convert it where you trust it: python -c \"import torch; from safetensors.torch import "
    "save_file; save_file({k: v.clone().contiguous() for k, v in torch.load('PATH', "
    "map_location='cpu').items()}, 'model.safetensors', {'format': 'pt'})\"";
std::string convert(const std::string& path) {
  std::string command = kConvert;
  return command.replace(command.find("PATH"), 4, path);
}

}  // namespace

TEST_CASE("a checkpoint is one file or shards, with one digest for the same tensors") {
  const Scratch one, shards;
  write_tensors(one.path("model.safetensors"), {"a", "b"});
  write_tensors(shards.path("x-1.safetensors"), {"a"});
  write_tensors(shards.path("x-2.safetensors"), {"b"});
  shards.write("model.safetensors.index.json",
               R"({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}})");
  const Checkpoint whole(one.folder()), parts(shards.folder());
  CHECK(whole.files().size() == 1);
  CHECK(parts.files().size() == 2);
  CHECK(parts.tensors().size() == 2);
  CHECK(parts.at("b").shape == std::vector<int64_t>{2, 3});
  CHECK(whole.digest() == parts.digest());
  write_tensors(one.path("model.safetensors"), {"a", "c"});
  CHECK(Checkpoint(one.path("model.safetensors")).digest() != parts.digest());
  CHECK_THROWS_WITH(whole.at("c"), one.folder() + " has no tensor 'c' among its 2");
}

TEST_CASE("shards that disagree with their index are refused, listing how") {
  const Scratch scratch;
  CHECK_THROWS_WITH(Checkpoint(scratch.folder()),
                    scratch.folder() +
                        " holds no weights; expected one of model.safetensors, "
                        "model.safetensors.index.json, pytorch_model.bin, "
                        "pytorch_model.bin.index.json");
  write_tensors(scratch.path("x-1.safetensors"), {"a", "c"});
  const std::string index =
      scratch.write("model.safetensors.index.json",
                    R"({"weight_map": {"a": "x-1.safetensors", "b": "x-1.safetensors"}})");
  CHECK_THROWS_WITH(Checkpoint(scratch.folder()),
                    index +
                        " and its shards disagree; fetch them again:\n"
                        "  missing in x-1.safetensors: b\n  not in the index: c");
  scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": "x-9.safetensors"}})");
  CHECK_THROWS_WITH(Checkpoint(scratch.folder()),
                    index + " names the shard x-9.safetensors, which is not there; fetch it");
  scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": "../x.safetensors"}})");
  CHECK_THROWS_WITH(Checkpoint(scratch.folder()),
                    index +
                        ": the file of 'a' is '../x.safetensors', expected a name within the "
                        "folder");
  scratch.write("model.safetensors.index.json", "{}");
  CHECK_THROWS_WITH(Checkpoint(scratch.folder()),
                    index + " lacks 'weight_map', an object of tensors and their files");
}

TEST_CASE("pytorch_model.bin gives its tensors without a copy") {
  const Scratch scratch;
  const std::string path =
      scratch.write("pytorch_model.bin",
                    bin(tensor_pickle(integer(2) + integer(2), integer(2) + integer(1), "w", 2)));
  const Checkpoint given(scratch.folder());
  const StoredTensor& w = given.at("w");
  CHECK(w.dtype == "F32");
  CHECK(w.shape == std::vector<int64_t>{2, 2});
  CHECK(w.bytes == 16);
  CHECK(std::string(reinterpret_cast<const char*>(w.data), 16) == values().substr(8));
}

TEST_CASE("a pickle that does more than build tensors is refused by name") {
  const Scratch scratch;
  const auto refusal = [&](const std::string& pickle) {
    const std::string path = scratch.write("m.bin", bin(pickle));
    try {
      const Checkpoint opened(path);
    } catch (const Error& error) {
      std::string message = error.what();
      const std::string command = convert(path);
      if (message.ends_with(command)) message.resize(message.size() - command.size());
      return message.substr(path.size());
    }
    return std::string("accepted");
  };
  CHECK(refusal(std::string("\x80\x02") + "cos\nsystem\n" + text("true") + "\x85R.") ==
        " asks for os.system, and only tensors are read");
  CHECK(refusal(std::string("\x80\x02") + "cbuiltins\neval\n.") ==
        " asks for builtins.eval, and only tensors are read");
  CHECK(refusal("\x80\x04\x8c\x01x.") ==
        " has the pickle opcode 0x8c at byte 2, and only tensors are read");
  CHECK(refusal(text("x") + ".") == " holds no state dict but a value of kind text");
  CHECK(refusal("}(" + text("w") + integer(3) + "u.") ==
        ": 'w' is of kind integer, expected a tensor");
  CHECK(refusal(tensor_pickle(integer(2) + integer(3), integer(1) + integer(2))) ==
        ": tensor 'w' does not lie contiguous");
  CHECK(refusal(tensor_pickle(integer(2) + integer(3), integer(3) + integer(1), "w", 1)) ==
        ": tensor 'w' reaches outside its storage");
  CHECK(refusal(tensor_pickle(integer(2), integer(1)).substr(0, 60)) ==
        " is damaged: its pickle ends early at byte 58; fetch it again");
  CHECK(refusal("t.") ==
        " is damaged: its pickle takes a mark that is not there at byte 1; fetch it again");
  CHECK(refusal("h\x05.") ==
        " is damaged: its pickle recalls what it did not keep at byte 2; fetch it again");
}

TEST_CASE("what is no archive of torch.save is refused") {
  const Scratch scratch;
  const auto refusal = [&](const std::string& bytes) {
    const std::string path = scratch.write("m.bin", bytes);
    try {
      const Checkpoint opened(path);
    } catch (const Error& error) {
      return std::string(error.what()).substr(path.size());
    }
    return std::string("accepted");
  };
  const std::string none =
      " is no zip archive: it has no end record; it is cut short, or of the form that torch.save "
      "wrote before version 1.6";
  CHECK(refusal("") == none);
  CHECK(refusal("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.") == none);
  CHECK(refusal(zip({{"a", "b"}})) == " has no member data.pkl, so it is no file of torch.save");
  CHECK(refusal(zip({{"a", "b"}, {"a", "c"}})) == " has two members 'a'; fetch it again");
  CHECK(refusal(zip({{"a", "b"}}, 8)) ==
        ": member 'a' is compressed (method 8), expected stored as torch.save writes it");
  CHECK(refusal(zip({{"a", "b"}}, 0, 1)) == ": member 'a' is encrypted");
  CHECK(refusal(zip({{"x/data.pkl", "}."}, {"x/byteorder", "big"}})) ==
        " is in byte order 'big', expected little");
}

TEST_CASE("no cut and no changed byte of a pickled checkpoint crashes the reader") {
  const Scratch scratch;
  const std::string whole = bin(tensor_pickle(integer(2) + integer(3), integer(3) + integer(1)));
  int accepted = 0;
  const auto open = [&](const std::string& bytes) {
    try {
      const Checkpoint opened(scratch.write("m.bin", bytes));
      opened.digest();
      ++accepted;
    } catch (const Error&) {
    }
  };
  open(whole);
  CHECK(accepted == 1);
  for (size_t cut = 0; cut < whole.size(); ++cut) open(whole.substr(0, cut));
  CHECK(accepted == 1);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      open(bytes);
    }
  }
}
