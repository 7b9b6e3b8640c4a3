"""In what signatures differ from PyTorch's on purpose, and why.

A line of ``ACCEPTED`` is a pattern of "name.parameter: what differs", as ``torch_signatures.differences`` says it (``*`` is
anything, ``?`` one character). Each pattern must match a difference that there is, and each difference a pattern.
"""

BY_NAME = "positional argument ? there, here by name only"

EVERYWHERE = {   # parameters that are left out of every function, and given by name there
    "out": "a result is always a new tensor",
    "layout": "there are no sparse tensors",
    "pin_memory": "a hint for copies to a GPU",
    "memory_format": "arrays are laid out row by row",
}

OURS = {   # what PyTorch does not have at all
    "additive_attention_score": "Show, Attend and Tell's scores, fused",
    "draw": "a picture of a graph",
    "layer_norm_*": "layer-normalised recurrences", "nn.LayerNorm[GL]*": "layer-normalised recurrences",
    "quick_gelu": "CLIP's activation",
    "region_word_scores": "scores of images and sentences by their regions and words, fused",
    "roi_align": "torchvision's", "roi_pool": "torchvision's",
    "spectral_norm": "what nn.utils.spectral_norm computes", "weight_norm": "what nn.utils.weight_norm computes",
    "stream": "named random streams",
    "nn.init.are_left_out": "asks skip_init", "nn.init.left_out": "what skip_init is made of", "nn.init.fans": "private there",
    "optim.lr_scheduler.WarmupCosineLR": "two of PyTorch's in one",
    "data.Caption*": "captions", "data.Region*": "pictures with boxes", "data.read_*": "readers of datasets",
    "data.ClassDataset": "pictures of classes with texts", "data.convert_*": "other people's files, once and for all",
}

ACCEPTED = {
    "torch's deprecated size_average and reduce are left out, and what stands after them is given by name": [
        "*.size_average: missing", "*.reduce: missing", f"*.reduction: {BY_NAME}", f"*.reduction: {BY_NAME.replace('?', '??')}",
        f"*_*.ignore_index: {BY_NAME}", f"*Loss.ignore_index: {BY_NAME}", f"*.label_smoothing: {BY_NAME}",
        f"*.pos_weight: {BY_NAME}", f"*.log_target: {BY_NAME}", f"*.beta: {BY_NAME}", f"??_loss.weight: {BY_NAME}",
        f"mse_loss.weight: {BY_NAME}"],
    "ours: a named random stream": ["*.generator: here only", "data.random_split.generator: default None, there <*"],
    "ours: sequences of different lengths, streams of sequences, and Show and Tell's cell": [
        "*.lengths: here only", "*.reset: here only", "*.output_tanh: here only"],
    "projected LSTMs are not here, and what stands after their size (in truth for GRU and RNN, too) is given by name": [
        "nn.LSTM.proj_size: missing", f"nn.[LGR]*.device: {BY_NAME}", f"nn.GRU.dtype: {BY_NAME}",
        f"nn.[LR]*.dtype: {BY_NAME.replace('?', '??')}"],
    "private there": ["nn.Embedding._weight: missing", "nn.Embedding._freeze: missing",
                      f"nn.Embedding.d*: {BY_NAME.replace('?', '??')}", "*.expand.implicit: missing"],
    "torch.softmax and torch.nn.functional.softmax have different things in third place": [
        "*softm??._stacklevel: missing", f"*softm??.dtype: {BY_NAME}"],
    "torch.norm and Tensor.norm have different things in that place": [f"*norm.dtype: {BY_NAME}"],
    "an axis that is guessed is deprecated there": ["*oft*.dim: default none, there None"],
    "a precision of the result apart from the arguments': for CUDA": ["*mm.out_dtype: missing"],
    "one argument is the end, or the size goes second: by place and by name both are understood": [
        "arange.end: *", "randint*.high: *", "randint.size: *"],
    "a Tensor in that place is taken for other, repeats or value, a boolean for unbiased": [
        "*max.other: *", "*min.other: *", "repeat_interleave.repeats: *", "*scatter.value: *", "*.unbiased: *"],
    "the same meaning: None is 1 there, False, 'ij', and the test whether a mask is causal": [
        "*.correction: default 1, there None", "data.DataLoader.shuffle: default False, there None",
        "meshgrid.indexing: default 'ij', there None", "nn.Transformer*.forward.*is_causal: default False, there None"],
    "the same function by its name": ["nn.Transformer*Layer.activation: default 'relu', there relu"],
    "three forms in one, which are told apart by their first argument": ["Tensor.to.*: *"],
    "the numbers of a tensor are not seen in another dtype": ["Tensor.view.dtype: *"],
    "an equation comes first": ["einsum.args: *", "einsum.equation: *"],
    "keys and values from outside are not taken, and what stands after them is given by name": [
        "multi_head_attention_forward.static_?: missing",
        "multi_head_attention_forward.*: positional argument ?? there, here by name only"],
    "a Parameter has data": ["nn.Parameter.data: default none, there None"],
    "not written: each layer has its own": ["nn.Module.forward.*: *"],
    "places are deprecated there": ["nn.Module.state_dict.args: missing"],
    "another name for the only argument, which is given by place": [
        "set_default_dtype.d*: *", "set_num_threads.n*: *", "data.default_collate.*: *"],
    "a checker of its own: float64, random directions, verdicts": ["gradcheck.*: *", "gradgradcheck.*: *"],
    "files are safetensors, not pickles": ["load.*: *", "save.*: *"],
    "deprecated there, and what stands after it is given by name": [
        "backward.grad_variables: missing", f"backward.inputs: {BY_NAME}", "grad.only_inputs: missing",
        f"grad.allow_unused: {BY_NAME}",
        "optim.lr_scheduler.*.step.epoch: missing"],
    "derivatives of a batch of results at once are not here; None stands for no gradient": [
        "grad.is_grads_batched: missing", "grad.materialize_grads: missing"],
    "hints for speed, CUDA graphs, and gradients through the steps of an optimiser": [
        "*.foreach: missing", "optim.*.fused: missing", "optim.*.capturable: missing", "optim.*.differentiable: missing"],
    "what stands after such a hint is given by name": ["optim.RMSprop.maximize: positional argument ?? there, here by name only"],
    "AdamW is its name": ["optim.Adam.decoupled_weight_decay: missing"],
    "items come in the order of a named stream, and a thread prepares batches: all options but the first three by name": [
        "data.DataLoader.*sampler: missing", "data.DataLoader.*worker*: missing", "data.DataLoader.timeout: missing",
        "data.DataLoader.multiprocessing_context: missing", "data.DataLoader.prefetch_factor: missing",
        "data.DataLoader.pin_memory_device: missing", "data.DataLoader.in_order: missing",
        "data.DataLoader.*: positional argument * there, here by name only", "data.DataLoader.prefetch: here only",
        "data.DataLoader.bucket: here only"],
}
