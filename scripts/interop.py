"""Trials of tiny models exported by Lethe, loaded by transformers and peft, and adapters of peft loaded by Lethe.

Logits have to agree within 1e-4, tensors that are written again bit for bit. Called by scripts/interop.sh:
    interop.py LETHE [CASE...]
"""

import json
import os
import subprocess
import sys
import tempfile

import bitsandbytes
import peft
import torch
import transformers
from interop_models import BASES, auto_class, classifies, make_base, spread
from safetensors.torch import load_file

TOLERANCE = 1e-4
REPEATED = (".modules_to_save.bias", ".original_module.bias")


def method(name, **options):
    """A [[method]] of a sweep; options of its strategy, but for those of other tables (model__base)."""
    lines = [f"name = {json.dumps(name)}"]
    for key, value in options.items():
        lines.append(f"{key.replace('__', '.') if '__' in key else name + '.' + key} = {json.dumps(value)}")
    return "\n".join(lines)


# name: (base, the [[method]] of a sweep, whether peft has a form for it)
TRIALS = {
    "gpt2-lora": ("gpt2", method("lora", rank=4, targets="c_attn"), True),
    "gpt2-lora-bias": ("gpt2", method("lora", bias="all"), True),
    "gpt2-rslora": ("gpt2", method("lora", rslora=True, targets="c_fc,mlp.c_proj"), True),
    "gpt2-dora": ("gpt2", method("dora"), True),
    "gpt2-saved": ("gpt2", method("lora", targets="c_attn", modules_to_save="ln_f,wpe"), True),
    "gpt2-ia3": ("gpt2", method("ia3"), True),
    "gpt2-norms": ("gpt2", method("norm-tuning"), True),
    "gpt2-prompt": ("gpt2", method("prompt", tokens=3), True),
    "gpt2-finetune": ("gpt2", method("finetune"), False),
    "opt-dora-bias": ("opt", method("dora", targets="q_proj,v_proj", bias="lora_only"), True),
    "opt-ia3": ("opt", method("ia3"), True),
    "opt-prompt": ("opt", method("prompt", tokens=5), True),
    "opt-bitfit": ("opt", method("bitfit"), False),
    "bloom-lora": ("bloom", method("lora"), True),
    "bloom-dora": ("bloom", method("dora"), True),
    "bloom-ia3": ("bloom", method("ia3"), True),
    "llama-rslora": ("llama", method("lora", rslora=True), True),
    "llama-dora": ("llama", method("dora"), True),
    "llama-saved": ("llama", method("lora", targets="q_proj", modules_to_save="lm_head,norm"), True),
    "llama-prompt": ("llama", method("prompt", tokens=4), True),
    "llama-norms": ("llama", method("norm-tuning"), True),
    "llama-inclora": ("llama", method("inclora", rank=2), True),
    "llama-olora": ("llama", method("olora", rank=2), True),
    "llama-adalora": ("llama", method("adalora", rank=4, target=2), True),
    "llama-osf": ("llama", method("osf"), False),
    "mistral-lora": ("mistral", method("lora"), True),
    "mistral-ia3": ("mistral", method("ia3"), True),
    "qwen2-lora": ("qwen2", method("lora"), True),
    "qwen2-dora-saved": ("qwen2", method("dora", targets="q_proj", modules_to_save="norm"), True),
    "t5-lora": ("t5", method("lora", targets="q,v"), True),
    "t5-dora": ("t5", method("dora"), True),
    "t5-ia3": ("t5", method("ia3"), True),
    "t5-prompt": ("t5", method("prompt", tokens=3), True),
    "t5-finetune": ("t5", method("finetune"), False),
    "t5-gated-rslora": ("t5-gated", method("lora", rslora=True), True),
    "t5-gated-saved": ("t5-gated", method("lora", targets="q", modules_to_save="lm_head"), True),
    "t5-gated-norms": ("t5-gated", method("norm-tuning"), True),
    "bert-lora": ("bert", method("lora"), True),
    "bert-lora-head": ("bert", method("lora", targets="query,value", modules_to_save="classifier"), True),
    "bert-dora-bias": ("bert", method("dora", bias="all", modules_to_save="classifier"), True),
    "bert-ia3": ("bert", method("ia3"), True),
    "bert-norms": ("bert", method("norm-tuning", modules_to_save="classifier"), True),
    "bert-finetune": ("bert", method("finetune"), False),
    "bert-new-head": ("bert", method("lora", model__head="new"), True),
    "bert-headless-lora": ("bert-headless", method("lora"), True),
    "bert-headless-frozen": ("bert-headless", method("ia3"), True),
    "gpt2-classifier-lora": ("gpt2-classifier", method("lora", modules_to_save="score"), True),
    "gpt2-classifier-ia3": ("gpt2-classifier", method("ia3"), True),
    "llama-classifier-dora": ("llama-classifier", method("dora", modules_to_save="score"), True),
    "llama-classifier-finetune": ("llama-classifier", method("finetune"), False),
}
# name: (base, its format in training, the [[method]])
QUANTISED = {
    "llama-qlora": ("llama", "nf4", method("lora", model__base="nf4")),
    "gpt2-nf4-dq": ("gpt2", "nf4-dq", method("dora", model__base="nf4-dq")),
    "opt-fp4": ("opt", "fp4", method("ia3", model__base="fp4")),
    "t5-qlora": ("t5", "nf4", method("lora", model__base="nf4")),
    "bert-int8": ("bert", "int8", method("lora", model__base="int8")),
    "qwen2-bf16": ("qwen2", "bf16", method("lora", model__base="bf16")),
}
# name: (base, the format in which its weights are stored)
CODED = {
    "llama-in-nf4": ("llama", "nf4"),
    "gpt2-in-nf4-dq": ("gpt2", "nf4-dq"),
    "opt-in-fp4": ("opt", "fp4"),
    "qwen2-in-fp4-dq": ("qwen2", "fp4-dq"),
    "t5-in-nf4-dq": ("t5", "nf4-dq"),
}
# Lethe's own decoder, of which there is no folder before.
BUILT_IN = {f"built-in-{family}": family for family in ("gpt2", "opt", "bloom", "llama")}

LM, SEQ2SEQ, CLASSES = "CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS"
# name: (base, what peft makes)
ADAPTERS = {
    "peft-gpt2-lora": ("gpt2", lambda: peft.LoraConfig(task_type=LM, r=4, fan_in_fan_out=True)),
    "peft-gpt2-dora": (
        "gpt2", lambda: peft.LoraConfig(task_type=LM, r=4, use_dora=True, target_modules=["c_fc"], fan_in_fan_out=True)
    ),
    "peft-gpt2-ia3": ("gpt2", lambda: peft.IA3Config(task_type=LM, fan_in_fan_out=True)),
    "peft-opt-dora": ("opt", lambda: peft.LoraConfig(task_type=LM, r=4, use_dora=True, bias="all")),
    "peft-opt-prompt": ("opt", lambda: peft.PromptTuningConfig(task_type=LM, num_virtual_tokens=6)),
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
    "peft-mistral-lora": ("mistral", lambda: peft.LoraConfig(task_type=LM, use_rslora=True)),
    "peft-qwen2-lora": ("qwen2", lambda: peft.LoraConfig(task_type=LM)),
    "peft-t5-lora": ("t5", lambda: peft.LoraConfig(task_type=SEQ2SEQ, r=4)),
    "peft-t5-ia3": ("t5", lambda: peft.IA3Config(task_type=SEQ2SEQ)),
    "peft-t5-prompt": (
        "t5", lambda: peft.PromptTuningConfig(task_type=SEQ2SEQ, num_virtual_tokens=4, num_transformer_submodules=1)
    ),
    "peft-t5-gated-dora": (
        "t5-gated", lambda: peft.LoraConfig(task_type=SEQ2SEQ, use_dora=True, target_modules="all-linear")
    ),
    "peft-bert-lora": ("bert", lambda: peft.LoraConfig(task_type=CLASSES, r=4)),
    "peft-bert-dora": ("bert", lambda: peft.LoraConfig(task_type=CLASSES, use_dora=True, bias="all")),
    "peft-bert-ia3": ("bert", lambda: peft.IA3Config(task_type=CLASSES)),
    "peft-bert-norms": ("bert", lambda: peft.LNTuningConfig(task_type=CLASSES, target_modules=["LayerNorm"])),
    "peft-gpt2-classifier": ("gpt2-classifier", lambda: peft.LoraConfig(task_type=CLASSES, fan_in_fan_out=True)),
    "peft-llama-classifier": ("llama-classifier", lambda: peft.LoraConfig(task_type=CLASSES)),
}


def values_of(weight):
    """A 4-bit weight's values by its codes and constants."""
    state = weight.quant_state
    scales = state.absmax
    if state.nested:
        scales = bitsandbytes.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
    packed = weight.data.flatten()
    codes = torch.stack([packed >> 4, packed & 15], 1).flatten().long()
    return (state.code[codes].view(len(scales), -1) * scales.float().view(-1, 1)).view(state.shape)


def in_plain_products(model):
    """Its 4-bit weights multiplied by their values: on processors with AVX-512 bitsandbytes 0.50.2's own product is wrong
    or refused where a row is no whole number of blocks, as in bases this small."""
    for layer in model.modules():
        if isinstance(layer, bitsandbytes.nn.Linear4bit):
            layer.forward = lambda x, layer=layer: torch.nn.functional.linear(x, values_of(layer.weight), layer.bias)
    return model


def open_base(base, folder):
    return in_plain_products(auto_class(base).from_pretrained(folder, dtype=torch.float32).eval())


def difference(model, measured, virtual=0):
    """Largest difference of a logit from those that Lethe wrote for its rows.

    Where the largest logit is above 10 it is in units of a tenth of that one: rounding grows with it.
    """
    inputs = {name: values for name, values in measured.items() if name != "logits"}
    with torch.no_grad():
        logits = model(**inputs).logits
    if "decoder_input_ids" in inputs:
        logits = logits.flatten(0, 1)  # the decoder reads rows of one length
    elif logits.dim() == 3:
        logits = logits[:, virtual:][inputs["attention_mask"].bool()]
    largest = measured["logits"].abs().max().item()
    return (logits - measured["logits"]).abs().max().item() / max(1.0, largest / 10)


def virtual_tokens(model):
    return getattr(model.active_peft_config, "num_virtual_tokens", 0) or 0


class Runner:
    def __init__(self, lethe, folder):
        self.lethe, self.folder, self.faults = lethe, folder, []
        self.bases = {}
        with open(self.path("sums.jsonl"), "w") as file:
            for number in range(40):
                record = {"a": f"{number} + {number} =", "b": f" {2 * number}", "c": "odd" if number % 2 else "even"}
                file.write(json.dumps(record) + "\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def base(self, name):
        if name not in self.bases:
            self.bases[name] = self.path("base-" + name)
            make_base(name, self.bases[name])
        return self.bases[name]

    def call(self, *arguments):
        done = subprocess.run([self.lethe, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("lethe " + " ".join(arguments) + ": " + done.stderr.strip())
        return done.stdout

    def export(self, what, to, *more):
        """The folder that `lethe export` wrote, and the logits that it measured."""
        logits = self.path(to + ".logits")
        self.call("export", what, "--to", to, "--logits", logits, *more)
        return self.path(to), load_file(logits)

    def check(self, case, what, value, limit=TOLERANCE):
        good = value <= limit
        print(f"{'ok' if good else 'WRONG':<6}{case:<28}{what:<42}{value:.2e}", flush=True)
        if not good:
            self.faults.append(f"{case}: {what}: {value}")

    def run(self, case, model, method, classes=False):
        """Two tasks of sums under a method; its store."""
        answers = 'labels = ["even", "odd"]\nresponse = "{c}"\n' if classes else ""
        first, again = (answers, answers) if classes else ('response = "{b}"\n', 'response = "{a}"\n')
        second = 'second = "{b}"\n' if classes else ""
        with open(self.path(case + ".toml"), "w") as file:
            file.write(
                f'keep = "trained"\n[stream]\nname = "text"\nmax_length = 64\n'
                f'[[stream.task]]\nname = "sums"\nfile = "sums.jsonl"\nprompt = "{{a}}"\n{first}{second}'
                f'[[stream.task]]\nname = "again"\nfile = "sums.jsonl"\nprompt = "{{b}} ="\n{again}'
                f"[model]\n{model}\n[train]\nlr = 1e-2\nsteps = 5\nbatch = 8\nsamples = 0\n[[method]]\n{method}\n"
            )
        self.call("run", case + ".toml", "--db", case + ".db", "--jobs", "1", "--quiet")
        return "--db", case + ".db"

    def trial(self, case):
        base, method, has_form = TRIALS[case]
        path = self.base(base)
        db = self.run(case, f'name = "pretrained"\npath = {json.dumps(path)}', method, classifies(base))
        virtual = 0
        if has_form:
            adapter, measured = self.export("1", case + "-adapter", *db)
            loaded = peft.PeftModel.from_pretrained(open_base(base, path), adapter).eval()
            virtual = virtual_tokens(loaded)
            self.check(case, "peft loads the adapter", difference(loaded, measured, virtual))
            self.check(case, "the adapter does something", -difference(open_base(base, path), measured), -1e-3)
        if virtual == 0:
            merged, measured = self.export("1", case + "-merged", "--merge", *db)
            self.check(case, "transformers loads the merged model", difference(open_base(base, merged), measured))
            transformers.AutoTokenizer.from_pretrained(merged)

    def quantised(self, case):
        """Of a base in fewer bits: what it stands for, it with other bits, and the float base."""
        base, form, method = QUANTISED[case]
        db = self.run(case, f'name = "pretrained"\npath = {json.dumps(self.base(base))}', method, classifies(base))
        for into in ("float", "dequantised", "requantised"):
            merged, trained = self.export("1", f"{case}-{into}", "--merge", "--base", into, *db)
            loaded = open_base(base, merged)
            # int8 rounds what its products read as well, which no dense weight does.
            if into == "dequantised" and form != "int8":
                self.check(case, "transformers has the trained logits", difference(loaded, trained))
            again, measured = self.export(merged, f"{case}-{into}-again", "--merge")
            self.check(case, f"transformers loads it merged, {into}", difference(loaded, measured))
        if form != "int8":
            plain = open_base(base, self.path(case + "-float"))
            self.check(case, "the base has fewer bits", -difference(plain, trained), -1e-4)

    def coded(self, case):
        """A folder of 4-bit weights that Lethe writes, in transformers, and one that transformers writes, in Lethe."""
        base, form = CODED[case]
        ours, _ = self.export(self.base(base), case + "-ours", "--merge", "--base", form)
        _, measured = self.export(ours, case + "-ours-again", "--merge")
        self.check(case, "transformers opens Lethe's codes", difference(open_base(base, ours), measured))
        self.check(case, "which are not the float weights", -difference(open_base(base, self.base(base)), measured), -1e-4)
        config = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=form[:3], bnb_4bit_use_double_quant=form.endswith("-dq"),
            bnb_4bit_compute_dtype=torch.float32
        )
        model = auto_class(base).from_pretrained(self.base(base), dtype=torch.float32, quantization_config=config).eval()
        theirs = self.path(case + "-theirs")
        model.save_pretrained(theirs)
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.base(base))
        tokenizer.save_pretrained(theirs)
        _, measured = self.export(theirs, case + "-theirs-again", "--merge")
        self.check(case, "Lethe opens transformers' codes", difference(in_plain_products(model), measured))
        first, second = (load_file(os.path.join(folder, "model.safetensors")) for folder in (ours, theirs))
        equal = all(key in second and torch.equal(first[key], second[key]) for key in first if key.endswith("weight"))
        self.check(case, "and makes the same ones", 0.0 if equal else 1.0, 0.0)

    def built_in(self, case):
        sizes = "width = 32\nlayers = 2\nheads = 4\nmax_length = 96\npretrain_steps = 2"
        model = f'name = "decoder"\nfamily = "{BUILT_IN[case]}"\n{sizes}'
        db = self.run(case, model, method("lora"))
        base, measured = self.export("1", case + "-merged", "--merge", *db)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        self.check(case, "transformers loads the merged model", difference(loaded, measured))

    def adapter(self, case):
        base, config = ADAPTERS[case]
        path = self.base(base)
        model = peft.get_peft_model(open_base(base, path), config()).eval()
        spread(model, 9)
        theirs = self.path(case)
        model.save_pretrained(theirs)
        again, measured = self.export(theirs, case + "-again")
        self.check(case, "Lethe loads the adapter", difference(model, measured, virtual_tokens(model)))
        first = load_file(os.path.join(theirs, "adapter_model.safetensors"))
        second = load_file(os.path.join(again, "adapter_model.safetensors"))
        # With biases peft writes those of whole modules again under the names of its wrapper.
        first = {key: value for key, value in first.items() if not key.endswith(REPEATED)}
        equal = first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
        self.check(case, "and writes the same tensors", 0.0 if equal else 1.0, 0.0)
        loaded = peft.PeftModel.from_pretrained(open_base(base, path), again).eval()
        self.check(case, "which peft loads", difference(loaded, measured, virtual_tokens(loaded)))

    def kinds(self):
        return {self.trial: TRIALS, self.quantised: QUANTISED, self.coded: CODED, self.built_in: BUILT_IN, self.adapter: ADAPTERS}


def main():
    lethe, wanted = sys.argv[1], sys.argv[2:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="lethe-interop-") as folder:
        runner = Runner(lethe, folder)
        checks = {case: check for check, cases in runner.kinds().items() for case in cases}
        unknown = [case for case in wanted if case not in checks]
        if unknown:
            sys.exit(f"error: unknown case {unknown[0]}; known: {', '.join(checks)}")
        for case in wanted or checks:
            try:
                checks[case](case)
            except Exception as error:  # the other cases still run
                print(f"WRONG {case}: {error}", flush=True)
                runner.faults.append(case)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    if runner.faults:
        sys.exit(f"error: {len(runner.faults)} checks failed with {versions}")
    print(f"all agree, with {versions}")


main()
