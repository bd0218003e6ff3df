#!/usr/bin/env bash
# A process for each GPU of this machine, which train one network together:
#
#   ./one_machine.sh model=resnet data=hotdog
#
# Without GPUs, two processes on the cores: ./one_machine.sh trainer.accelerator=cpu trainer.devices=2 model=lenet5
set -euo pipefail
exec convscope train trainer=ddp "$@"
