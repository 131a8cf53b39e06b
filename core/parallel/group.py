"""The processes that a training is to have: how many on each node, and where the nodes meet."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training.

    Attributes:
        processes: how many this node has.
        nodes: how many nodes there are.
        node_rank: the number of this one, from 0.
        address: host and port of node 0; port 0 for one that the system chooses.
    """

    processes: int
    nodes: int = 1
    node_rank: int = 0
    address: tuple[str, int] = ("127.0.0.1", 0)

    @property
    def is_several(self) -> bool:
        """Whether there is more than one process."""
        return self.processes > 1 or self.nodes > 1

    def require_devices(self, *, gpus: bool) -> None:
        """Refuse processes for which this machine has no device.

        Args:
            gpus: whether each has to have a GPU; otherwise a machine without any trains on CPUs.

        Raises:
            SettingsError: it has fewer GPUs, or one device that is not shared.
        """
        import torch

        from ..model.devices import pick_device

        found = torch.cuda.device_count()
        if gpus and found < self.processes:
            raise SettingsError(
                f"--gpus {self.processes}: this machine has {found}; see extract doctor"
            )
        if 0 < found < self.processes:
            raise SettingsError(
                f"--processes {self.processes}: each trains on a GPU of its own, and this machine "
                f"has {found}; CUDA_VISIBLE_DEVICES= trains on the CPU"
            )
        if self.is_several and pick_device().type == "mps":
            raise SettingsError("several processes do not share a GPU of Apple's; train in one")
