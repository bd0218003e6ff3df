"""Tracing one forward pass of a network, on the meta device or on a real one."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from convscope.insight.network_state import preserved
from convscope.insight.tracing.carried_reach import REACH
from convscope.insight.tracing.endings import final_axes
from convscope.insight.tracing.meta_twins import install_twins
from convscope.insight.tracing.reach import reach_of_input, seeing_all
from convscope.insight.tracing.tracing import Tracing
from convscope.insight.undisturbed import as_written


def trace(network: nn.Module, x: torch.Tensor, axes: Sequence[int], *others: torch.Tensor) -> Tracing:
    """Run ``network`` on ``x`` in evaluation mode, and trace it.

    Args:
        network: Any module; its modes, parameters and hooks are left as they are.
        x: The input. If it is on the meta device, nothing is computed, whatever the device of the network's weights.
        axes: The dimensions of ``x`` along which receptive fields are measured.
        others: Further inputs of the network, for which no field is measured.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    # No inference mode: if code caches a tensor where `preserved` cannot find it, training must be able to use it.
    with preserved(network), torch.inference_mode(False), torch.no_grad():
        tracing = Tracing(network, meta=x.device.type == "meta")
        as_written(network)
        install_twins(network, tracing.twins)
        hooks = [
            register_module_forward_pre_hook(tracing.enter),
            register_module_forward_hook(tracing.leave, always_call=True),
        ]
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            # Through autograd's dispatch, functions would arrive here already decomposed.
            with torch._C._AutoDispatchBelowAutograd(), tracing:
                x = x.detach()
                setattr(x, REACH, reach_of_input(x.shape, axes))
                network(x, *others)
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for hook in hooks:
                hook.remove()
    for layer in tracing.layers:
        if layer.reach is not None and layer.reach.endings:
            layer.reach = seeing_all(layer.reach, final_axes(layer.reach.endings))
    return tracing
