"""Embedded servers serve their own command only, and nothing of them outlives it."""

import datetime as dt
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing
from collections.abc import Iterator

import botocore.exceptions
import psutil
import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command

from config import env
from config.embedded import commands, machine, object_store, servers, services, shared
from config.simulation import processes, sender

PATIENCE_S = 15.0
SERVERS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"}


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A `var/` of the test's own: pytest's folders are closed to other users, so root's servers must go elsewhere."""
    var = tmp_path_factory.mktemp("var")
    monkeypatch.setattr(machine, "VAR", var)
    yield var
    if (var / "outside").exists():
        subprocess.run(["rm", "-rf", (var / "outside").read_text(encoding="utf-8").strip()], check=True)  # noqa: S607 - our own folder


def _gone(*pids: int) -> bool:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _family(*, stack: services.Stack) -> list[int]:
    assert stack.postgres_process
    assert stack.redis_process
    parents = [stack.postgres_process.pid, stack.redis_process.pid]
    return parents + [child.pid for pid in parents for child in psutil.Process(pid).children(recursive=True)]


@pytest.mark.usefixtures("home")
def test_a_stack_leaves_no_process_and_no_file() -> None:
    with services.Stack() as stack:
        family, folder = _family(stack=stack), stack.folder
        assert psycopg.connect(stack.database_url).execute("SELECT current_user").fetchone() == ("billing_app",)
        assert redis.Redis.from_url(stack.redis_url).ping()
    assert _gone(*family)
    assert not folder.exists()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[services.Stack, services.Stack]]:
    """Two at the same time, on which nobody has run `provision`."""
    with services.Stack() as one, services.Stack() as other:
        yield one, other


def test_two_stacks_side_by_side_share_nothing(pair: tuple[services.Stack, services.Stack]) -> None:
    one, other = pair
    assert one.folder != other.folder
    assert not set(one.environment().values()) & set(other.environment().values())
    with psycopg.connect(one.superuser_url) as connection:
        connection.execute("CREATE TABLE only_here ()")
    with psycopg.connect(other.superuser_url) as connection:
        assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_a_password_of_one_stack_opens_no_other(pair: tuple[services.Stack, services.Stack]) -> None:
    one, other = pair
    wrong = one.database_url.replace(f":{one.postgres.port}/", f":{other.postgres.port}/")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis.from_url(one.redis_url.replace(f":{one.redis.port}/", f":{other.redis.port}/")).ping()


def test_servers_do_not_run_as_root(pair: tuple[services.Stack, services.Stack]) -> None:
    both = [process.pid for process in (pair[0].postgres_process, pair[0].redis_process) if process]
    assert len(both) == 2
    assert {psutil.Process(pid).uids().real for pid in both}.isdisjoint({0})


@pytest.mark.usefixtures("home")
def test_a_database_server_that_was_killed_starts_again_where_its_clients_look() -> None:
    with services.Stack(fsync=True) as stack:
        with psycopg.connect(stack.superuser_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS it")
        stack.postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(stack.superuser_url)
        stack.postgres.start()
        with psycopg.connect(stack.superuser_url) as connection:
            assert connection.execute("SELECT it FROM kept").fetchone() == (1,)


@pytest.mark.usefixtures("home")
def test_a_folder_that_a_killed_run_left_is_removed_by_the_next_one() -> None:
    left = machine.home() / "run-left"
    left.mkdir()
    (left / "lock").touch()
    with services.Stack():
        assert not left.exists()


@pytest.mark.usefixtures("home")
def test_data_lies_in_memory_where_the_machine_lends_enough_and_cleaning_leaves_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(machine, "MEMORY", tmp_path)
    monkeypatch.setattr(machine, "MEMORY_BYTES_MIN", 2**60)
    assert machine.memory_folder() is None
    monkeypatch.setattr(machine, "MEMORY_BYTES_MIN", 0)
    folder, lock = services.throwaway_folder(memory=True)
    assert (folder.parent, folder.parent.parent) == (machine.memory_folder(), tmp_path)
    with pytest.raises(CommandError, match="is in use"):
        call_command("clean")
    lock.close()
    call_command("clean")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / folder.parent.name).symlink_to(machine.VAR.parent)
    assert machine.memory_folder() is None


def test_a_server_that_cannot_start_says_why(tmp_path: pathlib.Path) -> None:
    server = servers.Postgres(folder=tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(machine.NotStartedError, match="postgres"):
        server.start()
    assert server.process is None or server.process.poll() is not None


def _command(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=env.BASE_DIR,
        env=_without_servers(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _without_servers() -> dict[str, str]:
    return {name: value for name, value in env.inherited().items() if name not in SERVERS} | {"ENVIRONMENT": "demo"}


_HOLDER = """
import pathlib, sys, time
from config.embedded import commands, machine
machine.VAR = pathlib.Path(sys.argv[1])
with commands.around(command="demo"):
    print("up", flush=True)
    time.sleep(60)
"""

_USER = """
import pathlib, sys, time
from config import env
from config.embedded import commands, machine
machine.VAR = pathlib.Path(sys.argv[1])
with commands.around(command="shell"):
    print(env.text(name="DATABASE_URL"), flush=True)
    sys.stdin.readline() if sys.argv[2] == "wait" else None
"""


def _holder(
    *, var: pathlib.Path, ignored: str = "", objects: bool = False
) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A command with servers of its own, started with some signals ignored and no others; its servers' processes."""
    signals = ["--default-signal", *([f"--ignore-signal={ignored}"] if ignored else [])]
    words = ["env", *signals, sys.executable, "-c", _HOLDER, str(var)]
    variables = _without_servers() | ({"VAULT_URL": ""} if objects else {})
    holder = subprocess.Popen(words, cwd=env.BASE_DIR, env=variables, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline() == b"up\n"
    family = [child.pid for child in psutil.Process(holder.pid).children(recursive=True)]
    assert len(family) > 2  # Valkey, PostgreSQL and what PostgreSQL has started
    return holder, family


@pytest.mark.parametrize("ignored", ["", "INT,TERM,QUIT"], ids=["", "ignored"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_killed_parent_takes_its_servers_along(number: signal.Signals, ignored: str, home: pathlib.Path) -> None:
    holder, family = _holder(var=home, ignored=ignored)
    holder.send_signal(number)
    holder.communicate(timeout=PATIENCE_S)
    assert _gone(*family)
    if number != signal.SIGKILL:
        assert not list(machine.home().glob("run-*"))


def test_a_killed_demo_takes_its_object_store_along(home: pathlib.Path) -> None:
    holder, family = _holder(var=home, objects=True)
    assert "weed" in {psutil.Process(pid).name() for pid in family}
    holder.kill()
    holder.communicate(timeout=PATIENCE_S)
    assert _gone(*family)


@pytest.mark.usefixtures("home")
def test_an_object_store_locks_forgets_nothing_when_killed_and_goes_with_its_folder() -> None:
    with services.Stack(objects=True) as stack:
        store = stack.objects
        assert store
        assert store.process
        assert psutil.Process(store.process.pid).uids().real != 0
        assert stack.environment()["VAULT_URL"] == store.url
        client = object_store.client(endpoint=store.endpoint, secret=store.password)
        until = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)
        lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        version = client.put_object(Bucket=object_store.BUCKET, Key="a", Body=b"it", **lock)["VersionId"]
        store.kill()
        store.start()  # where its clients look
        name = {"Bucket": object_store.BUCKET, "Key": "a", "VersionId": version}
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(**name)
        assert client.get_object(**name)["Body"].read() == b"it"
        with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
            object_store.client(endpoint=store.endpoint, secret="another").list_buckets()
        family, folder = [store.process.pid], stack.folder
    assert _gone(*family)
    assert not folder.exists()


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as a command hears it, also where the tests were started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("home", "_ctrl_c")
def test_a_second_ctrl_c_lets_the_end_finish_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = services.Stack().start()
    family, folder = _family(stack=stack), stack.folder
    stop = servers.Server.stop

    def disturbed(server: servers.Server) -> None:
        signal.raise_signal(signal.SIGINT)
        stop(server)

    monkeypatch.setattr(servers.Server, "stop", disturbed)
    with pytest.raises(KeyboardInterrupt):
        stack.stop()
    assert _gone(*family)
    assert not folder.exists()


@pytest.mark.usefixtures("home", "_ctrl_c")
def test_ctrl_c_while_a_server_is_being_launched_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class InterruptedStart(subprocess.Popen[bytes]):
        pids: typing.ClassVar[list[int]] = []

        def __init__(self, *words: typing.Any, **how: typing.Any) -> None:
            super().__init__(*words, **how)
            self.pids.append(self.pid)
            signal.raise_signal(signal.SIGINT)  # before anybody has noted the process

    stack = services.Stack()
    group = processes.ProcessGroup(folder=machine.VAR, listening=processes.listen())
    for server in group.processes.values():
        server.command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", InterruptedStart)
        with pytest.raises(KeyboardInterrupt):
            stack.start()
        with pytest.raises(KeyboardInterrupt), group:
            pass
    assert not stack.folder.exists()
    assert len(InterruptedStart.pids) == 3
    assert _gone(*InterruptedStart.pids)


def _log(server: servers.Server) -> str:
    return (server.folder / f"{server.name}.log").read_text(encoding="utf-8")


@pytest.mark.usefixtures("home")
def test_a_broker_whose_starter_died_before_it_wrote_the_password_ends_when_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    broker = servers.Valkey(folder=tmp_path)
    monkeypatch.setattr(servers.Valkey, "configuration", lambda _broker: b"")
    monkeypatch.setattr(servers.Valkey, "answers", lambda broker: "Ready to accept" in _log(broker))
    broker.start()
    assert broker.process
    broker.process.terminate()
    assert broker.process.wait(timeout=PATIENCE_S) == 0


def test_a_command_that_nohup_started_outlives_its_terminal(home: pathlib.Path) -> None:
    holder, family = _holder(var=home, ignored="HUP")
    holder.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        holder.wait(timeout=1)
    holder.terminate()
    assert holder.wait(timeout=PATIENCE_S) == 128 + signal.SIGTERM
    holder.communicate()
    assert _gone(*family)


def test_production_is_never_given_an_embedded_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with commands.around(command="migrate"):
        assert not env.text(name="DATABASE_URL")


def test_given_servers_are_used_and_none_started(monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@db.example/billing")
    monkeypatch.setenv("REDIS_URL", "redis://broker.example")
    with commands.around(command="migrate"):
        assert env.text(name="DATABASE_URL") == "postgresql://app@db.example/billing"
    assert not list(home.iterdir())


@pytest.mark.parametrize("command", ["", "--help", "help", "gate", "clean", "makemigrations", "check", "send_events"])
def test_a_command_that_needs_no_server_starts_none(
    command: str, monkeypatch: pytest.MonkeyPatch, home: pathlib.Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    with commands.around(command=command):
        assert not env.text(name="DATABASE_URL")
    assert not list(home.iterdir())


def _user(*, var: pathlib.Path, wait: bool) -> subprocess.Popen[bytes]:
    return _command("-c", _USER, str(var), "wait" if wait else "go")


def _hosts() -> list[int]:
    ours = ["-m", "config.embedded.shared", str(machine.home() / shared.LASTING)]
    return [one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[1:] == ours]


def test_commands_that_overlap_share_one_database_which_ends_with_the_last(home: pathlib.Path) -> None:
    first = _user(var=home, wait=True)
    assert first.stdout
    assert first.stdin
    url = first.stdout.readline()
    hosts = _hosts()
    second = _user(var=home, wait=False)
    assert second.communicate()[0] == url
    assert psycopg.connect(url.decode().strip()).execute("SELECT 1").fetchone() == (1,)
    first.stdin.write(b"\n")
    first.stdin.close()
    first.wait(timeout=PATIENCE_S)
    assert hosts
    assert _gone(*hosts)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.decode().strip())


def test_a_killed_command_leaves_no_host(home: pathlib.Path) -> None:
    user = _user(var=home, wait=True)
    assert user.stdout
    user.stdout.readline()
    hosts = _hosts()
    family = [child.pid for host in hosts for child in psutil.Process(host).children(recursive=True)]
    user.kill()
    user.communicate()
    assert hosts
    assert _gone(*hosts, *family)


def test_a_killed_host_takes_its_servers_along_and_the_next_command_starts_again(home: pathlib.Path) -> None:
    user = _user(var=home, wait=True)
    assert user.stdout
    user.stdout.readline()
    (host,) = _hosts()
    family = [child.pid for child in psutil.Process(host).children(recursive=True)]
    os.kill(host, signal.SIGKILL)
    assert _gone(host, *family)
    user.communicate(b"\n")
    again = _user(var=home, wait=False)
    assert again.communicate()[0].startswith(b"postgresql://billing_app:")


def _said(*words: str, **variables: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=env.BASE_DIR,
        env=_without_servers() | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stderr


@pytest.fixture
def bare(pair: tuple[services.Stack, services.Stack]) -> dict[str, str]:
    """The URLs of servers on which nobody has run `provision`."""
    return pair[1].environment()


@pytest.mark.parametrize(
    "command", ["add_issuer config/samples/issuers.json", "reconcile_payouts --country ES", "migrate"]
)
def test_a_database_that_is_not_provisioned_is_said_with_the_command_that_mends_it(
    command: str, bare: dict[str, str]
) -> None:
    code, said = _said(*command.split(), **bare)
    assert code == 1
    assert said.splitlines()[-1].startswith("billing-docs: the database is not provisioned (")
    assert said.splitlines()[-1].endswith("): make manage ARGS=provision")
    assert "Traceback" not in said


def test_of_several_hosts_it_is_said_what_each_of_them_answered(bare: dict[str, str]) -> None:
    one, other = servers.free_port(), servers.free_port()
    url = f"postgresql://nobody@127.0.0.1:{one},127.0.0.1:{other}/none"
    said = _said("reconcile_payouts", **bare | {"DATABASE_URL": url})[1].splitlines()[-1]
    assert said.count("Connection refused") == 2
    assert (str(one) in said, str(other) in said) == (True, True)


def test_whoever_asks_for_the_traceback_gets_it(bare: dict[str, str]) -> None:
    assert "Traceback" in _said("reconcile_payouts", "--traceback", **bare)[1]


@pytest.mark.parametrize("command", ["reconcile_payouts", "provision"])
@pytest.mark.parametrize("wrong", ["port", "password"])
def test_a_database_that_cannot_be_used_is_said_with_the_variables_to_mend(
    command: str, wrong: str, bare: dict[str, str]
) -> None:
    def broken(url: str) -> str:
        before, _, after = url.rpartition("@")
        user = before.rpartition(":")[0]
        return f"{user}:wrong@{after}" if wrong == "password" else f"{before}@127.0.0.1:{servers.free_port()}/billing"

    code, said = _said(*command.split(), **{name: broken(url) for name, url in bare.items()})
    assert code == 1
    assert said.startswith("billing-docs: the database cannot be used (")
    assert "DATABASE_URL" in said
    assert "Traceback" not in said
    assert not any(url.rpartition("@")[0].rpartition(":")[2] in said for url in bare.values())


def test_a_defect_keeps_its_traceback_and_ctrl_c_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError), commands.around(command="check"):
        raise KeyError
    with pytest.raises(psycopg.errors.UniqueViolation), commands.around(command="check"):
        raise psycopg.errors.UniqueViolation
    with pytest.raises(psycopg.errors.QueryCanceled), commands.around(command="check"):
        raise psycopg.errors.QueryCanceled
    with pytest.raises(SystemExit) as ended, commands.around(command="check"):
        raise KeyboardInterrupt
    assert ended.value.code == 130


def test_a_server_that_does_not_start_ends_the_command_with_its_reason() -> None:
    with pytest.raises(SystemExit, match="billing-docs: postgres did not start"), commands.around(command="check"):
        raise machine.NotStartedError("postgres did not start")


def test_a_python_without_the_packages_is_told_what_to_type() -> None:
    ran = subprocess.run(
        [sys.executable, "-S", "manage.py", "send_events", "a.json"],
        cwd=env.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.endswith('type make manage ARGS="send_events a.json"\n')


@pytest.mark.parametrize("told", [KeyboardInterrupt, SystemExit])
def test_a_sender_that_is_told_to_end_posts_nothing_more(
    told: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = []

    def post(*, base_url: str, event: dict[str, str], secret: str) -> sender.PostedEvent:
        posted.append(event["id"])
        time.sleep(0.01)
        if len(posted) == 3:
            raise told
        return sender.PostedEvent(event_id=event["id"], status=201, body={})

    monkeypatch.setattr(sender, "post", post)
    events = [{"id": f"evt_{number}", "type": "ORDER_COMPLETED"} for number in range(500)]
    with pytest.raises(told):
        sender.post_all(base_url="http://127.0.0.1:1", events=events, secrets={"orders": "whsec_eA=="})
    assert len(posted) < 500
