"""Push a run's model to the Hugging Face hub: one commit, which is read back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import HubError, InputError
from ..files import parse_json, read_text
from .hub_files import PUSHED, Upload

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

_SHOWN = 200

_ADVICE = {
    401: "it does not accept the access token; log in with `hf auth login`, or set HF_TOKEN",
    402: "the account has no room for it; delete something there, or ask the owner for more",
    403: "the access token may not write there, or the account's storage is full; make a token "
    "with write access, or choose another --repo",
    404: "there is no such owner or repository that the access token may see; check --repo",
    409: "somebody else made or changed the repository meanwhile; repeat the command",
    412: "somebody else changed the repository meanwhile; repeat the command",
    413: "it takes no files of this size",
    429: "it had too many requests; wait some minutes and repeat the command",
}
"""By HTTP status, what it means and what to do."""


@dataclass(frozen=True)
class Pushed:
    """A commit that was pushed.

    Attributes:
        repository: OWNER/NAME.
        commit: its id.
        url: address of the repository's page.
    """

    repository: str
    commit: str
    url: str


def require_name(repository: str) -> None:
    """Check the name of a repository, with or without its owner.

    Raises:
        HubError: the hub does not allow such a name.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise HubError(f"--repo: {_one_line(error)}") from error


def push(upload: Upload, repository: str | None, *, public: bool) -> Pushed:
    """Make the repository if there is none, push all files as one commit, and compare them.

    Args:
        upload: what is pushed.
        repository: OWNER/NAME, or NAME in the user's own namespace; None for the upload's name.
        public: whether everybody sees it.

    Raises:
        HubError: the hub refuses, is not reached, holds something else under this name, or has
            other files afterwards.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(library_name="fieldsmith", library_version=__version__)
    wanted = repository or upload.name
    with _hub_faults(wanted):
        owner = api.whoami()["name"]
        repository = wanted if "/" in wanted else f"{owner}/{wanted}"
        before = _existing(api, repository)
        if before is None:
            api.create_repo(repository, visibility="public" if public else "private")
            before = api.model_info(repository)
        _require_visibility(before, repository, public=public)
        gone = _pushed_before(api, before, repository) - upload.files.keys()
        additions = [CommitOperationAdd(name, content) for name, content in upload.files.items()]
        done = api.create_commit(
            repository,
            [*additions, *(CommitOperationDelete(name) for name in sorted(gone))],
            commit_message=f"Push with fieldsmith {__version__}",
            parent_commit=before.sha,
        )
        _require_same_files(api, repository, str(done.oid), upload)
    return Pushed(repository, str(done.oid), f"{api.endpoint}/{repository}")


def _existing(api: HfApi, repository: str) -> ModelInfo | None:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repository)
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:
            raise
        return None


def _require_visibility(found: ModelInfo, repository: str, *, public: bool) -> None:
    if bool(found.private) == public:
        state, what = ("private", "leave out") if found.private else ("public", "add")
        raise HubError(
            f"{repository}: is {state} already, which a push does not change; change it on the "
            f"hub, {what} --public, or choose another --repo"
        )


def _pushed_before(api: HfApi, found: ModelInfo, repository: str) -> set[str]:
    """Return the files of an earlier push; raise HubError if the repository holds others' files."""
    held = {file.rfilename for file in found.siblings or ()} - {".gitattributes"}
    if not held:
        return set()
    fault = HubError(
        f"{repository}: holds something that `extract push` did not put there; choose another "
        f"--repo, or delete that repository"
    )
    if PUSHED not in held:
        raise fault
    with tempfile.TemporaryDirectory() as scratch:
        file = api.hf_hub_download(repository, PUSHED, revision=found.sha, local_dir=scratch)
        try:
            known: Any = parse_json(read_text(Path(file)))
            return {PUSHED, *map(str, known["fieldsmith"] and known["files"])} & held
        except (InputError, ValueError, KeyError, TypeError) as error:
            raise fault from error


def _require_same_files(api: HfApi, repository: str, commit: str, upload: Upload) -> None:
    """Compare names, sizes and hashes of what the hub has with what was sent."""
    from huggingface_hub import RepoFile

    tree = api.list_repo_tree(repository, revision=commit, recursive=True)
    found = {each.path: each for each in tree if isinstance(each, RepoFile)}
    for name, size in upload.sizes().items():
        each = found.get(name)
        if each is None or each.size != size or _is_other(each, name, upload):
            raise HubError(
                f"{repository}: its {name} is not what was sent; repeat the command, and do not "
                f"use the repository before"
            )


def _is_other(found: Any, name: str, upload: Upload) -> bool:
    """Say whether the hub's hash of a file is another one: a sha256, or else that of git."""
    from huggingface_hub.utils.sha import git_hash

    if found.lfs is not None:
        return bool(found.lfs.sha256 != upload.hashes[name])
    content = upload.files[name]
    data = content if isinstance(content, bytes) else content.read_bytes()
    return bool(found.blob_id != git_hash(data))


@contextmanager
def _hub_faults(repository: str) -> Iterator[None]:
    """Report what the hub's client raises as one line, which never has the token."""
    from huggingface_hub.errors import (
        HTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise HubError(
            "there is no access token for the hub; log in with `hf auth login`, or set HF_TOKEN"
        ) from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE is set; unset it to push, or add --dry-run") from error
    except HTTPError as error:
        raise _refusal(repository, error) from error
    except (RuntimeError, ValueError) as error:
        # The client wraps what happens in its threads, and refuses answers that it cannot read.
        cause = error.__cause__ if isinstance(error.__cause__, HTTPError) else error
        raise _refusal(repository, cause) from error


def _refusal(repository: str, error: Any) -> HubError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None:
        return HubError(
            f"{repository}: the hub is not reached or broke off ({_one_line(error)}); check the "
            f"network and HF_ENDPOINT, and repeat the command"
        )
    advice = _ADVICE.get(status, "try again later" if status >= 500 else "check --repo")
    said = _one_line(error.server_message) if error.server_message else ""
    return HubError(f"{repository}: the hub refuses ({status}): {advice}{said and f' ({said})'}")


def _one_line(text: object) -> str:
    from huggingface_hub import get_token

    line = " ".join(str(text).split()).replace(get_token() or "\0", "…")
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
