"""The teacher of another run of the same log: the same one again, without training it again.

A teacher depends on the log, the seed, the settings of the section `teacher` and the length of histories, and on
nothing of the summary. Summaries of several sizes can so be distilled for the cost of one teacher.
"""

from pathlib import Path
from typing import cast

import torch

from seqdistill.artifacts import read_json
from seqdistill.differences import differences, some_of
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from seqdistill.models import TrainedModel
from seqdistill.runs import CONFIG, RESULT, TEACHER
from seqdistill.training import FittedToLog


def teacher_of(run: Path, request: Json, device: torch.device) -> FittedToLog:
    """Read the teacher of a finished run, if it is the one that a request asks for.

    Args:
        run: folder of the other run.
        request: `dataset` and `config` of the run in question.
        device: where it is wanted.

    Returns:
        The teacher; its seconds are those that its training took there.

    Raises:
        SeqDistillError: if that is no finished run, or one of another log, seed, length or teacher settings.
    """
    if not (run / CONFIG).is_file() or not (run / RESULT).is_file():
        raise SeqDistillError(f"{run} is no finished run of `distill`, whose teacher could be taken over")
    changed = differences(_deciding(cast("Json", read_json(run / CONFIG))), _deciding(request))
    if changed:
        raise SeqDistillError(
            f"the teacher of {run} is another than this run's would be ({some_of(changed)}); make these the same, or "
            "leave --teacher out to train one"
        )
    result = cast("Json", read_json(run / RESULT))
    told = cast("Json", result["teacher"])
    # The class that the settings name is the user's word that it may be imported.
    model = TrainedModel.load(run / TEACHER, allow_code=request["config"]["teacher"]["learner"])
    seconds = float(result["seconds"]["teacher"])
    return FittedToLog(model.recommender.to(device), told["best_epoch"], told["validation"], seconds, model.checkpoints)


def same_teacher(run: Path, request: Json) -> bool:
    """Whether a folder is a finished run with the teacher that a request asks for."""
    finished = (run / CONFIG).is_file() and (run / RESULT).is_file()
    return finished and _deciding(cast("Json", read_json(run / CONFIG))) == _deciding(request)


def _deciding(request: Json) -> Json:
    """What of a request decides the teacher."""
    config = cast("Json", request["config"])
    return {
        "dataset": request["dataset"]["fingerprint"],
        "seed": config["seed"],
        "teacher": config["teacher"],
        "distill": {"length": config["distill"]["length"]},
    }
