"""Data checks: issues that make training on a data set unsound, each with a flag that accepts it.

The audit lists all of them and exits with 1 if one is blocking; training refuses such data by the
same rules, and prints the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ..data import FLAGS, Example
from ..errors import InputError, LeakError
from .duplicates import Duplicate, find_duplicates
from .lost_gold import LostGold
from .splits import Splits, describe_leaks, shown_ids
from .teacher_licences import TeacherLicence, licence_id, licence_named
from .teacher_names import doubt
from .teachers import ACCEPTS, accepted_licence, teachers_of


@dataclass(frozen=True)
class Issue:
    """A result of the data checks.

    Attributes:
        name: what it is, for programs.
        message: what was found, and what to do.
        flag: the option that accepts it; "" if there is none.
        is_unsound: whether it makes training unsound; otherwise it is a note.
        accepted: whether its flag was given.
    """

    name: str
    message: str
    flag: str = ""
    is_unsound: bool = True
    accepted: bool = False

    @property
    def is_blocking(self) -> bool:
        """Whether the data should not be trained on as it is."""
        return self.is_unsound and not self.accepted

    @property
    def line(self) -> str:
        """The issue in one line: its kind, the message, and the flag that would accept it."""
        if self.accepted:
            return f"accepted ({self.name}): {self.message}"
        if not self.is_unsound:
            return f"note ({self.name}): {self.message}"
        accept = f"; {self.flag} accepts it" if self.flag else ""
        return f"unsound ({self.name}): {self.message}{accept}"


def training_issues(
    splits: Splits, lost: LostGold, base: str, accepted: Collection[str] = ()
) -> list[Issue]:
    """Return the issues of a training's data, after its windows are made.

    Args:
        splits: the data.
        lost: the gold of the documents that are trained on, and what is not learned of it.
        base: the base model: its name, or its path.
        accepted: names of the issues that the user accepts.
    """
    return all_issues(splits, lost, find_duplicates(splits), base, accepted)


def refuse_unsound(source: str, issues: Iterable[Issue]) -> None:
    """Refuse data with blocking issues, in one line that names all of them.

    Args:
        source: what the user calls the data.
        issues: what the checks found.

    Raises:
        LeakError: official splits share documents, whatever else was found.
        InputError: ids repeat, or there is nothing to train on.
    """
    blocking = [issue for issue in issues if issue.is_blocking]
    if blocking:
        lines = "; ".join(issue.line for issue in blocking)
        is_leak = any(issue.name == "leaks" for issue in blocking)
        raise (LeakError if is_leak else InputError)(f"{source}: {lines}; see extract audit")


def split_issues(splits: Splits, base: str, accepted: Collection[str] = ()) -> list[Issue]:
    """Return the issues of the splits alone, which are known before any window is made.

    Args:
        splits: the data.
        base: the base model: its name, or its path.
        accepted: names of the issues that the user accepts.
    """
    found = licence_issues([*splits.train, *splits.validation], base, accepted)
    if not splits.train:
        found.append(Issue("nothing", "there is no document to train on"))
    if splits.leaks:
        found.append(_acceptable("leaks", describe_leaks(splits.leaks), accepted))
    repeated = [reject.id for reject in splits.set_aside if reject.field == "id"]
    if repeated:
        verb = "row has" if len(repeated) == 1 else "rows have"
        message = (
            f"{len(repeated)} {verb} the id of another row: only the first is read "
            f"({shown_ids(repeated)}); give each document an id of its own"
        )
        found.append(_acceptable("duplicate-ids", message, accepted))
    if splits.train and splits.empty:
        count = len(splits.train) + len(splits.validation) + len(splits.test)
        message = (
            f"no document in {' and none in '.join(splits.empty)}: the {count} are split by hashes "
            f"of their ids, and nothing can be scored there; add documents, choose another "
            f"--split-ratio, or name the split of each in the data (train, validation, test)"
        )
        found.append(Issue("empty-splits", message, is_unsound=False))
    return found


def all_issues(
    splits: Splits,
    lost: LostGold,
    duplicates: Sequence[Duplicate],
    base: str,
    accepted: Collection[str] = (),
    windows: int | None = None,
) -> list[Issue]:
    """Return all issues, unsound ones first.

    Args:
        splits: the data.
        lost: the gold, and what is not learned of it.
        duplicates: what ``find_duplicates`` found.
        base: the base model: its name, or its path.
        accepted: names of the issues that the user accepts.
        windows: number of windows to train on, if known.
    """
    found = split_issues(splits, base, accepted)
    if splits.train and windows == 0:
        found.append(Issue("nothing", "there is no window to train on: every one is set aside"))
    if message := lost.problem():
        found.append(_acceptable("unlearnable", message, accepted))
    if message := lost.out_of_reach():
        found.append(Issue("apart", message, is_unsound=False))
    if names := lost.empty_fields():
        message = (
            f"no document has a value in {', '.join(names)}, though "
            f"{'their keys are' if len(names) > 1 else 'its key is'} in the gold records: a model "
            f"learns that there is never one; leave out of a record what its source does not "
            f"annotate"
        )
        found.append(Issue("empty-fields", message, is_unsound=False))
    near = (each for each in duplicates if each.split != each.other_split and not each.is_exact)
    across = list({(each.split, each.id): each.id for each in near}.values())
    if across:
        verb = "document is" if len(across) == 1 else "documents are"
        message = (
            f"{len(across)} held-out {verb} nearly the same as one of another split "
            f"({shown_ids(across)}): scores on such documents say little about unseen ones"
        )
        found.append(Issue("near-leaks", message, is_unsound=False))
    return sorted(found, key=lambda issue: not issue.is_unsound)


def licence_issues(
    examples: Iterable[Example], base: str, accepted: Collection[str] = ()
) -> list[Issue]:
    """Return an issue for each licence of a teacher that says something about the training.

    Args:
        examples: the documents that are trained on, or choose what is kept of the training.
        base: the base model: its name, or its path.
        accepted: names of the issues that the user accepts.
    """
    name = Path(base).name if Path(base).is_absolute() else base
    found = []
    by_licence = sorted(teachers_of(examples), key=lambda each: licence_id(each.teacher.licence))
    for named, teachers in groupby(by_licence, key=lambda each: licence_id(each.teacher.licence)):
        licence, models = licence_named(named), {each.teacher.model: each for each in teachers}
        flag, is_accepted = f"{ACCEPTS} {named}", accepted_licence(named) in accepted
        if doubts := [text for model in models if (text := doubt(model, licence))]:
            message = (
                f"labels name a licence that does not go with the name of their teacher: "
                f"{'; '.join(doubts)}; repeat extract label with the licence that it has, which "
                f"asks for no answer again"
            )
            found.append(Issue("licence", message, flag, accepted=is_accepted))
        if licence.effect == "free":
            continue
        count = sum(each.documents for each in models.values())
        who = f"{count} {'document was' if count == 1 else 'documents were'} labelled by "
        message = f"{who}{', '.join(models)} (licence {named}): {licence.line}"
        if licence.allows(name):
            found.append(Issue("licence", message, is_unsound=False))
            continue
        message += f"; {_why_not(licence, name)}yours to check: {licence.check}"
        found.append(Issue("licence", message, flag, accepted=is_accepted))
    return found


def _why_not(licence: TeacherLicence, base: str) -> str:
    """Return what a licence with a family says of a base model that is not of it."""
    if licence.effect == "condition":
        return (
            f"the training is not forbidden, but this duty goes with the model that comes of it, "
            f"and the base model {base} is of another family; "
        )
    return f"the base model {base} is no such model; " if licence.families else ""


def _acceptable(name: str, message: str, accepted: Collection[str]) -> Issue:
    return Issue(name, message, FLAGS[name], accepted=name in accepted)
