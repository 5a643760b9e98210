"""Every setting: its name, default and meaning. The only reader of the environment (`TUTTI_…`)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are kept and how much is allowed. Each can be set as `TUTTI_<NAME>` or in serve_config.yaml."""

    model_config = SettingsConfigDict(env_prefix="TUTTI_", frozen=True, extra="forbid")

    data_dir: Path = Field(Path("tutti-data"), description="Folder for everything that has no URL of its own below.")
    database_url: str = Field("", description="SQLAlchemy URL of the catalogue and jobs; empty: SQLite in data_dir.")
    store_url: str = Field("", description="fsspec URL of the artifact store; empty: a folder in data_dir.")
    models_dir: Path | None = Field(None, description="Folder of model weights; empty: `models` in data_dir.")
    fetch_weights: bool = Field(False, description="Whether missing weights are downloaded when an engine needs them.")
    max_upload_bytes: int = Field(2**30, gt=0, description="Largest file accepted, in bytes.")
    max_duration_s: float = Field(4 * 3600, gt=0, description="Longest recording accepted, in seconds.")
    allow_private_urls: bool = Field(False, description="Whether tracks may be fetched from private network addresses.")
    max_running_jobs: int = Field(2, gt=0, description="Jobs that run at the same time; others wait their turn.")
    log_level: str = Field("INFO", description="Least severe log level shown.")

    def resolved(self) -> "Settings":
        """The same with every path absolute and every URL filled in, so that it means the same in any process."""
        data = self.data_dir.expanduser().absolute()
        return self.model_copy(
            update={
                "data_dir": data,
                "database_url": self.database_url or f"sqlite:///{data / 'tutti.db'}",
                "store_url": self.store_url or (data / "store").as_uri(),
                "models_dir": (self.models_dir or data / "models").expanduser().absolute(),
            }
        )
