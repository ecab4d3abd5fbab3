"""The recipes of docs/web-stacks.md, as they are written there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import pages
from tests.acceptance import site
from tests.terminal import environment, run
from tests.valkey import Valkey

KEY = "counter_total:total-debt:all:latest"
PUBLISHED = """
[counters.total-debt]
source = "figures"
formula = "long-term"
format = { currency = "GBP" }
[publish]
key = "KEY"
encoding = "ENCODING"
"""
SETTINGS = """
from django.conf import settings
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "SERVER"}}
settings.configure(COUNTERS_REDIS_URL="SERVER", CACHES=CACHES)
"""


def shown_by_django(tmp_path: Path, valkey: Valkey, code: str, encoding: str, prefix: str = "") -> str:
    """What a Django of this one file shows after countercache has published."""
    more = PUBLISHED.replace("KEY", prefix + KEY.replace("total-debt:all:latest", "{counter}:{group}:{period}"))
    site.make(tmp_path, valkey.url, more.replace("ENCODING", encoding))
    assert run("warmup", "total-debt", cwd=tmp_path).returncode == 0
    program = SETTINGS.replace("SERVER", valkey.tcp_url) + code
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_django_reads_a_total(tmp_path: Path, valkey: Valkey) -> None:
    """The page's code in a project whose cache is Django's own RedisCache shows the total."""
    (block,) = pages.blocks(pages.section(pages.DOCS / "web-stacks.md", "Django"))
    code = f"{block.text}\nprint(total_debt())"
    assert shown_by_django(tmp_path, valkey, code, "json") == "£1,250,000.25"


def test_the_cache_of_django_does_not_read_it(tmp_path: Path, valkey: Valkey) -> None:
    """Of the two traps that the page names: the key has Django's version before it."""
    code = f"from django.core.cache import cache; print(cache.get({KEY!r}))"
    assert shown_by_django(tmp_path, valkey, code, "plain") == "None"


def test_the_cache_of_django_unpickles_it(tmp_path: Path, valkey: Valkey) -> None:
    """The other: a plain number under Django's key is no pickle."""
    code = f"from django.core.cache import cache; print(cache.get({KEY!r}))"
    assert "UnpicklingError" in shown_by_django(tmp_path, valkey, code, "plain", prefix=":1:")
