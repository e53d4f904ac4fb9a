"""Tiny models of transformers with tokenizers of their own, for scripts/interop.py."""

import tokenizers
import torch
import transformers

VOCABULARY = 300  # 256 bytes and two marks, or BERT's marks and words
BERT_MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENDS = {"bos_token_id": 1, "eos_token_id": 1}
LABELS = {"num_labels": 2}
SMALL = {"vocab_size": VOCABULARY, "hidden_size": 48, "num_hidden_layers": 2}
GATED = {"intermediate_size": 96, "num_key_value_heads": 2, "max_position_embeddings": 1024}
BLOCKS = {"vocab_size": VOCABULARY, "n_layer": 2, "n_head": 4}


def t5(**more):
    return transformers.T5Config(
        vocab_size=VOCABULARY, d_model=48, d_kv=8, d_ff=96, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, **more
    )


# name: (the class of transformers, its config)
BASES = {
    "gpt2": ("CausalLM", lambda: transformers.GPT2Config(n_embd=48, n_positions=1024, **BLOCKS, **ENDS)),
    "opt": (
        "CausalLM",
        lambda: transformers.OPTConfig(
            num_attention_heads=4, ffn_dim=96, max_position_embeddings=1024, word_embed_proj_dim=48, pad_token_id=0,
            **SMALL, **ENDS
        ),
    ),
    "bloom": ("CausalLM", lambda: transformers.BloomConfig(hidden_size=48, pad_token_id=0, **BLOCKS, **ENDS)),
    "llama": (
        "CausalLM", lambda: transformers.LlamaConfig(num_attention_heads=8, **{**SMALL, "hidden_size": 64}, **GATED, **ENDS)
    ),
    "mistral": (
        "CausalLM", lambda: transformers.MistralConfig(num_attention_heads=6, sliding_window=None, **SMALL, **GATED, **ENDS)
    ),
    "qwen2": (
        "CausalLM", lambda: transformers.Qwen2Config(num_attention_heads=6, tie_word_embeddings=True, **SMALL, **GATED, **ENDS)
    ),
    "t5": ("Seq2SeqLM", lambda: t5(feed_forward_proj="relu")),
    "t5-gated": ("Seq2SeqLM", lambda: t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "bert": (
        "SequenceClassification",
        lambda: transformers.BertConfig(
            num_attention_heads=4, intermediate_size=96, max_position_embeddings=64, pad_token_id=0, **SMALL, **LABELS
        ),
    ),
    "bert-headless": (
        "MaskedLM",
        lambda: transformers.BertConfig(
            num_attention_heads=4, intermediate_size=96, max_position_embeddings=64, pad_token_id=0, **SMALL
        ),
    ),
    "gpt2-classifier": (
        "SequenceClassification",
        lambda: transformers.GPT2Config(n_embd=48, n_positions=1024, pad_token_id=0, **BLOCKS, **ENDS, **LABELS),
    ),
    "llama-classifier": (
        "SequenceClassification",
        lambda: transformers.LlamaConfig(
            num_attention_heads=8, pad_token_id=0, **{**SMALL, "hidden_size": 64}, **GATED, **ENDS, **LABELS
        ),
    ),
}


def auto_class(base):
    """The class that opens what Lethe makes of a base: a headless BERT becomes a classifier."""
    kind = BASES[base][0]
    return getattr(transformers, "AutoModelFor" + ("SequenceClassification" if kind == "MaskedLM" else kind))


def classifies(base):
    return BASES[base][0] in ("SequenceClassification", "MaskedLM")


def spread(model, seed):
    """Random values that are no neutral start: adapters, biases and norms all do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.08)


def byte_tokenizer(ends):
    """Byte-level BPE without merges: every byte a token, after a mark for padding and one for the end."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<end>", *letters])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    if ends:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="$A <end>", pair="$A <end> $B <end>", special_tokens=[("<end>", 1)]
        )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")


def word_tokenizer(folder):
    """WordPiece over digits and the signs of the sums."""
    words = BERT_MARKS + [str(digit) for digit in range(10)] + ["##" + str(digit) for digit in range(10)] + ["+", "="]
    path = folder + ".words"
    with open(path, "w") as file:
        file.write("\n".join(words + [f"[unused{index}]" for index in range(VOCABULARY - len(words))]) + "\n")
    return transformers.BertTokenizerFast(vocab_file=path)


def make_base(name, folder):
    kind, config = BASES[name]
    torch.manual_seed(7)
    model = getattr(transformers, "AutoModelFor" + kind).from_config(config())
    spread(model, 8)
    model.save_pretrained(folder)
    bert = name.startswith("bert")
    tokenizer = word_tokenizer(folder) if bert else byte_tokenizer(ends=kind == "Seq2SeqLM")
    tokenizer.save_pretrained(folder)
