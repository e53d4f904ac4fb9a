"""Trials of tiny models exported by Lethe, loaded by transformers and peft, and adapters of peft loaded by Lethe.

Logits have to agree within 1e-4, tensors that are written again bit for bit. Called by scripts/interop.sh:
    interop.py LETHE [CASE...]
"""

import json
import os
import subprocess
import sys
import tempfile

import peft
import tokenizers
import torch
import transformers
from safetensors.torch import load_file

TOLERANCE = 1e-4
VOCABULARY = 300  # 256 bytes and two marks

BASES = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=48, n_layer=2, n_head=4, n_positions=1024, bos_token_id=1, eos_token_id=1
    ),
    "opt": lambda: transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, ffn_dim=96,
        max_position_embeddings=1024, word_embed_proj_dim=48, pad_token_id=0, bos_token_id=1, eos_token_id=1
    ),
    "bloom": lambda: transformers.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=48, n_layer=2, n_head=4, pad_token_id=0, bos_token_id=1, eos_token_id=1
    ),
    "llama": lambda: transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=8,
        num_key_value_heads=2, max_position_embeddings=1024, bos_token_id=1, eos_token_id=1
    ),
    "qwen2": lambda: transformers.Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True, bos_token_id=1, eos_token_id=1
    ),
}

# name: (base, the [[method]] of a sweep, whether peft has a form for it)
TRIALS = {
    "gpt2-lora": ("gpt2", 'name = "lora"\nlora.rank = 4\nlora.targets = "c_attn"', True),
    "gpt2-lora-bias": ("gpt2", 'name = "lora"\nlora.bias = "all"', True),
    "gpt2-ia3": ("gpt2", 'name = "ia3"', True),
    "gpt2-norms": ("gpt2", 'name = "norm-tuning"', True),
    "gpt2-finetune": ("gpt2", 'name = "finetune"', False),
    "opt-dora-bias": ("opt", 'name = "dora"\ndora.targets = "q_proj,v_proj"\ndora.bias = "lora_only"', True),
    "opt-bitfit": ("opt", 'name = "bitfit"', False),
    "bloom-lora": ("bloom", 'name = "lora"', True),
    "bloom-ia3": ("bloom", 'name = "ia3"', True),
    "llama-rslora": ("llama", 'name = "lora"\nlora.rslora = true', True),
    "llama-dora": ("llama", 'name = "dora"', True),
    "llama-saved": ("llama", 'name = "lora"\nlora.targets = "q_proj"\nlora.modules_to_save = "lm_head,norm"', True),
    "llama-prompt": ("llama", 'name = "prompt"\nprompt.tokens = 4', True),
    "llama-norms": ("llama", 'name = "norm-tuning"', True),
    "llama-inclora": ("llama", 'name = "inclora"\ninclora.rank = 2', True),
    "llama-olora": ("llama", 'name = "olora"\nolora.rank = 2', True),
    "llama-adalora": ("llama", 'name = "adalora"\nadalora.rank = 4\nadalora.target = 2', True),
    "llama-osf": ("llama", 'name = "osf"', False),
    "qwen2-lora": ("qwen2", 'name = "lora"', True),
}

LM = "CAUSAL_LM"
# name: (base, what peft makes)
ADAPTERS = {
    "peft-gpt2-lora": ("gpt2", lambda: peft.LoraConfig(task_type=LM, r=4, fan_in_fan_out=True)),
    "peft-gpt2-ia3": ("gpt2", lambda: peft.IA3Config(task_type=LM, fan_in_fan_out=True)),
    "peft-opt-dora": ("opt", lambda: peft.LoraConfig(task_type=LM, r=4, use_dora=True, bias="all")),
    "peft-bloom-lora": ("bloom", lambda: peft.LoraConfig(task_type=LM, r=4, bias="lora_only")),
    "peft-llama-patterns": (
        "llama",
        lambda: peft.LoraConfig(
            task_type=LM, r=4, target_modules="all-linear", use_rslora=True, rank_pattern={"layers.1.self_attn.q_proj": 2},
            alpha_pattern={"mlp.*_proj": 3}, exclude_modules=["k_proj"]
        ),
    ),
    "peft-llama-layers": (
        "llama",
        lambda: peft.LoraConfig(
            task_type=LM, r=4, target_modules=["q_proj", "down_proj"], layers_to_transform=[1], modules_to_save=["lm_head"]
        ),
    ),
    "peft-llama-expression": (
        "llama", lambda: peft.LoraConfig(task_type=LM, target_modules=r".*\.0\..*\.(q|v)_proj")
    ),
    "peft-llama-ia3": ("llama", lambda: peft.IA3Config(task_type=LM)),
    "peft-llama-norms": ("llama", lambda: peft.LNTuningConfig(task_type=LM)),
    "peft-llama-prompt": ("llama", lambda: peft.PromptTuningConfig(task_type=LM, num_virtual_tokens=3)),
    "peft-qwen2-lora": ("qwen2", lambda: peft.LoraConfig(task_type=LM)),
}


def spread(model, seed):
    """Random values that are no neutral start: adapters, biases and norms all do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.08)


def make_tokenizer(folder):
    """Byte-level BPE without merges: every byte a token, after a mark for padding and one for the end."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<end>", *letters])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")
    fast.save_pretrained(folder)


def make_base(name, folder):
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(BASES[name]())
    spread(model, 8)
    model.save_pretrained(folder)
    make_tokenizer(folder)


def open_base(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def difference(model, measured, virtual=0):
    """Largest difference of a logit from those that Lethe wrote for its rows."""
    mask = measured["attention_mask"]
    with torch.no_grad():
        logits = model(input_ids=measured["input_ids"], attention_mask=mask).logits[:, virtual:]
    return (logits[mask.bool()] - measured["logits"]).abs().max().item()


class Runner:
    def __init__(self, lethe, folder):
        self.lethe, self.folder, self.faults = lethe, folder, []
        self.bases = {}
        with open(os.path.join(folder, "sums.jsonl"), "w") as file:
            for number in range(40):
                file.write(json.dumps({"a": f"{number} + {number} =", "b": f" {2 * number}"}) + "\n")

    def base(self, name):
        if name not in self.bases:
            self.bases[name] = os.path.join(self.folder, "base-" + name)
            make_base(name, self.bases[name])
        return self.bases[name]

    def call(self, *arguments):
        done = subprocess.run([self.lethe, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("lethe " + " ".join(arguments) + ": " + done.stderr.strip())
        return done.stdout

    def check(self, case, what, value, limit=TOLERANCE):
        good = value <= limit
        print(f"{'ok' if good else 'WRONG':<6}{case:<24}{what:<38}{value:.2e}", flush=True)
        if not good:
            self.faults.append(f"{case}: {what}: {value}")

    def trial(self, case):
        base, method, has_form = TRIALS[case]
        path = self.base(base)
        with open(os.path.join(self.folder, case + ".toml"), "w") as file:
            file.write(
                f'keep = "trained"\n[stream]\nname = "text"\n'
                f'[[stream.task]]\nname = "sums"\nfile = "sums.jsonl"\nprompt = "{{a}}"\nresponse = "{{b}}"\n'
                f'[[stream.task]]\nname = "again"\nfile = "sums.jsonl"\nprompt = "{{b}} ="\nresponse = "{{a}}"\n'
                f'[model]\nname = "pretrained"\npath = {json.dumps(path)}\n'
                f"[train]\nlr = 1e-2\nsteps = 5\nbatch = 8\nsamples = 0\n[[method]]\n{method}\n"
            )
        db, adapter, merged = case + ".db", case + "-adapter", case + "-merged"
        logits = os.path.join(self.folder, case + ".logits")
        self.call("run", case + ".toml", "--db", db, "--jobs", "1", "--quiet")
        virtual = 0
        if has_form:
            self.call("export", "1", "--db", db, "--to", adapter, "--logits", logits)
            measured = load_file(logits)
            loaded = peft.PeftModel.from_pretrained(open_base(path), os.path.join(self.folder, adapter)).eval()
            virtual = getattr(loaded.active_peft_config, "num_virtual_tokens", 0) or 0
            self.check(case, "peft loads the adapter", difference(loaded, measured, virtual))
            self.check(case, "the adapter does something", -difference(open_base(path), measured), -1e-3)
        if virtual == 0:
            self.call("export", "1", "--db", db, "--to", merged, "--merge", "--logits", logits)
            loaded = open_base(os.path.join(self.folder, merged))
            self.check(case, "transformers loads the merged model", difference(loaded, load_file(logits)))

    def adapter(self, case):
        base, config = ADAPTERS[case]
        path = self.base(base)
        model = peft.get_peft_model(open_base(path), config()).eval()
        spread(model, 9)
        theirs, again = os.path.join(self.folder, case), os.path.join(self.folder, case + "-again")
        model.save_pretrained(theirs)
        logits = os.path.join(self.folder, case + ".logits")
        self.call("export", theirs, "--to", again, "--logits", logits)
        virtual = getattr(model.active_peft_config, "num_virtual_tokens", 0) or 0
        self.check(case, "Lethe loads the adapter", difference(model, load_file(logits), virtual))
        first = load_file(os.path.join(theirs, "adapter_model.safetensors"))
        second = load_file(os.path.join(again, "adapter_model.safetensors"))
        equal = first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
        self.check(case, "and writes the same tensors", 0.0 if equal else 1.0, 0.0)
        loaded = peft.PeftModel.from_pretrained(open_base(path), again).eval()
        self.check(case, "which peft loads", difference(loaded, load_file(logits), virtual))


def main():
    lethe, wanted = sys.argv[1], sys.argv[2:]
    known = list(TRIALS) + list(ADAPTERS)
    unknown = [case for case in wanted if case not in known]
    if unknown:
        sys.exit(f"error: unknown case {unknown[0]}; known: {', '.join(known)}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="lethe-interop-") as folder:
        runner = Runner(lethe, folder)
        for case in wanted or known:
            try:
                runner.trial(case) if case in TRIALS else runner.adapter(case)
            except Exception as error:  # the other cases still run
                print(f"WRONG {case}: {error}", flush=True)
                runner.faults.append(case)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    if runner.faults:
        sys.exit(f"error: {len(runner.faults)} checks failed with {versions}")
    print(f"all agree, with {versions}")


main()
