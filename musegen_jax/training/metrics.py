"""Metrics that carry their weights, by clu.

This file must not postpone annotations: clu reads them as types.
"""

import flax.struct
from clu import metrics


@flax.struct.dataclass
class TrainMetrics(metrics.Collection):
  """One or more training steps of a language model.

  Attributes:
    loss: nats per predicted token, weighted by the mask.
    accuracy: share of predicted tokens whose most likely guess was right.
    gradient_norm: global norm before clipping, of the last step.
  """

  loss: metrics.Average.from_output("nll")
  accuracy: metrics.Average.from_output("correct")
  gradient_norm: metrics.LastValue.from_output("gradient_norm")


@flax.struct.dataclass
class VaeMetrics(metrics.Collection):
  """One or more training steps of a VAE; nats are per step of the windows.

  Attributes:
    loss: the objective in nats, KL weight and free bits as they stand.
    reconstruction: nats, -log p(x | z).
    kl: nats, whole, from the posterior to the prior.
    accuracy: share of steps whose most likely guess was right, the decoder
      hearing the true steps before.
    gradient_norm: global norm before clipping, of the last step.
  """

  loss: metrics.Average.from_output("objective")
  reconstruction: metrics.Average.from_output("nll")
  kl: metrics.Average.from_output("kl")
  accuracy: metrics.Average.from_output("correct")
  gradient_norm: metrics.LastValue.from_output("gradient_norm")


@flax.struct.dataclass
class FrameMetrics(metrics.Collection):
  """One or more training steps of a model of frames.

  Attributes:
    loss: nats a frame, all keys together.
    gradient_norm: global norm before clipping, of the last step.
  """

  loss: metrics.Average.from_output("nll")
  gradient_norm: metrics.LastValue.from_output("gradient_norm")
