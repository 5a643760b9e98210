"""Binding the application: what serve_config.yaml says is what Serve is told, and nonsense is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.main import Scale, build, deployment_options, uses_gpu


def test_gpu_shares_are_taken_only_where_gpus_are_used() -> None:
    scale = Scale(gpu_fraction=0.25)
    assert deployment_options(scale, on_gpu=True)["ray_actor_options"]["num_gpus"] == 0.25
    assert "num_gpus" not in deployment_options(scale, on_gpu=False)["ray_actor_options"]


def test_the_accelerator_can_be_insisted_on() -> None:
    assert uses_gpu("gpu")
    assert not uses_gpu("cpu")
    assert not uses_gpu("auto"), "no cluster is joined in this process, so none has a GPU"


def test_replicas_are_fixed_or_scaled_within_bounds() -> None:
    assert deployment_options(Scale(min_replicas=2, max_replicas=2), on_gpu=False)["num_replicas"] == 2
    scaled = deployment_options(Scale(min_replicas=0, max_replicas=8), on_gpu=False)
    assert scaled["autoscaling_config"] == {"min_replicas": 0, "max_replicas": 8}
    assert "num_replicas" not in scaled


def test_memory_is_set_aside_in_bytes() -> None:
    assert deployment_options(Scale(memory_mb=3), on_gpu=False)["ray_actor_options"]["memory"] == 3 * 1024 * 1024


def test_a_misspelt_configuration_is_refused(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path)}
    with pytest.raises(ValueError, match=r"unknown tasks \['separtion'\].*separation, rhythm"):
        build({"settings": settings, "scale": {"separtion": {}}})
    with pytest.raises(ValidationError, match="gpu_share"):
        build({"settings": settings, "scale": {"separation": {"gpu_share": 0.5}}})
    with pytest.raises(ValidationError, match="data_directory"):
        build({"settings": {"data_directory": str(tmp_path)}})
