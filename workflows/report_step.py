"""The reporting step by itself: from what lies in a run directory, whatever version of ionscreen put it there."""

from __future__ import annotations

from ..datasets import CampaignError, Dataset, InvalidInput
from .config import CampaignConfig
from .descriptions import newest_key
from .descriptor import predictor_of
from .properties import objective_of, properties_of
from .ranking import rank_candidates
from .results import CampaignResults
from .rounds import Rounds, verified_groups
from .run_directory import RunDirectory, read_json
from .screening import Predictions
from .verification import compare

__all__ = ["finished_results"]


def finished_results(config: CampaignConfig, directory: RunDirectory) -> CampaignResults:
    """Return the results of a finished campaign; nothing is computed and no worker is started.

    Parameters
    ----------
    config
        The campaign, with absolute paths.
    directory
        Its run directory.

    Raises
    ------
    CampaignError
        If a step is not finished; the sentence names it.
    """
    if not directory.verified.exists():
        raise CampaignError(f"{directory.path} holds no finished campaign; finish it with 'ionscreen run'.")
    evaluation = read_json(directory.evaluation)
    if not isinstance(evaluation, dict):
        raise CampaignError(f"{directory.evaluation} cannot be read; train again with 'ionscreen train'.")
    properties, objective = properties_of(config), objective_of(config)
    predictor = predictor_of(directory.surrogate, config.train.model)
    folder, key = directory.screening, newest_key(directory.screening)
    ranked = rank_candidates(
        Predictions(folder=folder, key=key, properties=properties, predictor=predictor, objective=objective),
        config.screen.constraints,
    )
    rounds = Rounds.load(directory.rounds) if config.mode == "adaptive" else Rounds("")
    groups = verified_groups(ranked, config, rounds)
    solved = Dataset(directory.verification)
    try:
        chosen = rounds.before(ranked.at(ranked.places(groups)))
        verification = compare(chosen, groups, solved, properties, objective, config.label.rtol)
    except InvalidInput as error:
        raise CampaignError(
            f"{directory.verification} lacks candidates that are to be verified; finish the campaign with "
            "'ionscreen run'."
        ) from error
    return CampaignResults(config, directory, Dataset(directory.dataset), evaluation, ranked, verification)
