#!/usr/bin/env bash
# Make RecBole 1.2.1 its own virtual environment, for `python -m benchmarks.epoch` to compare with.
#
#   benchmarks/recbole_env.sh [FOLDER]        default: .venv-recbole; PYTHON=python3.11 picks the interpreter (3.11 or 3.12)
#
# RecBole's own requirements name a colorlog and a ray that no longer install, so it goes in without them, beside the
# packages that it imports to train one sequential model. numpy 1.26, pandas 2.1 and scipy 1.11 still have everything
# it calls; the torch is the one seqdistill is measured with, so that both run on the same kernels.
set -euo pipefail

folder=${1:-.venv-recbole}
python=${PYTHON:-python3}

"$python" -m venv --clear "$folder"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" \
    'torch==2.13.0' \
    'numpy==1.26.4' \
    'pandas==2.1.4' \
    'scipy==1.11.4' \
    'scikit-learn==1.3.2' \
    'colorama==0.4.6' \
    'colorlog==6.9.0' \
    'plotly==5.24.1' \
    'psutil==6.1.1' \
    'pyyaml==6.0.2' \
    'tabulate==0.9.0' \
    'tensorboard==2.18.0' \
    'texttable==1.7.0' \
    'thop==0.1.1.post2209072238' \
    'tqdm==4.67.1' \
    'setuptools==80.9.0'
"${pip[@]}" --no-deps 'recbole==1.2.1'
"$folder/bin/python" -c 'import recbole.config, recbole.trainer, recbole.model.sequential_recommender.sasrec'
