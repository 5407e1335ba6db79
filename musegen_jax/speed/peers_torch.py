"""The same work in PyTorch; the only file that imports it.

Letters: T steps, B batch, D width, H LSTM units, L layers, V vocabulary.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from musegen_jax import config as config_lib
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Call, Settings
from musegen_jax.training import vae_loss

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Form:
  """A way to write a stack of LSTM layers.

  Attributes:
    dtype: of weights and activations.
    chain: one module a layer, which lets cuDNN take its persistent kernel
      (pytorch/pytorch, aten/src/ATen/native/cudnn/RNN.cpp), instead of one
      module for all.
  """

  dtype: str
  chain: bool = False


def reaches(platform: str) -> bool:
  """Whether this build can compute where JAX does."""
  return platform == "cpu" or torch.cuda.is_available()


def forms(settings: Settings, dtype: str) -> dict[str, Form]:
  """torch's best forms, by name, for a dtype of ours."""
  if settings.platform == "cpu":
    return {"torch": Form(dtype)}
  if dtype == "float32":
    return {"torch TF32": Form("float32")}
  return {
    "torch bf16": Form("bfloat16"),
    "torch fp16 chain": Form("float16", chain=True),
  }


def _device(settings: Settings) -> torch.device:
  """Where to compute, after the settings that make it a fair peer."""
  if settings.platform != "cpu":
    # XLA's products of float32 are TF32 by default.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    return torch.device("cuda")
  torch.set_num_threads(settings.cores)
  return torch.device("cpu")


def _finish(device: torch.device) -> None:
  if device.type == "cuda":
    torch.cuda.synchronize()


def gemm(settings: Settings, dtype: str, rows: int, repeats: int) -> Call:
  """Square matrix products."""
  device = _device(settings)
  left = torch.full((rows, rows), 0.5, dtype=getattr(torch, dtype))
  left = left.to(device)

  def call() -> None:
    for _ in range(repeats):
      left @ left
    _finish(device)

  return call


def copy(settings: Settings, size: int, repeats: int) -> Call:
  """Copies of an array of `size` bytes into another."""
  device = _device(settings)
  source = torch.zeros(size // 4, device=device)
  target = torch.empty_like(source)

  def call() -> None:
    for _ in range(repeats):
      target.copy_(source)
    _finish(device)

  return call


class Stack(nn.Module):
  """L layers in a form: [T, B, D] -> [T, B, H]."""

  def __init__(self, sizes: Sizes, form: Form) -> None:
    super().__init__()
    hidden = sizes.hidden_size
    counts = [1] * sizes.layers if form.chain else [sizes.layers]
    widths = [sizes.width] + [hidden] * (len(counts) - 1)
    self.parts = nn.ModuleList(
      nn.LSTM(width, hidden, count)
      for width, count in zip(widths, counts, strict=True)
    )

  def forward(self, inputs: torch.Tensor) -> torch.Tensor:
    """The last layer's outputs, from the empty state."""
    for part in self.parts:
      inputs, _ = part(inputs)
    return inputs


def layers(
  settings: Settings,
  sizes: Sizes,
  form: Form,
  inputs: np.ndarray,
  cotangent: np.ndarray,
) -> Call:
  """Forward and backward of a stack, for weights and for inputs [T, B, D];
  `cotangent` [T, B, H] weighs the outputs."""
  device, dtype = _device(settings), getattr(torch, form.dtype)
  model = Stack(sizes, form).to(device, dtype)
  heard = torch.tensor(inputs).to(device, dtype).requires_grad_()
  weights = torch.tensor(cotangent).to(device, dtype)

  def call() -> None:
    model.zero_grad(set_to_none=True)
    heard.grad = None
    model(heard).backward(weights)
    _finish(device)

  return call


def language_step(
  settings: Settings,
  sizes: Sizes,
  form: Form,
  vocab_size: int,
  batch: Batch,
  clip_norm: float,
) -> Call:
  """A training step: embedding, layers, head, cross-entropy, gradients,
  clipping and Adam, on inputs and targets [B, T]."""
  device, dtype = _device(settings), getattr(torch, form.dtype)
  model = nn.Sequential(
    nn.Embedding(vocab_size, sizes.width),
    Stack(sizes, form),
    nn.Linear(sizes.hidden_size, vocab_size),
  ).to(device, dtype)
  adam = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
  inputs, targets = (
    torch.tensor(batch[name].T.copy(), dtype=torch.long, device=device)
    for name in ("inputs", "targets")
  )

  def call() -> None:
    adam.zero_grad(set_to_none=True)
    logits = model(inputs).flatten(0, 1)
    nn.functional.cross_entropy(logits, targets.flatten()).backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    adam.step()
    _finish(device)

  return call


def sampling_loops(
  settings: Settings, sizes: Sizes, vocab_size: int
) -> dict[str, Call]:
  """T steps of drawing tokens for B rows, by nn.LSTM and by LSTMCell."""
  device, dtype = _device(settings), getattr(torch, sizes.dtype)
  hidden, batch = sizes.hidden_size, sizes.batch
  embedding = nn.Embedding(vocab_size, sizes.width).to(device, dtype)
  stack = nn.LSTM(sizes.width, hidden, sizes.layers).to(device, dtype)
  widths = [sizes.width] + [hidden] * (sizes.layers - 1)
  cells = [nn.LSTMCell(width, hidden).to(device, dtype) for width in widths]
  head = nn.Linear(hidden, vocab_size).to(device, dtype)
  first = torch.zeros(batch, dtype=torch.long, device=device)
  zeros = torch.zeros(batch, hidden, dtype=dtype, device=device)

  def draw(outputs: torch.Tensor) -> torch.Tensor:
    probs = torch.softmax(head(outputs).float(), -1)
    return torch.multinomial(probs, 1)[:, 0]

  @torch.inference_mode()
  def by_stack() -> None:
    token, state, said = first, None, []
    for _ in range(sizes.steps):
      outputs, state = stack(embedding(token)[None], state)
      token = draw(outputs[0])
      said.append(token)
    torch.stack(said).cpu()

  @torch.inference_mode()
  def by_cells() -> None:
    token, state, said = first, [(zeros, zeros)] * len(cells), []
    for _ in range(sizes.steps):
      outputs = embedding(token)
      for layer, cell in enumerate(cells):
        state[layer] = cell(outputs, state[layer])
        outputs = state[layer][0]
      token = draw(outputs)
      said.append(token)
    torch.stack(said).cpu()

  return {"torch LSTM loop": by_stack, "torch LSTMCell loop": by_cells}


def vae_step(
  settings: Settings, config: config_lib.Config, vocab_size: int, batch: Batch
) -> Call:
  """A training step of the flat VAE of a config, AdamW included."""
  device = _device(settings)
  parts = _vae_parts(config, vocab_size).to(device)
  objective = _vae_objective(parts, config)
  adam = torch.optim.AdamW(
    parts.parameters(),
    1e-3,
    weight_decay=config.optimizer.weight_decay,
    fused=True,
  )
  inputs, targets = (
    torch.tensor(batch[name].T.copy(), dtype=torch.long, device=device)
    for name in ("inputs", "targets")
  )

  def call() -> None:
    adam.zero_grad(set_to_none=True)
    objective(inputs, targets).backward()
    nn.utils.clip_grad_norm_(parts.parameters(), config.optimizer.clip_norm)
    adam.step()
    _finish(device)

  return call


def _vae_parts(config: config_lib.Config, vocab_size: int) -> nn.ModuleDict:
  sizes, vae, steps = config.model, config.vae, config.train.window
  width, hidden, depth = sizes.embedding_size, sizes.hidden_size, sizes.layers
  seen = 2 * vae.encoder_size + steps * vae.pool_size
  heard = width + vae.latent_size + vae.plan_size
  return nn.ModuleDict(
    {
      "seen": nn.Embedding(vocab_size, width),
      "heard": nn.Embedding(vocab_size, width),
      "encoder": nn.LSTM(width, vae.encoder_size, bidirectional=True),
      "pool": nn.Linear(2 * vae.encoder_size, max(vae.pool_size, 1)),
      "posterior": nn.Linear(seen, 2 * vae.latent_size),
      "plan": nn.Linear(vae.latent_size, steps * max(vae.plan_size, 1)),
      "to_carry": nn.Linear(vae.latent_size, 2 * depth * hidden),
      "decoder": nn.LSTM(heard, hidden, depth, dropout=sizes.dropout),
      "head": nn.Linear(hidden, vocab_size),
    }
  )


def _vae_objective(
  parts: nn.ModuleDict, config: config_lib.Config
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
  """The mean loss of inputs and targets [T, B], as `vae_loss` has it."""
  sizes, vae, steps = config.model, config.vae, config.train.window

  def objective(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    count = targets.shape[1]
    outputs, (last, _) = parts["encoder"](parts["seen"](targets))
    features = [last[0], last[1]]
    if vae.pool_size:
      pooled = parts["pool"](outputs).transpose(0, 1)
      features.append(pooled.reshape(count, -1))
    moments = parts["posterior"](torch.cat(features, -1))
    mean, log_variance = moments.chunk(2, -1)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    begin = torch.tanh(parts["to_carry"](z))
    begin = begin.view(count, 2, sizes.layers, sizes.hidden_size)
    h, c = begin.permute(1, 2, 0, 3).contiguous()
    told = [parts["heard"](inputs), z.expand(steps, *z.shape)]
    if vae.plan_size:
      planned = parts["plan"](z).view(count, steps, vae.plan_size)
      told.append(planned.transpose(0, 1))
    outputs, _ = parts["decoder"](torch.cat(told, -1), (h, c))
    logits = parts["head"](outputs).flatten(0, 1)
    nll = nn.functional.cross_entropy(
      logits, targets.flatten(), reduction="sum"
    )
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)
    costly = torch.clamp(kl - vae.free_bits * vae_loss.BITS, min=0)
    return (nll + vae.beta * costly.sum()) / targets.numel()

  return objective
