"""Which launcher has started a process, as the variables of its environment say."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from launcher_environments import TORCHRUN

from fieldsmith.errors import SettingsError
from fieldsmith.parallel.environment import Launcher, adopt_launcher, first_host, srun_variables

# As of a step of 7 tasks on 2 nodes (srun --nodes 2 --ntasks 7).
SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "2",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NTASKS": "7",
    "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_STEP_TASKS_PER_NODE": "4,3",
    "SLURM_STEP_NODELIST": "node[07-08]",
}

# Of the script of a batch job (sbatch --nodes 2 --ntasks 7), which runs once, on the first node.
SBATCH = {
    "SLURM_JOB_ID": "4711",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_NTASKS": "7",
    "SLURM_TASKS_PER_NODE": "4,3",
    "SLURM_JOB_NODELIST": "node[07-08]",
}


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("gpu3,node[01-04,07]", "gpu3"),
        ("node[01-04,07],gpu3", "node01"),
        ("node[07,01-04]", "node07"),
        ("node[9]", "node9"),
        ("rack[1-2]node[03-04]", "rack1node03"),
        ("node[01-04]-ib,gpu3", "node01-ib"),
        ("a-b.example.org", "a-b.example.org"),
        ("10.0.0.1,10.0.0.2", "10.0.0.1"),
    ],
)
def test_the_first_host_of_a_node_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


def test_a_task_of_srun_is_a_rank() -> None:
    found = srun_variables(SRUN)
    port = found.pop("MASTER_PORT")
    assert found == {
        "RANK": "5",
        "WORLD_SIZE": "7",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "3",
        "MASTER_ADDR": "node07",
    }
    assert 1024 < int(port) < 32768
    assert srun_variables({**SRUN, "SLURM_PROCID": "0"})["MASTER_PORT"] == port
    for name in ("SLURM_STEP_ID", "SLURM_JOB_ID"):
        assert srun_variables({**SRUN, name: "4712"})["MASTER_PORT"] != port


def test_an_address_that_is_set_is_kept() -> None:
    found = srun_variables({**SRUN, "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "1234"})
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.7", "1234")


@pytest.mark.parametrize(
    ("counts", "node", "here"),
    [("4(x2),3", "1", "4"), ("4(x2),3", "2", "3"), ("8(x16)", "15", "8"), ("", "0", "7")],
)
def test_tasks_of_a_node(counts: str, node: str, here: str) -> None:
    changed = {"SLURM_STEP_TASKS_PER_NODE": counts, "SLURM_NODEID": node}
    assert srun_variables({**SRUN, **changed})["LOCAL_WORLD_SIZE"] == here


@pytest.mark.parametrize(("visible", "local"), [("0", "0"), ("GPU-5d1", "0"), ("0,1,2", "1")])
def test_a_task_with_one_gpu_takes_it(visible: str, local: str) -> None:
    assert srun_variables({**SRUN, "CUDA_VISIBLE_DEVICES": visible})["LOCAL_RANK"] == local


@pytest.mark.parametrize(
    "environment",
    [
        {},
        SBATCH,
        {**SBATCH, "SLURM_STEP_ID": "4294967291"},
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
    ],
    ids=["none", "sbatch", "sbatch that numbers its step", "one task"],
)
def test_what_is_no_task_among_several(environment: Mapping[str, str]) -> None:
    assert srun_variables(environment) == {}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a launcher, put back afterwards."""
    for name in (*TORCHRUN, *SRUN, *SBATCH, "LOCAL_WORLD_SIZE", "FIELDSMITH_LAUNCHED"):
        monkeypatch.setenv(name, "")  # so that it is put back, even where a test does not set it
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_user_starts_one_process(environment: pytest.MonkeyPatch) -> None:
    assert adopt_launcher() is None
    for name, value in SBATCH.items():
        environment.setenv(name, value)
    assert adopt_launcher() is None
    assert "RANK" not in os.environ


def test_torchrun_is_known_by_its_variables(environment: pytest.MonkeyPatch) -> None:
    for name, value in {**SRUN, **TORCHRUN}.items():  # torchrun may be started by srun
        environment.setenv(name, value)
    assert adopt_launcher() == Launcher("torchrun", 2, "WORLD_SIZE")
    assert os.environ["RANK"] == "1"


def test_srun_is_known_and_torch_is_given_its_ranks(environment: pytest.MonkeyPatch) -> None:
    for name, value in SRUN.items():
        environment.setenv(name, value)
    assert adopt_launcher() == Launcher("srun", 7, "SLURM_STEP_NUM_TASKS")
    assert (os.environ["RANK"], os.environ["MASTER_ADDR"]) == ("5", "node07")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"WORLD_SIZE": ""}, "RANK: set, but not WORLD_SIZE; start the processes by torchrun"),
        ({"MASTER_ADDR": "", "LOCAL_RANK": ""}, "WORLD_SIZE: set, but not LOCAL_RANK, MASTER_ADDR"),
        ({"RANK": "one"}, "RANK is 'one', where a launcher of processes sets a number"),
        ({"RANK": "2"}, "RANK is 2, but WORLD_SIZE 2; ranks begin at 0"),
    ],
)
def test_variables_that_have_no_meaning(
    environment: pytest.MonkeyPatch, changes: Mapping[str, str], said: str
) -> None:
    for name, value in {**TORCHRUN, **changes}.items():
        if value:
            environment.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        adopt_launcher()
