from pathlib import Path

import pytest

from seqdistill.config import Config, load_config
from seqdistill.errors import SeqDistillError


def test_assignments_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("seed = 3\n[distill]\nsteps = 10\nwindow = 5\n")
    config = load_config(file, ["distill.steps=20", "distill.cuts=2", "distill.rank=[3, 4]", "teacher.dropout=0.1"])
    assert (config.distill.steps, config.distill.window, config.seed) == (20, 5, 3)
    assert (config.distill.cuts, config.distill.ranks, config.teacher.dropout) == (2, (3, 4), 0.1)
    assert load_config(file, seed=9).seed == 9


def test_words_need_no_quotes() -> None:
    config = load_config(None, ["distill.start=real", "distill.cuts=all", "distill.rank=none"])
    assert (config.distill.start, config.distill.cuts, config.distill.rank) == ("real", "all", None)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("distill.stpes=3", r"unknown setting distill\.stpes; nearest: .*distill\.steps"),
        ("disitll.steps=3", r"unknown setting disitll; nearest: distill"),
        ("distil.window=3", r"unknown setting"),
        ("steps=3", r"expected section\.key=value"),
        ("distill.steps", r"expected section\.key=value"),
        ("distill.steps=many", r"distill\.steps = 'many'"),
        ("distill.length=1", r"distill\.length = 1"),
        ("distill.rank=[99, 2]", r"user rank 99 must lie in 1\.\.50"),
        ("distill.rank=[2, 51]", r"time rank 51 must lie in 1\.\.50"),
        ("distill.window=500", r"distill\.window = 500 exceeds distill\.inner_steps = 400"),
        ("teacher.heads=5", r"teacher\.heads = 5 does not divide teacher\.dim = 32"),
        ("seed.x=5", r"seed"),
    ],
)
def test_what_cannot_work_is_named_in_one_line(assignment: str, said: str) -> None:
    with pytest.raises(SeqDistillError, match=said) as raised:
        load_config(None, [assignment])
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SeqDistillError, match=r"nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[distill\n")
    with pytest.raises(SeqDistillError, match=r"broken\.toml is not valid TOML"):
        load_config(broken)


def test_settings_survive_json() -> None:
    config = load_config(None, ["distill.rank=[3, 4]", "distill.cuts=2"])
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_a_large_log_gets_more_sequences_unless_their_number_is_given() -> None:
    config = load_config()
    assert config.for_log(100_000, 1_000).distill.num_sequences == 20
    assert config.for_log(1_000_000, 1_000).distill.num_sequences == 50
    assert config.for_log(1_000_000, 1_000).distill.ranks == (50, config.distill.length)
    given = load_config(None, ["distill.num_sequences=7", "distill.inner_regime=fresh"])
    assert given.for_log(1_000_000, 1_000) == given
    large = load_config(None, ["distill.rank=[30, 8]"])
    assert large.for_log(1_000_000, 1_000).distill.ranks == (30, 8)
    with pytest.raises(SeqDistillError, match=r"user rank 30 must lie in 1\.\.20"):
        large.for_log(100_000, 1_000)


def test_learners_of_the_inner_loop_have_embeddings_of_their_own_too_where_that_can_be_afforded() -> None:
    config = load_config()
    assert config.for_log(100_000, 10_000).distill.regimes == ("shared", "fresh")
    assert config.for_log(100_000, 10_001).distill.regimes == ("shared",)
    given = load_config(None, ["distill.inner_regime=both", "distill.num_sequences=9"])
    assert given.for_log(100_000, 1_000_000).distill.regimes == ("shared", "fresh")
    from_teachers = load_config(None, ["distill.learner_start=teacher"])
    assert from_teachers.for_log(100_000, 1_000).distill.regimes == ("shared",)
    with pytest.raises(SeqDistillError, match=r"learner_start = teacher needs distill\.inner_regime = shared"):
        load_config(None, ["distill.learner_start=teacher", "distill.inner_regime=both"])
    with pytest.raises(SeqDistillError, match="inner_regime"):
        load_config(None, ["distill.inner_regime=frozen"])


def test_the_published_dropout_is_for_logs_and_not_for_a_summary() -> None:
    config = load_config(None, ["teacher.learner=narm", "train.learner=narm"])
    assert (config.teacher.dropout, config.train.dropout) == (0.25, 0.0)
    assert load_config(None, ["teacher.learner=narm", "teacher.dropout=0.1"]).teacher.dropout == 0.1
