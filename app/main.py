"""The Serve application: `build(args)` binds every deployment, here and nowhere else."""

from collections.abc import Mapping
from typing import Any, Literal

import ray
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application

from app.database import migrate, open_database
from app.deployments import ConductorReplica, Ingress
from app.engines.registry import ENGINES
from app.runtime import StageReplica
from app.settings import Settings

MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""glibc keeps memory that is freed, for all threads in one place, instead of handing it back and faulting it in again,
page by page, for the next tensor: htdemucs on 33 s of music took 11.7 s instead of 15.9 on two cores, in 1.66 GB
instead of 1.44."""


class Scale(BaseModel):
    """How much of the cluster the replicas of one task may take."""

    model_config = ConfigDict(extra="forbid")

    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(1, ge=1)
    cpus: float = Field(0.1, ge=0, description="CPUs that Ray sets aside for each replica.")
    threads: int = Field(0, ge=0, description="Threads of each replica's arithmetic; 0: one for each core.")
    gpu_fraction: float = Field(0.0, ge=0, le=1, description="Share of a GPU for each replica, where GPUs are used.")
    memory_mb: int = Field(0, ge=0, description="Memory that Ray sets aside for each replica; 0: none.")
    concurrent_requests: int = Field(3, ge=1, description="Runs at once in a replica: one computes, others do I/O.")


class Args(BaseModel):
    """The arguments of the application in serve_config.yaml."""

    model_config = ConfigDict(extra="forbid")

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings that override the environment.")
    scale: dict[str, Scale] = Field(default_factory=dict, description="Task to its scale.")


def build(args: Mapping[str, Any]) -> Application:
    """The whole application. Tables are brought up to date before anything opens them."""
    parsed = Args.model_validate(args)
    unknown = set(parsed.scale) - set(ENGINES)
    if unknown:
        raise ValueError(f"scale names unknown tasks {sorted(unknown)}; there are: {', '.join(ENGINES)}")
    settings = Settings(**parsed.settings).resolved()
    migrate(open_database(settings.database_url))
    on_gpu = uses_gpu(parsed.accelerator)
    stages = {task: _stage(task, parsed.scale.get(task, Scale()), settings, on_gpu) for task in ENGINES}
    conductor = serve.deployment(ConductorReplica, name="conductor").options(ray_actor_options={"num_cpus": 0.1})
    ingress = serve.deployment(Ingress, name="ingress").options(
        ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=200
    )
    return ingress.bind(settings, conductor.bind(settings, stages), stages)


def uses_gpu(accelerator: str) -> bool:
    """`auto`: wherever the cluster has a GPU now. On a cluster that adds GPU nodes later, say `gpu`."""
    if accelerator == "auto":
        return ray.is_initialized() and ray.cluster_resources().get("GPU", 0) > 0
    return accelerator == "gpu"


def deployment_options(scale: Scale, on_gpu: bool) -> dict[str, Any]:
    """A task's scale as Serve's options for its deployment."""
    actor: dict[str, Any] = {"num_cpus": scale.cpus, "runtime_env": {"env_vars": MALLOC}}
    if on_gpu and scale.gpu_fraction:
        actor["num_gpus"] = scale.gpu_fraction
    if scale.memory_mb:
        actor["memory"] = scale.memory_mb * 2**20
    options: dict[str, Any] = {"max_ongoing_requests": scale.concurrent_requests, "ray_actor_options": actor}
    if scale.min_replicas == scale.max_replicas:
        return options | {"num_replicas": scale.min_replicas}
    bounds = {"min_replicas": scale.min_replicas, "max_replicas": scale.max_replicas}
    return options | {"autoscaling_config": bounds}


def _stage(task: str, scale: Scale, settings: Settings, on_gpu: bool) -> Application:
    deployment = serve.deployment(StageReplica, name=task).options(**deployment_options(scale, on_gpu))
    gpu_fraction = scale.gpu_fraction if on_gpu else 0.0
    return deployment.bind(task, settings, scale.concurrent_requests, scale.threads, gpu_fraction)
