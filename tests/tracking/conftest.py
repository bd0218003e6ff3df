from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope import hub


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Tests see no key, no settings and no server address of whoever runs them."""
    for name in ("API_KEY", "IDENTITY_TOKEN_FILE", "BASE_URL", "MODE", "CONFIG_DIR", "DIR", "PROJECT"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.chdir(tmp_path)
    hub.reachable.cache_clear()
    yield
    hub.reachable.cache_clear()
