"""What the fault tests share: a world of real servers, sites in it, and commands that run on a site as real processes.

A `Site` is what one countercache user has: figures in a database, a namespace in a Valkey, a configuration with a lease
of 2 s and a timeout of 5 s. All its figures change together by a *generation*, and every total of a generation is known
exactly: so any stored number says which snapshot it comes from, or that it is wrong.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import redis

from countercache.config import loader
from countercache.settings import Settings
from countercache.store.keys import Keys
from countercache.store.redis_client import Store
from tests.faults import figures
from tests.faults.processes import Result, Run
from tests.faults.proxy import Proxy
from tests.faults.zygote import ROOT, Ended, Zygote
from tests.mariadb import MariaDB
from tests.postgres import Cluster
from tests.valkey import Valkey

LEASE = 2.0
TIMEOUT = 5.0
ROOMY = ("--timeout", "20s")
"""Options of a run that must succeed, and whose deadline is not what is looked at: the machine may be busy."""


class World:
    """The servers and the zygote that all sites of a process share. Safe to use from many threads."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.valkey = Valkey()
        self.valkey.start()
        self.zygote = Zygote()
        self._numbers = itertools.count()
        self._idle: list[str] = []
        self._kept: dict[str, list[Site]] = {}
        self._servers: list[MariaDB] = []
        self._clusters: list[Cluster] = []
        self._idle_clusters: list[Cluster] = []
        self._lock = threading.Lock()
        self._admin = psycopg.connect(cluster.url(), autocommit=True)

    def number(self) -> int:
        """A number that no other site of this process has."""
        return next(self._numbers)

    def database(self) -> str:
        """A database of the shared cluster with the figures in it; `give_back` returns it."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            name = f"faults_{os.getpid()}_{next(self._numbers)}"
        self.cluster.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(self.cluster.url(name), autocommit=True) as connection:
            connection.execute(figures.POSTGRES_TABLES)
        return name

    def give_back(self, name: str) -> None:
        """Take a database back, without whoever is still in it."""
        self.cluster.execute(f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = '{name}'")
        with self._lock:
            self._idle.append(name)

    def keep(self, kind: str, site: Site) -> None:
        """Keep a healthy site for the next test that needs one of its kind."""
        with self._lock:
            self._kept.setdefault(kind, []).append(site)

    def kept(self, kind: str) -> Site | None:
        """A site of that kind that was kept, if any."""
        with self._lock:
            return self._kept[kind].pop() if self._kept.get(kind) else None

    def own_cluster(self) -> Cluster:
        """A cluster that a site may stop and start, with the figures in it; `give_back_cluster` returns it."""
        with self._lock:
            if self._idle_clusters:
                return self._idle_clusters.pop()
        cluster = Cluster()
        with self._lock:
            self._clusters.append(cluster)
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute(figures.POSTGRES_TABLES)
        return cluster

    def server(self, *, own: bool) -> MariaDB:
        """A MariaDB server: of the sites that do not disturb it, or one of a site's own."""
        with self._lock:
            if own or not self._servers:
                self._servers.insert(len(self._servers) if own else 0, server := MariaDB())
                server.execute("CREATE USER site@'%'; GRANT ALL ON *.* TO site@'%'")
                return server
            return self._servers[0]

    def give_back_cluster(self, cluster: Cluster) -> None:
        """Take it back, running."""
        if cluster.process.poll() is not None:
            cluster.start()
        cluster.process.send_signal(signal.SIGCONT)
        with self._lock:
            self._idle_clusters.append(cluster)

    def admin(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, outside the sites' databases."""
        with self._lock:
            return self._admin.execute(sql.encode()).fetchall()

    def close(self) -> None:
        """End all of it."""
        for site in (site for sites in self._kept.values() for site in sites):
            site.close()
        self.zygote.close()
        self.valkey.close()
        for cluster in self._clusters:
            cluster.close()
        for server in self._servers:
            server.close()
        self._admin.close()


class Site:
    """A user's site; a context manager. `kind` is of its database; `own_*` gives it a server that it may disturb.

    `proxied` puts the site's proxies (`redis_proxy`, `database_proxy`) between the program and the servers.
    """

    def __init__(
        self,
        world: World,
        *,
        kind: str = "postgres",
        own_valkey: tuple[str, ...] | None = None,
        own_cluster: bool = False,
        proxied: tuple[str, ...] = (),
        databases: int = 1,
    ) -> None:
        self.world = world
        self.kind = kind
        self.generation = 0
        self._found: dict[tuple[str, str, str], int] = {}
        self.number = world.number()
        self.namespace = f"site-{os.getpid()}-{self.number}"
        self.keys = Keys(self.namespace)
        self.directory = Path(tempfile.mkdtemp(prefix="site-"))
        self._closing = contextlib.ExitStack()
        self._closing.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.valkey = world.valkey
        if own_valkey is not None:
            self.valkey = Valkey(*own_valkey)
            self._closing.callback(self.valkey.close)
            self.valkey.start()
        self.cluster: Cluster | MariaDB = world.cluster
        self.database = ""
        if kind == "mariadb":
            self.cluster = world.server(own=own_cluster)
            self.database = f"site_{self.number}"
            self.cluster.execute(f"CREATE DATABASE {self.database}")
            self.cluster.execute(figures.MARIADB_TABLES, self.database)
        elif own_cluster:
            self.cluster = cluster = world.own_cluster()
            self._closing.callback(world.give_back_cluster, cluster)
            self.database = "postgres"
        elif kind == "postgres":
            self.database = world.database()
            self._closing.callback(world.give_back, self.database)
        self.redis_proxy = self._proxy(self.valkey.port) if "redis" in proxied else None
        self.database_proxy = self._proxy(self.cluster.port) if "database" in proxied else None
        self.databases = ["main", *(f"other{number}" for number in range(1, databases))]
        self.redis = redis.Redis(
            unix_socket_path=str(self.valkey.socket), decode_responses=True, protocol=2, socket_timeout=1
        )
        self._closing.callback(self.redis.close)
        self.store = Store(self.redis, self.keys)
        if kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.directory / "figures.db")) as connection:
                connection.executescript(figures.SQLITE_TABLES)
        self.configure()
        self._runs = itertools.count()
        self.change(0)

    def close(self) -> None:
        """Give back what it has."""
        self._closing.close()

    def calm(self) -> None:
        """The configuration and the proxies as they were at first."""
        for proxy in (self.redis_proxy, self.database_proxy):
            if proxy:
                proxy.calm()
        self.configure()

    def _proxy(self, port: int) -> Proxy:
        return self._closing.enter_context(Proxy(port))

    def configure(self, *, lock_timeout: str = "10s", login: str = "", slow: bool = True) -> None:
        """Write the configuration; `login` is `user:password@` for Redis. Not `slow`: without the slow source."""
        proxy = self.redis_proxy
        url = f"redis://{login}127.0.0.1:{proxy.port if proxy else self.valkey.port}/0"
        text = _CONFIG.format(namespace=self.namespace, redis=url, lease=LEASE, timeout=TIMEOUT)
        for name in self.databases:
            text += figures.database(self.kind, name=name, url=self._url(), lock_timeout=lock_timeout, slow=slow)
        self.path.write_text(text, encoding="utf-8")
        self.settings: Settings = loader.load(self.path)

    def _url(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:///{self.directory / 'figures.db'}"
        port = self.database_proxy.port if self.database_proxy else self.cluster.port
        if self.kind == "mariadb":
            return f"mariadb://site@127.0.0.1:{port}/{self.database}"
        return f"postgresql://postgres@127.0.0.1:{port}/{self.database}"

    @property
    def path(self) -> Path:
        """The configuration file."""
        return self.directory / "countercache.toml"

    def sql(self, statement: str) -> None:
        """Run SQL in the site's database, past all proxies."""
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.directory / "figures.db", timeout=10)) as connection:
                connection.executescript(statement)
        else:
            self.cluster.execute(statement, self.database)

    def change(self, generation: int | None = None) -> None:
        """All figures change at once, to the next generation (or the one given)."""
        self.generation = self.generation + 1 if generation is None else generation
        self.sql(figures.change(self.generation))

    def expected(self, counter: str, period: str, generation: int | None = None) -> Decimal:
        """The exact value of a cell, from the figures of a generation (none given: of now)."""
        return figures.expected(self.kind, counter, period, self.generation if generation is None else generation)

    def generation_of(self, counter: str, period: str, value: str | Decimal | None) -> int | None:
        """The generation whose exact total a value is; `None` for one that is no total of any snapshot."""
        if value is None:
            return None
        key = (counter, period, str(value))
        for generation in (self._found[key],) if key in self._found else range(self.generation, -1, -1):
            if abs(Decimal(value) - self.expected(counter, period, generation)) < figures.CLOSE:
                self._found[key] = generation
                return generation
        return None

    def start(
        self, *arguments: str, points: tuple[dict[str, Any], ...] = (), environment: dict[str, str] | None = None
    ) -> Run:
        """Start a command on this site; it is forked from the program already loaded."""
        out, err = self._outputs()
        started = time.monotonic()
        order = {
            "arguments": arguments,
            "directory": str(self.directory),
            "out": str(out),
            "err": str(err),
            "points": points,
            "environment": environment or {},
        }
        pid, ended = self.world.zygote.fork(order)
        return Run(pid, ended, started, out, err)

    def race(self, **order: Any) -> Run:
        """Start one process of `race.main`."""
        out, err = self._outputs()
        started = time.monotonic()
        where = {"directory": str(self.directory), "out": str(out), "err": str(err)}
        pid, ended = self.world.zygote.fork({"race": order, **where})
        return Run(pid, ended, started, out, err)

    def start_installed(self, *arguments: str) -> Run:
        """Start a command as a user does: a fresh interpreter, nothing loaded."""
        out, err = self._outputs()
        started = time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "countercache", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        ended: Future[Ended] = Future()

        def wait() -> None:
            code = process.wait()
            ended.set_result(Ended(code, time.monotonic()))

        threading.Thread(target=wait, daemon=True).start()
        return Run(process.pid, ended, started, out, err)

    def command(self, *arguments: str, seconds: float = 20.0) -> Result:
        """Run a command to its end."""
        return self.start(*arguments).wait(seconds)

    def cell(self, counter: str, field: str, period: str = "") -> str | None:
        """A field of a stored cell, as Redis has it; `None` where it has none."""
        period = period or ("latest" if self.settings.counters[counter].sql is None else "all")
        found: Any = self.redis.hget(f"{self.keys.prefix}cell:{counter}:all:{period}", field)
        return None if found is None else str(found)

    def locked(self) -> bool:
        """Whether any lock of the site exists."""
        return any(self.redis.exists(self.keys.lock(name)) for name in self.databases)

    def _outputs(self) -> tuple[Path, Path]:
        number = next(self._runs)
        return self.directory / f"out{number}", self.directory / f"err{number}"

    def backends(self) -> list[int]:
        """The pids of the server's processes for this site's database."""
        if self.kind == "sqlite":
            return []
        if self.kind == "mariadb":
            return [pid for (pid,) in self._sessions("")]
        sql = f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.database}' AND pid <> pg_backend_pid()"
        if self.cluster is self.world.cluster:
            return [pid for (pid,) in self.world.admin(sql)]
        try:
            return [pid for (pid,) in self.cluster.execute(sql + " AND application_name = 'countercache'")]
        except psycopg.OperationalError:
            return []  # the whole server is down

    def busy(self) -> bool:
        """Whether a statement of the program's sleeps or waits in the database; on SQLite, whether a run goes on."""
        if self.kind == "sqlite":
            return bool(self.redis.hget(self.keys.lock("main"), "phase") not in (None, "starting", "connecting"))
        if self.kind == "mariadb":
            return bool(self._sessions("AND (STATE LIKE 'User sleep%' OR STATE LIKE 'Waiting for table%')"))
        sql = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type IN ('Timeout', 'Lock') "
            f"AND datname = '{self.database}' AND pid <> pg_backend_pid()"
        )
        return bool(self.world.admin(sql) if self.cluster is self.world.cluster else self.cluster.execute(sql))

    def _sessions(self, condition: str) -> list[tuple[int]]:
        """The sessions of the program in MariaDB; none while it is down."""
        where = f"USER = 'site' AND DB = '{self.database}' {condition}"
        try:
            return self.cluster.execute(f"SELECT ID FROM information_schema.PROCESSLIST WHERE {where}")
        except pymysql.OperationalError:
            return []

    @contextlib.contextmanager
    def table_locked(self) -> Iterator[None]:
        """Another session holds the table so that nobody can read it."""
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.directory / "figures.db", isolation_level=None)) as held:
                held.execute("BEGIN EXCLUSIVE")
                yield
            return
        if isinstance(self.cluster, MariaDB):
            with self.cluster.connect(self.database) as rival, rival.cursor() as cursor:
                cursor.execute("LOCK TABLES figure WRITE")
                yield
            return
        with psycopg.connect(self.cluster.url(self.database), application_name="rival") as connection:
            connection.execute("LOCK TABLE figure IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()


_CONFIG = """
namespace = "{namespace}"
[redis]
url = "{redis}"
[agent]
lease = "{lease:g}s"
timeout = "{timeout:g}s"
batch_size = 3
[breaker]
failures = 1000000
[publish]
key = "published:{namespace}:{{counter}}:{{group}}:{{period}}"
"""
